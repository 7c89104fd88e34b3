// IntegrityService over gRPC.
#include "app_fixture.h"
#include "seaworthy/v1/integrity.grpc.pb.h"
#include "support/ima_entry.h"

namespace seaworthy::app {
namespace {

using ::testing::HasSubstr;

class IntegrityApi : public AppTest {
 protected:
  void List(const std::string& path, std::uint8_t digest) {
    std::ofstream(config_.attestation.ima_list, std::ios::app | std::ios::binary)
        << AsText(testing::MakeImaNgEntry(path, Bytes(32, digest)));
  }
  std::string AllowFile(const std::string& path, char digit) {
    const std::string policy = root_ / "allowed.json";
    std::ofstream(policy) << R"({"seaworthy_policy": 1, "ima": {"files": {")" << path
                          << R"(": ["sha256:)" << std::string(64, digit) << R"("]}}})";
    return policy;
  }
};

TEST_F(IntegrityApi, WatchersSeeTheListAndWhatIsFoundInIt) {
  config_.integrity.allowed_files = AllowFile("/usr/sbin/runc", '0');
  List("boot_aggregate", 0);
  Start();
  const auto stub = v1::IntegrityService::NewStub(reader_);
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + seconds(20));
  const auto stream = stub->WatchIntegrity(&context, v1::WatchIntegrityRequest());
  v1::IntegrityUpdate update;
  while (stream->Read(&update) && update.list().entries() != 1) {
  }
  const auto before = std::chrono::steady_clock::now();
  List("/usr/sbin/runc", 1);
  do {
    ASSERT_TRUE(stream->Read(&update));
  } while (update.events().empty() || update.events(0).type() != "integrity.unexpected_file");
  EXPECT_LT(std::chrono::steady_clock::now() - before, seconds(1));
  EXPECT_EQ(update.events(0).target(), "/usr/sbin/runc");
  EXPECT_THAT(update.events(0).message(), HasSubstr("IMA_FILE_CHANGED"));
  EXPECT_EQ(update.list().entries(), 2U);
  EXPECT_EQ(update.list().unexpected(), 1U);
  // The TPM's PCR 10 is all zeros.
  while (update.list().problem_reason() != "IMA_LIST_MISMATCH") ASSERT_TRUE(stream->Read(&update));

  std::thread drain([&] { app_->Drain(DeadlineIn(seconds(10))); });
  while (stream->Read(&update)) {
  }
  EXPECT_TRUE(stream->Finish().ok());
  drain.join();
}

TEST_F(IntegrityApi, AFileThatIsNoPolicyDegradesTheModule) {
  config_.integrity.allowed_files = root_ / "allowed.json";
  std::ofstream(config_.integrity.allowed_files) << R"({"seaworthy_policy": 1})";
  Start();
  const auto modules = GetStatus(reader_).modules();
  const auto integrity = std::ranges::find(modules, "integrity", &v1::ModuleStatus::name);
  ASSERT_NE(integrity, modules.end());
  EXPECT_EQ(integrity->health(), v1::DEGRADED);
  EXPECT_THAT(integrity->detail(), HasSubstr("POLICY_WITHOUT_FILES"));
  // A reload with a good one mends it; one with a bad one is refused.
  Config next = config_;
  next.integrity.allowed_files = AllowFile("/usr/sbin/runc", '0');
  ASSERT_TRUE(app_->Reload(next).ok());
  EXPECT_EQ(std::ranges::find(GetStatus(reader_).modules(), "integrity", &v1::ModuleStatus::name)
                ->health(),
            v1::HEALTHY);
  next.integrity.allowed_files = root_ / "none.json";
  EXPECT_THAT(Message(app_->Reload(next).status()), HasSubstr("none.json"));
}

TEST_F(IntegrityApi, WatchersOfListAndEventsAreCountedTogether) {
  config_.limits.max_concurrent_calls = 8;  // and so 2 watchers
  Start();
  const auto events = v1::NodeService::NewStub(reader_);
  const auto integrity = v1::IntegrityService::NewStub(reader_);
  grpc::ClientContext first;
  const auto one = events->WatchEvents(&first, v1::WatchEventsRequest());
  one->WaitForInitialMetadata();
  grpc::ClientContext second;
  const auto two = integrity->WatchIntegrity(&second, v1::WatchIntegrityRequest());
  v1::IntegrityUpdate update;
  EXPECT_TRUE(two->Read(&update));
  grpc::ClientContext third;
  const auto three = integrity->WatchIntegrity(&third, v1::WatchIntegrityRequest());
  EXPECT_FALSE(three->Read(&update));
  EXPECT_EQ(three->Finish().error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  first.TryCancel();
  EXPECT_TRUE(Eventually([&] {
    grpc::ClientContext again;
    const auto stream = integrity->WatchIntegrity(&again, v1::WatchIntegrityRequest());
    const bool watches = stream->Read(&update);
    again.TryCancel();
    static_cast<void>(stream->Finish());
    return watches;
  }));
  second.TryCancel();
}

}  // namespace
}  // namespace seaworthy::app
