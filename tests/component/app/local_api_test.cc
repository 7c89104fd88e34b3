#include <google/protobuf/descriptor.h>
#include <grpcpp/generic/generic_stub.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <atomic>
#include <cstring>
#include <filesystem>
#include <thread>

#include "app_fixture.h"
#include "rpc/method.h"

namespace seaworthy::app {
namespace {

using testing::Fails;
using ::testing::HasSubstr;
using testing::IsOk;

class LocalApi : public AppTest {};

// Calls any method by name with an empty request.
grpc::Status CallByName(const std::shared_ptr<grpc::Channel>& channel, const std::string& path) {
  grpc::GenericStub stub(channel);
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + seconds(20));
  grpc::CompletionQueue queue;
  const grpc::Slice empty;
  const auto call = stub.PrepareUnaryCall(&context, path, grpc::ByteBuffer(&empty, 1), &queue);
  call->StartCall();
  grpc::ByteBuffer response;
  grpc::Status status;
  call->Finish(&response, &status, nullptr);
  void* tag = nullptr;
  bool ok = false;
  queue.Next(&tag, &ok);
  return status;
}

TEST_F(LocalApi, TheSocketDecidesTheRole) {
  Start();
  EXPECT_EQ(GetStatus(admin_).caller_role(), v1::ADMIN);
  EXPECT_EQ(GetStatus(reader_).caller_role(), v1::READER);
  EXPECT_EQ(GetStatus(reader_).facilities_size(), 4);
}

TEST_F(LocalApi, StatusTellsTheTpmAndTheModules) {
  Start();
  const v1::GetStatusResponse status = GetStatus(reader_);
  EXPECT_FALSE(status.version().empty());
  EXPECT_GT(status.started().seconds(), 0);
  EXPECT_TRUE(status.tpm().available()) << status.tpm().problem();
  EXPECT_EQ(status.tpm().tcti(), tpm_.tcti());
  EXPECT_EQ(status.tpm().manufacturer(), "IBM");
  EXPECT_THAT(status.tpm().specification(), HasSubstr("2.0 revision"));
  EXPECT_EQ(status.tpm().srk_name().substr(0, 4), "000b");
  EXPECT_GT(status.tpm().lockout().max_failures(), 0U);
  EXPECT_GT(status.tpm().pcr_banks_size(), 0);
  EXPECT_GT(status.tpm().key_algorithms_size(), 0);
  ASSERT_EQ(status.modules_size(), 6);
  EXPECT_EQ(status.modules(0).name(), "attestation");
  EXPECT_EQ(status.modules(1).name(), "keys");
  EXPECT_EQ(status.modules(2).name(), "integrity");
  EXPECT_EQ(status.modules(3).name(), "volumes");
  EXPECT_EQ(status.modules(4).name(), "docker");
  EXPECT_EQ(status.modules(5).name(), "audit");
  for (const v1::ModuleStatus& module : status.modules()) {
    EXPECT_EQ(module.health(), v1::HEALTHY) << module.name() << ": " << module.detail();
  }
}

// Every method of every service, whoever adds one.
TEST_F(LocalApi, AReaderIsRefusedWhatIsAboveItAndThatIsAudited) {
  Start();
  std::vector<std::string> refused;
  for (const auto& entry : std::filesystem::directory_iterator(SOURCE_DIR "/proto/seaworthy/v1")) {
    const auto* file = google::protobuf::DescriptorPool::generated_pool()->FindFileByName(
        "seaworthy/v1/" + entry.path().filename().string());
    ASSERT_NE(file, nullptr) << entry.path();
    for (int i = 0; i < file->service_count(); i++) {
      const auto* service = file->service(i);
      for (int j = 0; j < service->method_count(); j++) {
        const auto* method = service->method(j);
        const auto rule = rpc::FindMethodRule(method->full_name());
        ASSERT_TRUE(rule && rule->required_role != rpc::Role::kNone) << method->full_name();
        if (rule->required_role == rpc::Role::kReader) continue;
        const std::string name = service->full_name() + "/" + method->name();
        const grpc::Status status = CallByName(reader_, "/" + name);
        EXPECT_EQ(status.error_code(), grpc::StatusCode::PERMISSION_DENIED)
            << name << ": " << status.error_message();
        refused.push_back(name);
      }
    }
  }
  EXPECT_GE(refused.size(), 8U);
  const std::string peer = "uid=" + std::to_string(getuid()) + " pid=" + std::to_string(getpid());
  const std::vector<nlohmann::json> records = Audited();
  ASSERT_EQ(records.size(), refused.size());
  for (std::size_t i = 0; i < records.size(); i++) {
    EXPECT_EQ(records[i]["method"], refused[i]);
    EXPECT_EQ(records[i]["outcome"], "refused");
    EXPECT_EQ(records[i]["reason"], "ROLE_TOO_LOW");
    EXPECT_EQ(records[i]["role"], "READER");
    EXPECT_EQ(records[i]["peer"], peer);
  }
}

TEST_F(LocalApi, UsingAKeyIsAudited) {
  Start();
  ASSERT_TRUE(CreateKey(admin_, "tls").status.ok());
  ASSERT_TRUE(Sign(admin_, "tls").status.ok());
  EXPECT_EQ(Sign(admin_, "absent").status.error_code(), grpc::StatusCode::NOT_FOUND);
  const std::vector<nlohmann::json> records = Audited();
  ASSERT_EQ(records.size(), 6U);
  const char* const expected[][3] = {{"seaworthy.v1.KeyService/CreateKey", "tls", "begin"},
                                     {"seaworthy.v1.KeyService/CreateKey", "tls", "ok"},
                                     {"seaworthy.v1.KeyService/Sign", "tls", "begin"},
                                     {"seaworthy.v1.KeyService/Sign", "tls", "ok"},
                                     {"seaworthy.v1.KeyService/Sign", "absent", "begin"},
                                     {"seaworthy.v1.KeyService/Sign", "absent", "failed"}};
  for (std::size_t i = 0; i < records.size(); i++) {
    EXPECT_EQ(records[i]["method"], expected[i][0]);
    EXPECT_EQ(records[i]["target"], expected[i][1]);
    EXPECT_EQ(records[i]["outcome"], expected[i][2]);
    EXPECT_EQ(records[i]["role"], "ADMIN");
  }
}

TEST_F(LocalApi, HealthServiceAnswersForEachService) {
  Start();
  const auto serving = [&](const std::string& service) {
    // grpc.health.v1: HealthCheckRequest.service and HealthCheckResponse.status are field 1.
    std::string request;
    if (!service.empty())
      request = "\n" + std::string(1, static_cast<char>(service.size())) + service;
    grpc::GenericStub stub(reader_);
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + seconds(20));
    grpc::Slice slice(request);
    grpc::CompletionQueue queue;
    const auto call = stub.PrepareUnaryCall(&context, "/grpc.health.v1.Health/Check",
                                            grpc::ByteBuffer(&slice, 1), &queue);
    call->StartCall();
    grpc::ByteBuffer response;
    grpc::Status status;
    call->Finish(&response, &status, nullptr);
    void* tag = nullptr;
    bool ok = false;
    queue.Next(&tag, &ok);
    grpc::Slice bytes;
    if (!status.ok() || !response.DumpToSingleSlice(&bytes).ok()) return false;
    return std::string(reinterpret_cast<const char*>(bytes.begin()), bytes.size()) == "\x08\x01";
  };
  for (const char* service : {"", "seaworthy.v1.NodeService", "seaworthy.v1.KeyService",
                              "seaworthy.v1.AttestationService"}) {
    EXPECT_TRUE(Eventually([&] { return serving(service); })) << service;
  }
  EXPECT_FALSE(serving("seaworthy.v1.Nothing"));
}

