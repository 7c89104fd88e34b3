#include "component/modules/docker/hardening/hardening_fixture.h"
#include "support/status_matchers.h"

namespace seaworthy::docker {
namespace {

using nlohmann::json;
using seaworthy::testing::Fails;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class Applied : public HardeningTest {
 protected:
  // Another storage driver sees nothing of what the one before it has.
  static std::string OtherDriver(const std::string& driver) {
    return Setting("storage-driver", driver == "vfs" ? R"("overlay2")" : R"("vfs")");
  }
};

TEST_F(Applied, RestartsTheEngineUnderItsContainers) {
  StartContainer();
  const pid_t before = engine_.Running();
  HardeningOptions options =
      Options(Setting("no-new-privileges", "true") + ", " + Setting("log-driver", R"("local")"));
  options.canary = true;
  const Result<Transaction> done = Apply(options);
  ASSERT_TRUE(done.ok()) << done.status();
  EXPECT_EQ(done->result, "applied") << done->problem << engine_.Log();
  EXPECT_THAT(steps_,
              ElementsAre("prepare", "reload", "write", "restart", "check", "canary", "done"));
  EXPECT_NE(engine_.Running(), before);
  ExpectKept();
  // What was there stays; live-restore was only on for the time of the restart.
  EXPECT_EQ(
      Config(),
      json({{"labels", {"site=north"}}, {"log-driver", "local"}, {"no-new-privileges", true}}));
  EXPECT_EQ(Info()["LiveRestoreEnabled"], false);
  EXPECT_EQ(Info()["LoggingDriver"], "local");
  EXPECT_THAT(Containers(), SizeIs(1));  // the canary has gone
  ASSERT_THAT(History(), SizeIs(1));
  EXPECT_EQ(History()[0].id, done->id);
}

TEST_F(Applied, ReloadsWhatCanBeReloaded) {
  StartContainer();
  const pid_t before = engine_.Running();
  const Result<Transaction> done =
      Apply(Options(Setting("debug", "true") + ", " + Setting("live-restore", "true")));
  ASSERT_TRUE(done.ok()) << done.status();
  EXPECT_EQ(done->result, "applied") << done->problem;
  EXPECT_THAT(steps_, ElementsAre("prepare", "write", "reload", "check", "done"));
  EXPECT_EQ(engine_.Running(), before);
  EXPECT_EQ(Info()["Debug"], true);
  EXPECT_EQ(Info()["LiveRestoreEnabled"], true);
  ExpectKept();
}

TEST_F(Applied, TwiceIsOnce) {
  const HardeningOptions options = Options(Setting("debug", "true"));
  ASSERT_TRUE(Apply(options).ok());
  const Result<Transaction> again = Apply(options);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->result, "unchanged");
  EXPECT_THAT(steps_, IsEmpty());
  EXPECT_THAT(History(), SizeIs(1));
}

// The plan cannot know: only the start of the engine looks at it.
TEST_F(Applied, IsUndoneWhenTheEngineDoesNotStart) {
  StartContainer();
  const auto before = ConfigText();
  const Result<Transaction> done = Apply(Options(Setting("dns", R"(["nowhere"])")));
  ASSERT_TRUE(done.ok()) << done.status();
  EXPECT_EQ(done->result, "restored") << done->problem;
  EXPECT_EQ(done->reason, "ENGINE_UNWELL");
  EXPECT_EQ(ConfigText(), before);
  EXPECT_TRUE(engine_.api().Ping(PrivateEngine::Soon()).ok());
  EXPECT_EQ(Info()["LiveRestoreEnabled"], false);
  ExpectKept();
  ASSERT_THAT(History(), SizeIs(1));
  EXPECT_EQ(History()[0].reason, "ENGINE_UNWELL");
}

// The engine starts with it, and no container does any more.
TEST_F(Applied, IsUndoneWhenTheCanaryDoesNotStart) {
  StartContainer();
  const auto before = ConfigText();
  std::ofstream(engine_.root() / "profile.json") << "no profile";
  HardeningOptions options =
      Options(Setting("seccomp-profile", json(engine_.root() / "profile.json").dump()));
  options.canary = true;
  const Result<Transaction> done = Apply(options);
  ASSERT_TRUE(done.ok()) << done.status();
  EXPECT_EQ(done->result, "restored") << done->problem;
  EXPECT_EQ(done->reason, "CANARY_FAILED");
  EXPECT_EQ(ConfigText(), before);
  ExpectKept();
  EXPECT_THAT(Containers(), SizeIs(1));
}

TEST_F(Applied, IsUndoneWhenTheEngineDies) {
  StartContainer();
  const auto before = ConfigText();
  const Result<Transaction> done =
      Apply(Options(Setting("debug", "true")), [&](const HardeningStep& step) {
        if (step.name != "check") return;
        const pid_t engine = engine_.Running();
        kill(engine, SIGKILL);
        waitpid(engine, nullptr, 0);
      });
  ASSERT_TRUE(done.ok()) << done.status();
  EXPECT_EQ(done->result, "restored") << done->problem;
  EXPECT_EQ(ConfigText(), before);
  EXPECT_TRUE(engine_.api().Ping(PrivateEngine::Soon()).ok());
}

TEST_F(Applied, IsUndoneWhenTheEngineHangs) {
  StartContainer();
  const auto before = ConfigText();
  HardeningOptions options = Options(Setting("no-new-privileges", "true"));
  options.patience = std::chrono::seconds(10);
  const Deadline limit = DeadlineIn(std::chrono::seconds(100));
  const Result<Transaction> done = Apply(options, [&](const HardeningStep& step) {
    if (step.name == "check") kill(engine_.Running(), SIGSTOP);
  });
  ASSERT_TRUE(done.ok()) << done.status();
  EXPECT_EQ(done->result, "restored") << done->problem << engine_.Log();
  EXPECT_GT(TimeLeft(limit).count(), 0);
  EXPECT_EQ(ConfigText(), before);
  EXPECT_TRUE(engine_.api().Ping(PrivateEngine::Soon()).ok());
  ExpectKept();
}

TEST_F(Applied, OneAtATime) {
  std::optional<Status> second;
  const Result<Transaction> done =
      Apply(Options(Setting("debug", "true")), [&](const HardeningStep& step) {
        if (step.name != "check") return;
        second =
            ApplyHardening(PrivateEngine::Soon(), Options(Setting("icc", "true")), {}).status();
      });
  ASSERT_TRUE(done.ok()) << done.status();
  EXPECT_EQ(done->result, "applied");
  ASSERT_TRUE(second.has_value());
  EXPECT_THAT(*second, Fails(Code::kUnavailable, "HARDENING_BUSY"));
}

TEST_F(Applied, ADeadEngineIsAnErrorAndNothingIsTouched) {
  engine_.Stop();
  const auto before = ConfigText();
  EXPECT_THAT(Apply(Options(Setting("debug", "true"))).status(),
              Fails(Code::kUnavailable, "ENGINE_ABSENT"));
  EXPECT_EQ(ConfigText(), before);
  EXPECT_THAT(History(), IsEmpty());
}

TEST_F(Applied, OnlyThePlanThatWasSeen) {
  HardeningOptions options = Options(Setting("debug", "true"));
  const Result<Plan> plan = PlanHardening(PrivateEngine::Soon(), options);
  ASSERT_TRUE(plan.ok()) << plan.status();
  options.digest = plan->digest;
  std::ofstream(engine_.config()) << R"({"labels": ["site=south"]})";
  EXPECT_THAT(Apply(options).status(), Fails(Code::kAborted, "PLAN_CHANGED"));
  EXPECT_EQ(Config(), json({{"labels", {"site=south"}}}));
}

// Other roots for data: what runs is stopped, after somebody has agreed, and runs again when it is
// undone.
TEST_F(Applied, MovesDataOnlyWithConsent) {
  StartContainer();
  const auto before = ConfigText();
  const std::string driver = Info()["Driver"];
  HardeningOptions options = Options(OtherDriver(driver));
  EXPECT_THAT(Apply(options).status(), Fails(Code::kFailedPrecondition, "CONSENT_NEEDED"));
  EXPECT_EQ(ConfigText(), before);
  ExpectKept();
  options.consents = {Consent::kMoveData, Consent::kStopContainers};
  const Result<Transaction> done = Apply(options);
  ASSERT_TRUE(done.ok()) << done.status();
  EXPECT_EQ(done->result, "applied") << done->problem;
  EXPECT_THAT(Containers(), IsEmpty());
  EXPECT_NE(std::string(Info()["Driver"]), driver);

  const Result<Transaction> back = RollBackHardening(PrivateEngine::Soon(), options, "", {});
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_EQ(back->result, "applied") << back->problem;
  EXPECT_EQ(ConfigText(), before);
  const auto all = engine_.api().Get(PrivateEngine::Soon(), "/containers/json?all=1");
  ASSERT_TRUE(all.ok()) << all.status();
  EXPECT_THAT(*all, SizeIs(1));
}

TEST_F(Applied, StartsAgainWhatItStoppedWhenItIsUndone) {
  StartContainer();
  HardeningOptions options =
      Options(OtherDriver(Info()["Driver"]) + ", " + Setting("dns", R"(["nowhere"])"));
  options.consents = {Consent::kMoveData, Consent::kStopContainers};
  const Result<Transaction> done = Apply(options);
  ASSERT_TRUE(done.ok()) << done.status();
  EXPECT_EQ(done->result, "restored") << done->problem;
  ASSERT_THAT(Containers(), SizeIs(1));
  EXPECT_EQ(Containers()[0].id, containers_[0].id);
}

TEST_F(Applied, RollsBackAndAgain) {
  StartContainer();
  const auto before = ConfigText();
  HardeningOptions options = Options(Setting("no-new-privileges", "true"));
  const Result<Transaction> first = Apply(options);
  ASSERT_TRUE(first.ok() && first->result == "applied") << first.status();
  const Result<Transaction> second = Apply(Options(Setting("debug", "true")));
  ASSERT_TRUE(second.ok() && second->result == "applied") << second.status();

  // The first one's files are not as it left them.
  EXPECT_THAT(RollBackHardening(PrivateEngine::Soon(), options, first->id, {}).status(),
              Fails(Code::kAborted, "FILES_CHANGED"));
  for (const std::string& undone : {second->id, first->id}) {
    const Result<Transaction> back = RollBackHardening(PrivateEngine::Soon(), options, "", {});
    ASSERT_TRUE(back.ok()) << back.status();
    EXPECT_EQ(back->result, "applied") << back->problem;
    EXPECT_EQ(back->undoes, undone);
  }
  EXPECT_EQ(ConfigText(), before);
  EXPECT_EQ(Info()["Debug"], false);
  ExpectKept();
  EXPECT_THAT(RollBackHardening(PrivateEngine::Soon(), options, "", {}).status(),
              Fails(Code::kNotFound, "TRANSACTION_UNKNOWN"));
  EXPECT_THAT(RollBackHardening(PrivateEngine::Soon(), options, "none", {}).status(),
              Fails(Code::kNotFound, "TRANSACTION_UNKNOWN"));
  EXPECT_THAT(History(), SizeIs(4));
}

// Somebody edited it, and the engine was not told.
TEST_F(Applied, HasTheEngineTakeOverWhatItHasNotRead) {
  std::ofstream(engine_.config()) << R"({"labels": ["site=north"], "debug": true})";
  const Result<Transaction> done = Apply(Options(Setting("debug", "true")));
  ASSERT_TRUE(done.ok()) << done.status();
  EXPECT_EQ(done->result, "applied") << done->problem;
  EXPECT_EQ(Info()["Debug"], true);
}

TEST_F(Applied, TakesAFileFromOthersWhoMayWriteIt) {
  const auto before = ConfigText();
  std::filesystem::permissions(engine_.config(), std::filesystem::perms(0666));
  const Result<Transaction> done = Apply(Options(Setting("icc", "true")));
  ASSERT_TRUE(done.ok()) << done.status();
  EXPECT_EQ(done->result, "applied") << done->problem;
  EXPECT_EQ(std::filesystem::status(engine_.config()).permissions(), std::filesystem::perms(0644));
  EXPECT_EQ(ConfigText(), before);
}

// A mode that keeps others from reading is kept.
TEST_F(Applied, WritesAFileForRootAlone) {
  std::filesystem::permissions(engine_.config(), std::filesystem::perms(0600));
  ASSERT_TRUE(Apply(Options(Setting("debug", "true"))).ok());
  EXPECT_EQ(std::filesystem::status(engine_.config()).permissions(), std::filesystem::perms(0600));
}

}  // namespace
}  // namespace seaworthy::docker
