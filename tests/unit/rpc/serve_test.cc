#include "seaworthy/rpc/serve.h"

#include <google/protobuf/descriptor.h>
#include <grpcpp/grpcpp.h>
#include <sys/resource.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <future>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <thread>

#include "rpc/method.h"
#include "seaworthy/log.h"
#include "seaworthy/rpc/audit.h"
#include "seaworthy/v1/attestation.pb.h"
#include "seaworthy/v1/docker.pb.h"
#include "seaworthy/v1/integrity.pb.h"
#include "seaworthy/v1/key.grpc.pb.h"
#include "seaworthy/v1/node.pb.h"
#include "seaworthy/v1/volume.pb.h"
#include "support/status_matchers.h"
#include "support/temp_root.h"

namespace seaworthy::rpc {
namespace {

using std::chrono::milliseconds;
using testing::IsOk;

constexpr milliseconds kDefault{2'000};
constexpr milliseconds kLongest{5'000};

// KeyService with work that a test gives: GetKey is not audited, Sign is.
class Service final : public v1::KeyService::Service {
 public:
  explicit Service(const Gate& gate) : gate_(gate) {}

  grpc::Status GetKey(grpc::ServerContext* context, const v1::GetKeyRequest* request,
                      v1::Key*) override {
    return Serve(gate_, *context, "seaworthy.v1.KeyService.GetKey", request->name(), work);
  }
  grpc::Status Sign(grpc::ServerContext* context, const v1::SignRequest* request,
                    v1::SignResponse*) override {
    return Serve(gate_, *context, "seaworthy.v1.KeyService.Sign", request->name(), work);
  }

  std::function<Status(const Call&)> work = [](const Call&) { return Status(); };

 private:
  const Gate& gate_;
};

class ServeTest : public ::testing::Test {
 protected:
  ServeTest() {
    SetLogLevel(Level::kError);
    Result<std::unique_ptr<AuditLog>> audit = AuditLog::Open(path_);
    EXPECT_THAT(audit, IsOk());
    audit_ = *std::move(audit);
    gate_ = std::make_unique<Gate>(Gate::Options{
        [this](const grpc::ServerContext&) { return peer_; }, *audit_, kDefault, kLongest});
    service_ = std::make_unique<Service>(*gate_);
    grpc::ServerBuilder builder;
    builder.RegisterService(service_.get());
    server_ = builder.BuildAndStart();
    stub_ = v1::KeyService::NewStub(server_->InProcessChannel({}));
  }

  struct Answer {
    grpc::Status status;
    std::string request_id;
    std::string reason;
  };
  Answer Finish(const grpc::ClientContext& context, const grpc::Status& status) {
    Answer answer{status, "", ""};
    for (const auto& [name, value] : context.GetServerTrailingMetadata()) {
      if (name == "seaworthy-request-id") answer.request_id = {value.data(), value.size()};
      if (name == "seaworthy-reason") answer.reason = {value.data(), value.size()};
    }
    return answer;
  }
  Answer Sign(const std::string& request_id = "") {
    grpc::ClientContext context;
    if (!request_id.empty()) context.AddMetadata("x-request-id", request_id);
    v1::SignRequest request;
    request.set_name("tls");
    v1::SignResponse response;
    const grpc::Status status = stub_->Sign(&context, request, &response);
    return Finish(context, status);
  }
  Answer GetKey(std::optional<milliseconds> deadline = std::nullopt) {
    grpc::ClientContext context;
    if (deadline) context.set_deadline(std::chrono::system_clock::now() + *deadline);
    v1::GetKeyRequest request;
    request.set_name("tls");
    v1::Key response;
    const grpc::Status status = stub_->GetKey(&context, request, &response);
    return Finish(context, status);
  }

  std::vector<nlohmann::json> Audited() const {
    std::vector<nlohmann::json> records;
    std::ifstream file(path_);
    for (std::string line; std::getline(file, line);) {
      records.push_back(nlohmann::json::parse(line));
    }
    return records;
  }

  testing::TempRoot root_;
  const std::string path_ = root_ / "audit.jsonl";
  std::unique_ptr<AuditLog> audit_;
  Result<Peer> peer_ = Peer{Role::kAdmin, "uid=0 pid=1"};
  std::unique_ptr<Gate> gate_;
  std::unique_ptr<Service> service_;
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<v1::KeyService::Stub> stub_;
};

TEST_F(ServeTest, AuditsBeginAndOutcome) {
  const Answer answer = Sign();
  EXPECT_TRUE(answer.status.ok());
  EXPECT_THAT(answer.request_id, ::testing::MatchesRegex("[0-9a-f]{16}"));
  const auto records = Audited();
  ASSERT_EQ(records.size(), 2U);
  EXPECT_EQ(records[0]["outcome"], "begin");
  EXPECT_EQ(records[0]["code"], "");
  EXPECT_EQ(records[1]["outcome"], "ok");
  EXPECT_EQ(records[1]["code"], "OK");
  for (const nlohmann::json& record : records) {
    EXPECT_EQ(record["method"], "seaworthy.v1.KeyService/Sign");
    EXPECT_EQ(record["target"], "tls");
    EXPECT_EQ(record["role"], "ADMIN");
    EXPECT_EQ(record["peer"], "uid=0 pid=1");
    EXPECT_EQ(record["request_id"], answer.request_id);
  }
}

TEST_F(ServeTest, AFailureKeepsCodeReasonAndMessage) {
  service_->work = [](const Call&) {
    return Fail(Code::kFailedPrecondition, "PCR_POLICY_UNMET", "the PCRs have changed");
  };
  const Answer answer = Sign();
  EXPECT_EQ(answer.status.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_EQ(answer.status.error_message(), "the PCRs have changed");
  EXPECT_EQ(answer.reason, "PCR_POLICY_UNMET");
  const auto records = Audited();
  ASSERT_EQ(records.size(), 2U);
  EXPECT_EQ(records[1]["outcome"], "failed");
  EXPECT_EQ(records[1]["code"], "FAILED_PRECONDITION");
  EXPECT_EQ(records[1]["reason"], "PCR_POLICY_UNMET");
}

TEST_F(ServeTest, ReadingIsNotAudited) {
  EXPECT_TRUE(GetKey().status.ok());
  EXPECT_TRUE(Audited().empty());
}

TEST_F(ServeTest, ATooLowRoleIsRefusedUnrunAndAudited) {
  peer_ = Peer{Role::kReader, "uid=1000 pid=7"};
  bool ran = false;
  service_->work = [&](const Call&) {
    ran = true;
    return Status();
  };
  const Answer answer = Sign();
  EXPECT_EQ(answer.status.error_code(), grpc::StatusCode::PERMISSION_DENIED);
  EXPECT_EQ(answer.reason, "ROLE_TOO_LOW");
  EXPECT_THAT(answer.status.error_message(), ::testing::HasSubstr("OPERATOR"));
  EXPECT_FALSE(ran);
  const auto records = Audited();
  ASSERT_EQ(records.size(), 1U);
  EXPECT_EQ(records[0]["outcome"], "refused");
  EXPECT_EQ(records[0]["peer"], "uid=1000 pid=7");
}

TEST_F(ServeTest, AnUnknownClientIsRefusedWithItsName) {
  peer_ = Peer{Role::kNone, "DNS:stranger.example from 192.0.2.7:1"};
  const Answer answer = GetKey();
  EXPECT_EQ(answer.status.error_code(), grpc::StatusCode::PERMISSION_DENIED);
  EXPECT_EQ(answer.reason, "UNKNOWN_CLIENT");
  EXPECT_THAT(answer.status.error_message(), ::testing::HasSubstr("DNS:stranger.example"));
  EXPECT_EQ(Audited().size(), 1U);
}

TEST_F(ServeTest, AnUnidentifiedConnectionIsRefused) {
  peer_ = Fail(Code::kUnauthenticated, "CONNECTION_GONE", "gone");
  const Answer answer = GetKey();
  EXPECT_EQ(answer.status.error_code(), grpc::StatusCode::UNAUTHENTICATED);
  ASSERT_EQ(Audited().size(), 1U);
  EXPECT_EQ(Audited()[0]["role"], "NONE");
}

TEST_F(ServeTest, TakesTheClientsRequestIdWhenItIsPlain) {
  EXPECT_EQ(Sign("backend-42.7_x").request_id, "backend-42.7_x");
  EXPECT_EQ(Sign(std::string(64, 'a')).request_id, std::string(64, 'a'));
  EXPECT_NE(Sign(std::string(65, 'a')).request_id, std::string(65, 'a'));
  EXPECT_NE(Sign("with space").request_id, "with space");
  EXPECT_NE(Sign("quote\"").request_id, "quote\"");
}

TEST_F(ServeTest, TheDeadlineIsTheClientsWithinTheCapOrTheDefault) {
  milliseconds left{};
  service_->work = [&](const Call& call) {
    left = TimeLeft(call.deadline);
    return Status();
  };
  EXPECT_TRUE(GetKey().status.ok());
  EXPECT_GT(left, kDefault / 2);
  EXPECT_LE(left, kDefault);
  EXPECT_TRUE(GetKey(milliseconds(1'000'000)).status.ok());
  EXPECT_GT(left, kLongest / 2);
  EXPECT_LE(left, kLongest);
  EXPECT_TRUE(GetKey(milliseconds(1'000)).status.ok());
  EXPECT_GT(left, milliseconds(0));
  EXPECT_LE(left, milliseconds(1'000));
}

TEST_F(ServeTest, AnExceptionEndsTheCallOnly) {
  service_->work = [](const Call&) -> Status { throw std::runtime_error("secret detail"); };
  const Answer answer = Sign();
  EXPECT_EQ(answer.status.error_code(), grpc::StatusCode::INTERNAL);
  EXPECT_EQ(answer.reason, "INTERNAL_ERROR");
  EXPECT_THAT(answer.status.error_message(), ::testing::HasSubstr(answer.request_id));
  EXPECT_THAT(answer.status.error_message(), ::testing::Not(::testing::HasSubstr("secret")));
  service_->work = [](const Call&) { return Status(); };
  EXPECT_TRUE(Sign().status.ok());
}

// A file size limit stands in for a full disk.
TEST_F(ServeTest, WhatCannotBeAuditedIsNotRun) {
  bool ran = false;
  service_->work = [&](const Call&) {
    ran = true;
    return Status();
  };
  signal(SIGXFSZ, SIG_IGN);
  rlimit usual = {};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &usual), 0);
  rlimit full = usual;
  full.rlim_cur = 0;
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &full), 0);
  const Answer answer = Sign();
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &usual), 0);
  EXPECT_EQ(answer.status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(answer.reason, "AUDIT_FAILED");
  EXPECT_FALSE(ran);
}

TEST_F(ServeTest, DrainWaitsForCallsUnderWayAndRefusesNewOnes) {
  std::promise<void> entered;
  std::promise<void> leave;
  service_->work = [&](const Call&) {
    entered.set_value();
    leave.get_future().wait();
    return Status();
  };
  std::thread client([&] { EXPECT_TRUE(GetKey().status.ok()); });
  entered.get_future().wait();
  EXPECT_FALSE(gate_->Drain(DeadlineIn(milliseconds(20))));
  const Answer refused = Sign();
  EXPECT_EQ(refused.status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(refused.reason, "DRAINING");
  leave.set_value();
  EXPECT_TRUE(gate_->Drain(DeadlineIn(kLongest)));
  client.join();
}

// Nobody may add a method and forget who may call it.
TEST(Methods, EachInTheProtoFilesHasARole) {
  // Without a use the linker would leave a file's descriptors out.
  v1::GetStatusRequest::descriptor();
  v1::QuoteRequest::descriptor();
  v1::IntegrityState::descriptor();
  v1::Volume::descriptor();
  v1::EngineAudit::descriptor();
  const auto* pool = google::protobuf::DescriptorPool::generated_pool();
  int methods = 0;
  for (const auto& entry : std::filesystem::directory_iterator(SOURCE_DIR "/proto/seaworthy/v1")) {
    const std::string name = entry.path().filename();
    const auto* file = pool->FindFileByName("seaworthy/v1/" + name);
    ASSERT_NE(file, nullptr) << name;
    for (int i = 0; i < file->service_count(); i++) {
      for (int j = 0; j < file->service(i)->method_count(); j++, methods++) {
        const std::string& method = file->service(i)->method(j)->full_name();
        const std::optional<MethodRule> rule = FindMethodRule(method);
        ASSERT_TRUE(rule) << method;
        EXPECT_GE(rule->required_role, Role::kReader) << method;
        EXPECT_LE(rule->required_role, Role::kAdmin) << method;
        // What a mere reader may not do changes state or uses a key.
        EXPECT_EQ(rule->audited, rule->required_role > Role::kReader) << method;
      }
    }
  }
  EXPECT_GE(methods, 16);
}

TEST(Methods, UnknownOnesAreNone) {
  EXPECT_EQ(FindMethodRule("seaworthy.v1.KeyService.Steal"), std::nullopt);
  EXPECT_EQ(FindMethodRule(""), std::nullopt);
}

}  // namespace
}  // namespace seaworthy::rpc
