// DockerService as a client sees it.
#include <gmock/gmock.h>

#include <array>
#include <set>

#include "engine_fixture.h"
#include "service_fixture.h"

namespace seaworthy::docker {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

const std::string kDigest(64, 'a');

using DockerService = DockerServiceTest;

TEST_F(DockerService, NeedsARole) {
  const auto refused = HasSubstr("7 ROLE_TOO_LOW");
  for (const rpc::Role role : {rpc::Role::kReader, rpc::Role::kAttester}) {
    role_ = role;
    EXPECT_THAT(Audit(), refused);
    EXPECT_THAT(Plan("standard"), refused);
    EXPECT_THAT(List(), refused);
  }
  role_ = rpc::Role::kOperator;
  EXPECT_THAT(Audit(), Not(refused));
  EXPECT_THAT(Plan("standard"), Not(refused));
  EXPECT_THAT(List(), Not(refused));
  EXPECT_THAT(Apply("standard", kDigest).error, refused);
  EXPECT_THAT(RollBack("").error, refused);
  EXPECT_THAT(Audited(), HasSubstr("\"seaworthy.v1.DockerService/ApplyHardening\""));
}

TEST_F(DockerService, TellsThatNobodyHardensHere) {
  const auto missing = StartsWith("14 HARDENER_MISSING: " + path_);
  EXPECT_THAT(Audit(), missing);
  EXPECT_THAT(Plan("standard"), missing);
  EXPECT_THAT(List(), missing);
  EXPECT_THAT(Apply("standard", kDigest).error, missing);
  EXPECT_THAT(RollBack("").error, missing);
  // A node without Docker is not ill.
  EXPECT_EQ(module_.Check().level, Health::Level::kHealthy);
}

TEST_F(DockerService, NamesTheFieldThatIsWrong) {
  EXPECT_THAT(Plan("../etc/passwd"), StartsWith("3 PROFILE_NAME: profile:"));
  EXPECT_THAT(Apply("standard", "").error, StartsWith("3 PLAN_DIGEST_INVALID: plan_digest:"));
  EXPECT_THAT(Apply("standard", kDigest, "everything").error, StartsWith("3 CONSENT_UNKNOWN"));
  EXPECT_THAT(RollBack("../x").error, StartsWith("3 TRANSACTION_ID_INVALID: transaction:"));
}

TEST_F(DockerService, WaitsNoLongerThanTheCall) {
  server_->Shutdown();
  MakeServer(milliseconds(300));
  const auto silent = Saying("");
  EXPECT_THAT(Audit(), StartsWith("4 HARDENER_TIMEOUT"));
}

// M-111
TEST_F(DockerService, WhatIsNoAnswerIsAnError) {
  for (const std::string text : {"garbage\n", "{\"answer\":7}\n", "{\"answer\":{\"findings\":7}}\n",
                                 "{\"step\":{\"name\":7}}\n{}\n"}) {
    const auto saying = Saying(text);
    EXPECT_THAT(Audit(), StartsWith("13 HARDENER_ANSWER_MALFORMED")) << text;
    unlink(path_.c_str());
  }
  const auto endless = Saying(std::string(kMaxHardenerAnswer + (std::size_t{1} << 20), ' '));
  EXPECT_THAT(Audit(), StartsWith("8 HARDENER_LINE_TOO_LONG"));
}

TEST_F(DockerService, WhatItDoesNotKnowYetIsPassedOver) {
  const auto newer = Saying("{\"answer\":{\"engine\":\"29.4\",\"mood\":\"good\"}}\n");
  EXPECT_EQ(Audit(), "");
  EXPECT_EQ(audited_.engine(), "29.4");
}

TEST_F(DockerService, PassesAnErrorOn) {
  const auto saying = Saying(ErrorLine(Fail(Code::kAborted, "PLAN_CHANGED", "another")) + "\n");
  const Followed followed = Apply("standard", kDigest);
  EXPECT_EQ(followed.error, "10 PLAN_CHANGED: another");
  EXPECT_THAT(followed.progress, IsEmpty());
}

// M-113: what was undone is an error for the client and in the audit trail.
TEST_F(DockerService, WhatWasUndoneIsNoSuccess) {
  const auto saying =
      Saying(StepLine(R"({"name":"write","text":"w"})") + "\n" +
             AnswerLine(R"({"id":"t1","kind":"apply","profile":"standard","result":"restored",)"
                        R"("reason":"CONTAINER_LOST","problem":"web is gone"})") +
             "\n");
  const Followed followed = Apply("standard", kDigest);
  EXPECT_THAT(followed.error, StartsWith("10 CONTAINER_LOST: transaction t1, restored: web"));
  ASSERT_EQ(followed.progress.size(), 2U);
  EXPECT_EQ(followed.progress[0].step().name(), "write");
  EXPECT_EQ(followed.progress[1].transaction().result(), "restored");
  EXPECT_THAT(Audited(), HasSubstr("\"reason\":\"CONTAINER_LOST\""));
  const auto events = events_.WaitFrom(1, DeadlineIn(seconds(1)));
  ASSERT_EQ(events.size(), 1U);
  EXPECT_EQ(events[0].type, "docker.apply");
}

TEST_F(DockerService, AClientThatGoesEndsTheCall) {
  const auto silent = Saying(StepLine(R"({"name":"write","text":"w"})") + "\n");
  grpc::ClientContext context;
  v1::ApplyHardeningRequest request;
  request.set_profile("standard");
  request.set_plan_digest(kDigest);
  const auto reader = stub_->ApplyHardening(&context, request);
  v1::HardeningProgress step;
  ASSERT_TRUE(reader->Read(&step));
  context.TryCancel();
  static_cast<void>(reader->Finish());
  EXPECT_TRUE(gate_->Drain(DeadlineIn(seconds(10))));
}

// With a real engine and the real program.
class DockerServiceOfAnEngine : public DockerServiceTest {
 protected:
  static void SetUpTestSuite() {
    engine_ = std::make_unique<PrivateEngine>(R"({"insecure-registries": ["10.0.0.0/8"]})");
    engine_->ImportBusybox();
    engine_->Run("open", {{"HostConfig", {{"PidMode", "host"}}}});
  }
  static void TearDownTestSuite() { engine_.reset(); }

