// The whole daemon in this process, on a swtpm of its own.
#pragma once

#include <grpcpp/grpcpp.h>
#include <poll.h>

#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "app/app.h"
#include "seaworthy/log.h"
#include "seaworthy/v1/attestation.grpc.pb.h"
#include "seaworthy/v1/key.grpc.pb.h"
#include "seaworthy/v1/node.grpc.pb.h"
#include "support/daemon_config.h"
#include "support/status_matchers.h"
#include "support/sw_tpm.h"
#include "support/temp_root.h"

namespace seaworthy::app {

using std::chrono::milliseconds;
using std::chrono::seconds;

// Calls `done` until it says true; false when it never does.
template <class Done>
bool Eventually(Done done) {
  const Deadline deadline = DeadlineIn(seconds(30));
  while (!done()) {
    if (TimeLeft(deadline).count() == 0) return false;
    poll(nullptr, 0, 5);
  }
  return true;
}

// A client's connection of its own: gRPC would share one between channels to one target.
inline std::shared_ptr<grpc::Channel> OpenChannel(
    const std::string& target,
    const std::shared_ptr<grpc::ChannelCredentials>& credentials =
        grpc::InsecureChannelCredentials(),
    const std::string& server_name = "") {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  if (!server_name.empty()) arguments.SetSslTargetNameOverride(server_name);
  return grpc::CreateCustomChannel(target, credentials, arguments);
}

struct Answer {
  grpc::Status status;
  std::string reason;
};

// What a call answered, with the reason out of its trailing metadata.
template <class Stub, class Request, class Response>
Answer Call(Stub& stub,
            grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
            const Request& request, Response& response, milliseconds deadline = seconds(20)) {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + deadline);
  Answer answer{(stub.*method)(&context, request, &response), ""};
  const auto& trailing = context.GetServerTrailingMetadata();
  if (const auto reason = trailing.find("seaworthy-reason"); reason != trailing.end()) {
    answer.reason = {reason->second.data(), reason->second.size()};
  }
  return answer;
}

class AppTest : public ::testing::Test {
 protected:
  AppTest() : config_(testing::DaemonConfig(root_, tpm_.tcti())) {}

  void Start() {
    Result<std::unique_ptr<App>> app = App::Start(config_);
    ASSERT_THAT(app, testing::IsOk());
    app_ = *std::move(app);
    admin_ = OpenChannel("unix:" + config_.local.admin_socket);
    reader_ = OpenChannel("unix:" + config_.local.read_socket);
  }

  static v1::GetStatusResponse GetStatus(const std::shared_ptr<grpc::Channel>& channel) {
    const auto stub = v1::NodeService::NewStub(channel);
    v1::GetStatusResponse response;
    const Answer answer =
        Call(*stub, &v1::NodeService::Stub::GetStatus, v1::GetStatusRequest(), response);
    EXPECT_TRUE(answer.status.ok()) << answer.status.error_message();
    return response;
  }

  static Answer CreateKey(const std::shared_ptr<grpc::Channel>& channel, const std::string& name) {
    const auto stub = v1::KeyService::NewStub(channel);
    v1::CreateKeyRequest request;
    request.set_name(name);
    v1::Key key;
    return Call(*stub, &v1::KeyService::Stub::CreateKey, request, key);
  }

  static Answer Sign(const std::shared_ptr<grpc::Channel>& channel, const std::string& name,
                     milliseconds deadline = seconds(20)) {
    const auto stub = v1::KeyService::NewStub(channel);
    v1::SignRequest request;
    request.set_name(name);
    request.set_hash(v1::SHA256);
    request.set_digest(std::string(32, 'd'));
    v1::SignResponse response;
    return Call(*stub, &v1::KeyService::Stub::Sign, request, response, deadline);
  }

  std::vector<nlohmann::json> Audited() const {
    std::vector<nlohmann::json> records;
    std::ifstream file(config_.audit.file);
    for (std::string line; std::getline(file, line);) {
      records.push_back(nlohmann::json::parse(line));
    }
    return records;
  }

  tpm::HandleCounts Handles() {
    const Result<tpm::HandleCounts> counts = app_->broker().Run(
        DeadlineIn(seconds(10)), [](tpm::Context& context) { return tpm::CountHandles(context); });
    EXPECT_THAT(counts, testing::IsOk());
    return *counts;
  }

  testing::SwTpm tpm_;
  testing::TempRoot root_;
  Config config_;
  std::unique_ptr<App> app_;
  std::shared_ptr<grpc::Channel> admin_;
  std::shared_ptr<grpc::Channel> reader_;
};

}  // namespace seaworthy::app
