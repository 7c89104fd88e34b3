// DockerService as a client sees it, without the rest of the daemon.
#pragma once

#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>

#include <atomic>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "hardener_program.h"
#include "modules/docker/hardener_protocol.h"
#include "modules/docker/hardener_socket.h"
#include "seaworthy/modules/docker.h"
#include "seaworthy/rpc/audit.h"
#include "seaworthy/rpc/serve.h"
#include "seaworthy/v1/docker.grpc.pb.h"
#include "support/temp_root.h"

namespace seaworthy::docker {

struct Followed {
  std::string error;  // "CODE REASON: message"
  std::vector<v1::HardeningProgress> progress;
};

class DockerServiceTest : public ::testing::Test {
 protected:
  using Stub = v1::DockerService::Stub;

  void SetUp() override {
    audit_ = rpc::AuditLog::Open(root_ / "audit.jsonl").value();
    MakeServer(std::chrono::seconds(30));
  }
  void TearDown() override { server_->Shutdown(); }

  void MakeServer(std::chrono::milliseconds default_deadline) {
    gate_ = std::make_unique<rpc::Gate>(rpc::Gate::Options{
        .identify = [this](const grpc::ServerContext&) -> Result<rpc::Peer> {
          return rpc::Peer{.role = role_, .identity = "test"};
        },
        .audit = *audit_,
        .default_deadline = default_deadline,
    });
    services_ = module_.MakeServices(*gate_);
    grpc::ServerBuilder builder;
    for (const auto& service : services_) builder.RegisterService(service.get());
    server_ = builder.BuildAndStart();
    stub_ = v1::DockerService::NewStub(server_->InProcessChannel({}));
  }

  static std::string TextOf(const grpc::ClientContext& context, const grpc::Status& status) {
    if (status.ok()) return "";
    const auto& trailers = context.GetServerTrailingMetadata();
    const auto reason = trailers.find("seaworthy-reason");
    return std::to_string(status.error_code()) + " " +
           (reason == trailers.end() ? ""
                                     : std::string(reason->second.data(), reason->second.size())) +
           ": " + status.error_message();
  }

  template <class Request, class Response>
  std::string Call(grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                   const Request& request, Response& response) {
    grpc::ClientContext context;
    const grpc::Status status = (stub_.get()->*method)(&context, request, &response);
    return TextOf(context, status);
  }
  std::string Audit() {
    audited_.Clear();
    return Call(&Stub::AuditEngine, v1::AuditEngineRequest(), audited_);
  }
  std::string Plan(const std::string& profile) {
    v1::PlanHardeningRequest request;
    request.set_profile(profile);
    planned_.Clear();
    return Call(&Stub::PlanHardening, request, planned_);
  }
  std::string List() {
    listed_.Clear();
    return Call(&Stub::ListHardening, v1::ListHardeningRequest(), listed_);
  }

  template <class Request>
  Followed Follow(std::unique_ptr<grpc::ClientReader<v1::HardeningProgress>> (Stub::*method)(
                      grpc::ClientContext*, const Request&),
                  const Request& request) {
    grpc::ClientContext context;
    const auto reader = (stub_.get()->*method)(&context, request);
    Followed followed;
    for (v1::HardeningProgress part; reader->Read(&part);) followed.progress.push_back(part);
    followed.error = TextOf(context, reader->Finish());
    return followed;
  }
  Followed Apply(const std::string& profile, const std::string& digest,
                 const std::string& consent = "") {
    v1::ApplyHardeningRequest request;
    request.set_profile(profile);
    request.set_plan_digest(digest);
    if (!consent.empty()) request.add_consents(consent);
    return Follow(&Stub::ApplyHardening, request);
  }
  Followed RollBack(const std::string& id) {
    v1::RollBackHardeningRequest request;
    request.set_transaction(id);
    return Follow(&Stub::RollBackHardening, request);
  }

  // Takes requests and says these lines, then waits for the other side to go.
  std::unique_ptr<HardenerSocket> Saying(const std::string& text) {
    return std::make_unique<HardenerSocket>(path_, [text](UniqueFd connection) {
      LineReader lines(connection.get(), kMaxHardenerRequest);
      const Deadline soon = DeadlineIn(std::chrono::seconds(30));
      static_cast<void>(lines.Next(soon));
      for (std::string_view rest = text; !rest.empty();) {
        const ssize_t sent = send(connection.get(), rest.data(), rest.size(), MSG_NOSIGNAL);
        if (sent <= 0) break;
        rest.remove_prefix(static_cast<std::size_t>(sent));
      }
      static_cast<void>(lines.Next(soon));
    });
  }

  std::string Audited() const {
    std::ifstream file(root_ / "audit.jsonl");
    return {std::istreambuf_iterator<char>(file), {}};
  }

  const testing::TempRoot root_;
  const std::string path_ = root_ / "hardener.sock";
  std::atomic<rpc::Role> role_ = rpc::Role::kAdmin;  // read by gRPC's threads
  Events events_;
  Docker module_{events_, {path_}};
  std::unique_ptr<rpc::AuditLog> audit_;
  std::unique_ptr<rpc::Gate> gate_;
  std::vector<std::unique_ptr<grpc::Service>> services_;
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<Stub> stub_;
  v1::EngineAudit audited_;
  v1::HardeningPlan planned_;
  v1::ListHardeningResponse listed_;
};

}  // namespace seaworthy::docker