  static inline std::unique_ptr<PrivateEngine> engine_;
  const HardenerProgram program_{path_,
                                 {SEAWORTHY_HARDENER, "--engine", engine_->socket(), "--state",
                                  root_ / "state", "--profiles", root_.path()}};
};

TEST_F(DockerServiceOfAnEngine, AuditIsThatOfTheNode) {
  ASSERT_EQ(Audit(), "");
  EngineAuditOptions options;
  options.socket = engine_->socket();
  const AuditReport here = AuditEngine(PrivateEngine::Soon(), options).value();
  using Told = std::multiset<std::array<std::string, 3>>;
  Told over;
  for (const v1::EngineFinding& finding : audited_.findings()) {
    over.insert({finding.check(), finding.subject(), finding.outcome()});
  }
  Told directly;
  for (const ReportedFinding& finding : here.findings) {
    directly.insert({finding.check, finding.subject, std::string(ToString(finding.outcome))});
  }
  EXPECT_EQ(over, directly);
  EXPECT_EQ(audited_.engine(), here.engine);
  EXPECT_EQ(audited_.socket(), here.socket);
  for (const auto& [outcome, count] : here.Counts()) {
    EXPECT_EQ(audited_.counts().at(std::string(ToString(outcome))), count);
  }
  EXPECT_THAT(audited_.findings(0).title(), Not(IsEmpty()));
}

TEST_F(DockerServiceOfAnEngine, AProfileThatIsNotThereIsNamed) {
  EXPECT_EQ(Plan("none"), "5 PROFILE_ABSENT: profile: there is none of the name none");
  EXPECT_THAT(Apply("none", kDigest).error, StartsWith("5 PROFILE_ABSENT"));
}

TEST_F(DockerServiceOfAnEngine, AWatchTellsWhatComesToFail) {
  grpc::ClientContext context;
  const auto reader = stub_->WatchEngine(&context, v1::WatchEngineRequest());
  v1::EngineEvent event;
  ASSERT_TRUE(reader->Read(&event));
  EXPECT_EQ(event.kind(), "audit");
  EXPECT_GT(event.counts().at("fail"), 0U);
  engine_->Run("late", {{"HostConfig", {{"PidMode", "host"}}}});
  do {
    ASSERT_TRUE(reader->Read(&event));
  } while (event.finding().check() != "5.16");
  EXPECT_EQ(event.kind(), "appeared");
  EXPECT_EQ(event.finding().subject(), "late");
  // The program ends as well, which the fixture waits for.
  context.TryCancel();
  static_cast<void>(reader->Finish());
  EXPECT_TRUE(gate_->Drain(DeadlineIn(seconds(10))));
}

TEST_F(DockerServiceOfAnEngine, WatchersAreFewAndEndWhenTheDaemonDrains) {
  struct Watcher {
    grpc::ClientContext context;
    std::unique_ptr<grpc::ClientReader<v1::EngineEvent>> reader;
  };
  std::array<Watcher, 4> watchers;
  v1::EngineEvent event;
  for (Watcher& watcher : watchers) {
    watcher.reader = stub_->WatchEngine(&watcher.context, v1::WatchEngineRequest());
    ASSERT_TRUE(watcher.reader->Read(&event));
  }
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + seconds(20));
  const auto fifth = stub_->WatchEngine(&context, v1::WatchEngineRequest());
  EXPECT_FALSE(fifth->Read(&event));
  EXPECT_THAT(TextOf(context, fifth->Finish()), StartsWith("8 TOO_MANY_WATCHERS"));
  events_.Close();
  for (Watcher& watcher : watchers) {
    while (watcher.reader->Read(&event)) {
    }
    EXPECT_TRUE(watcher.reader->Finish().ok());
  }
}

}  // namespace
}  // namespace seaworthy::docker