TEST_F(LocalApi, WatchersSeeEventsUntilTheDrain) {
  Start();
  const auto stub = v1::NodeService::NewStub(reader_);
  grpc::ClientContext context;
  const auto stream = stub->WatchEvents(&context, v1::WatchEventsRequest());
  stream->WaitForInitialMetadata();
  ASSERT_TRUE(CreateKey(admin_, "tls").status.ok());
  v1::Event event;
  do {
    ASSERT_TRUE(stream->Read(&event));
  } while (event.type() != "key.created");
  EXPECT_EQ(event.target(), "tls");
  EXPECT_EQ(event.missed(), 0U);
  std::thread drain([&] { app_->Drain(DeadlineIn(seconds(10))); });
  while (stream->Read(&event)) {
  }
  EXPECT_TRUE(stream->Finish().ok());
  drain.join();
}

TEST_F(LocalApi, WatchersDoNotTakeAllThreads) {
  config_.limits.max_concurrent_calls = 16;  // and so 4 watchers
  Start();
  const auto stub = v1::NodeService::NewStub(reader_);
  std::vector<std::unique_ptr<grpc::ClientContext>> contexts;
  std::vector<std::unique_ptr<grpc::ClientReader<v1::Event>>> streams;
  for (int i = 0; i < 4; i++) {
    contexts.push_back(std::make_unique<grpc::ClientContext>());
    streams.push_back(stub->WatchEvents(contexts.back().get(), v1::WatchEventsRequest()));
    streams.back()->WaitForInitialMetadata();
  }
  grpc::ClientContext context;
  const auto fifth = stub->WatchEvents(&context, v1::WatchEventsRequest());
  v1::Event event;
  EXPECT_FALSE(fifth->Read(&event));
  EXPECT_EQ(fifth->Finish().error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(GetStatus(reader_).caller_role(), v1::READER);
  contexts[0]->TryCancel();
  EXPECT_TRUE(Eventually([&] {
    grpc::ClientContext again;
    const auto stream = stub->WatchEvents(&again, v1::WatchEventsRequest());
    stream->WaitForInitialMetadata();
    again.TryCancel();
    return stream->Finish().error_code() == grpc::StatusCode::CANCELLED;
  }));
  for (const auto& open : contexts) open->TryCancel();
}

TEST_F(LocalApi, NoCallLeavesAnythingInTheTpm) {
  Start();
  const auto keys = v1::KeyService::NewStub(admin_);
  const auto attestation = v1::AttestationService::NewStub(admin_);
  const auto expect_clean = [&](const char* after) {
    const tpm::HandleCounts counts = Handles();
    // The broker may keep one key loaded.
    EXPECT_LE(counts.transient, 1U) << after;
    EXPECT_EQ(counts.sessions, 0U) << after;
    EXPECT_EQ(counts.nv_indices, 0U) << after;
    EXPECT_EQ(counts.persistent, 1U) << after;
  };
  ASSERT_TRUE(CreateKey(admin_, "tls").status.ok());
  expect_clean("CreateKey");
  ASSERT_TRUE(Sign(admin_, "tls").status.ok());
  expect_clean("Sign");
  v1::CreateCsrRequest csr_request;
  csr_request.set_name("tls");
  csr_request.mutable_subject()->set_distinguished_name("CN=node");
  v1::CreateCsrResponse csr;
  ASSERT_TRUE(Call(*keys, &v1::KeyService::Stub::CreateCsr, csr_request, csr).status.ok());
  expect_clean("CreateCsr");
  v1::RotateKeyRequest rotate;
  rotate.set_name("tls");
  rotate.mutable_subject()->set_distinguished_name("CN=node");
  v1::RotateKeyResponse rotated;
  ASSERT_TRUE(Call(*keys, &v1::KeyService::Stub::RotateKey, rotate, rotated).status.ok());
  expect_clean("RotateKey");
  v1::AttestationKey ak;
  ASSERT_TRUE(Call(*attestation, &v1::AttestationService::Stub::GetAttestationKey,
                   v1::GetAttestationKeyRequest(), ak)
                  .status.ok());
  expect_clean("GetAttestationKey");
  v1::QuoteRequest quote;
  quote.set_nonce(std::string(32, 'n'));
  v1::QuoteResponse quoted;
  ASSERT_TRUE(Call(*attestation, &v1::AttestationService::Stub::Quote, quote, quoted).status.ok());
  expect_clean("Quote");
  v1::CertifyKeyRequest certify;
  certify.set_name("tls");
  certify.set_nonce(std::string(32, 'n'));
  v1::CertifyKeyResponse certified;
  ASSERT_TRUE(Call(*keys, &v1::KeyService::Stub::CertifyKey, certify, certified).status.ok());
  expect_clean("CertifyKey");
  v1::DeleteKeyRequest remove;
  remove.set_name("tls");
  v1::DeleteKeyResponse removed;
  ASSERT_TRUE(Call(*keys, &v1::KeyService::Stub::DeleteKey, remove, removed).status.ok());
  expect_clean("DeleteKey");
  // A signature that fails must not leave its session either.
  EXPECT_FALSE(Sign(admin_, "tls").status.ok());
  expect_clean("a failed Sign");

  app_->broker().Close();
  EXPECT_EQ(Handles().transient, 0U);
}

TEST_F(LocalApi, ManyClientsAtOnceAllGetAnswers) {
  Start();
  ASSERT_TRUE(CreateKey(admin_, "tls").status.ok());
  std::atomic<int> good = 0;
  std::vector<std::thread> clients;
  for (int i = 0; i < 64; i++) {
    clients.emplace_back([&] {
      const auto channel = OpenChannel("unix:" + config_.local.admin_socket);
      for (int j = 0; j < 3; j++) good += Sign(channel, "tls").status.ok() ? 1 : 0;
    });
  }
  for (std::thread& client : clients) client.join();
  EXPECT_EQ(good, 64 * 3);
}

TEST_F(LocalApi, AnOversizedMessageIsRefused) {
  config_.limits.max_message_bytes = 64 * 1024;
  Start();
  const auto stub = v1::KeyService::NewStub(admin_);
  v1::InstallCertificateRequest request;
  request.set_certificate_chain_pem(std::string(65 * 1024, 'x'));
  v1::Key key;
  EXPECT_EQ(
      Call(*stub, &v1::KeyService::Stub::InstallCertificate, request, key).status.error_code(),
      grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(GetStatus(admin_).caller_role(), v1::ADMIN);
}

TEST_F(LocalApi, ASecondDaemonOnTheSameStateIsRefused) {
  Start();
  Config other = config_;
  other.local.admin_socket = root_ / "run2/admin/s";
  other.local.read_socket = root_ / "run2/read/s";
  const Result<std::unique_ptr<App>> second = App::Start(other);
  EXPECT_THAT(second, Fails(Code::kFailedPrecondition, "STATE_DIR_IN_USE"));
  EXPECT_THAT(Message(second.status()), HasSubstr(std::to_string(getpid())));
  EXPECT_EQ(GetStatus(admin_).caller_role(), v1::ADMIN);
  app_.reset();
  EXPECT_THAT(App::Start(config_), IsOk());
}

TEST_F(LocalApi, SocketsAreGoneAfterwards) {
  Start();
  EXPECT_TRUE(std::filesystem::exists(config_.local.admin_socket));
  app_.reset();
  EXPECT_FALSE(std::filesystem::exists(config_.local.admin_socket));
  EXPECT_FALSE(std::filesystem::exists(config_.local.read_socket));
}

TEST_F(LocalApi, TheWatchdogSeesThatAllAnswers) {
  Start();
  for (int i = 0; i < 5; i++) EXPECT_TRUE(app_->Answers(DeadlineIn(seconds(10))));
}

}  // namespace
}  // namespace seaworthy::app
