// kill -9, a power cut and a full disk at the steps and at the writes of a transaction.
#include <sys/wait.h>

#include <cstdlib>

#include "component/modules/docker/hardening/hardening_fixture.h"
#include "support/fault_points.h"
#include "support/status_matchers.h"

namespace seaworthy::docker {
namespace {

using seaworthy::testing::Fault;
using ::testing::AnyOf;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class Interrupted : public HardeningTest {
 protected:
  // How the driver ended, as waitpid tells it; "-" rolls back.
  int Drive(const std::string& profile, const std::string& how) const {
    const std::string command = "exec " HARDENING_DRIVER " " + engine_.socket() + " " + state() +
                                " " + profile + " " + how + " 2>>" + engine_.log() + ".driver";
    return std::system(command.c_str());
  }

  static bool Killed(int status) { return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL; }

  std::string ProfileFile(const std::string& settings) const {
    const std::string path = engine_.root() / "profile";
    std::ofstream(path) << Profile(settings);
    return path;
  }

  std::optional<Transaction> Recover(
      std::chrono::milliseconds patience = std::chrono::seconds(30)) {
    HardeningOptions options;
    options.state = state();
    options.patience = patience;
    const auto settled = RecoverHardening(options);
    EXPECT_TRUE(settled.ok()) << settled.status();
    return settled.ok() ? *settled : std::nullopt;
  }

  void ExpectWell() {
    EXPECT_TRUE(engine_.api().Ping(PrivateEngine::Soon()).ok()) << engine_.Log();
    ExpectKept();
  }
};

TEST_F(Interrupted, AtEachStepIsUndone) {
  StartContainer();
  const auto before = ConfigText();
  const std::string profile =
      ProfileFile(Setting("no-new-privileges", "true") + ", " + Setting("debug", "true"));
  for (const char* const step : {"prepare", "reload", "write", "restart", "check"}) {
    SCOPED_TRACE(step);
    ASSERT_TRUE(Killed(Drive(profile, std::string("step ") + step + " 1")));
    const auto settled = Recover();
    // Before it is written down there is nothing to undo.
    EXPECT_EQ(settled.has_value(), std::string(step) != "prepare");
    if (settled) {
      EXPECT_EQ(settled->result, "restored") << settled->problem;
    }
    EXPECT_EQ(ConfigText(), before);
    EXPECT_EQ(Info()["Debug"], false);
    ExpectWell();
    EXPECT_EQ(Recover(), std::nullopt);
  }
  EXPECT_THAT(History(), SizeIs(4));
  // The next one is none the worse for it.
  EXPECT_EQ(Drive(profile, "step none 1"), 0);
  EXPECT_EQ(Config()["no-new-privileges"], true);
  ExpectWell();
}

TEST_F(Interrupted, IsSettledByTheNextOne) {
  StartContainer();
  const std::string profile = ProfileFile(Setting("no-new-privileges", "true"));
  ASSERT_TRUE(Killed(Drive(profile, "step restart 1")));
  const Result<Transaction> done = Apply(Options(Setting("debug", "true")));
  ASSERT_TRUE(done.ok()) << done.status();
  EXPECT_EQ(done->result, "applied") << done->problem;
  EXPECT_FALSE(Config().contains("no-new-privileges"));
  EXPECT_EQ(Config()["debug"], true);
  EXPECT_THAT(History(), SizeIs(2));
  ExpectWell();
}

// After a power cut no engine runs: the files alone are put right, at once, before it is started.
TEST_F(Interrupted, ByAPowerCutTheEngineStartsWithTheOldFile) {
  const auto before = ConfigText();
  const std::string profile = ProfileFile(Setting("dns", R"(["nowhere"])"));
  ASSERT_TRUE(Killed(Drive(profile, "step restart 1")));
  engine_.Stop();
  EXPECT_NE(ConfigText(), before);
  const auto settled = Recover(std::chrono::milliseconds(0));
  ASSERT_TRUE(settled.has_value());
  EXPECT_EQ(settled->result, "restored") << settled->problem;
  EXPECT_EQ(ConfigText(), before);
  engine_.Start();
  EXPECT_EQ(Recover(), std::nullopt);
}

// What somebody else wrote after the interruption is not lost.
TEST_F(Interrupted, LeavesWhatSomebodyElseWrote) {
  const std::string profile = ProfileFile(Setting("debug", "true"));
  ASSERT_TRUE(Killed(Drive(profile, "step check 1")));
  const std::string other = R"({"labels": ["by=hand"]})";
  std::ofstream(engine_.config()) << other;
  const auto settled = Recover();
  ASSERT_TRUE(settled.has_value());
  EXPECT_EQ(settled->result, "broken");
  EXPECT_EQ(settled->reason, "FILES_CHANGED");
  EXPECT_EQ(ConfigText(), other);
}

TEST_F(Interrupted, AtEachWriteEndsWithOneOfBothConfigurations) {
  StartContainer();
  const auto before = ConfigText();
  const std::string profile = ProfileFile(Setting("debug", "true"));
  int nth = 1;
  for (;; ++nth) {
    SCOPED_TRACE("write " + std::to_string(nth));
    const int status =
        Drive(profile, "fault " + std::to_string(static_cast<int>(Fault::kKillAfter)) + " " +
                           std::to_string(nth));
    const auto settled = Recover();
    if (!Killed(status)) {
      ASSERT_TRUE(WIFEXITED(status));
      EXPECT_EQ(WEXITSTATUS(status), 0);
      break;
    }
    const bool applied = !History().empty() && History()[0].result == "applied";
    if (applied) {
      EXPECT_EQ(Config()["debug"], true);
      EXPECT_EQ(settled, std::nullopt);
      ASSERT_EQ(Drive("-", "step none 1"), 0);
    }
    EXPECT_EQ(ConfigText(), before);
    EXPECT_EQ(Info()["Debug"], false);
    if (HasFailure()) return;
  }
  EXPECT_GT(nth, 20);
  ExpectWell();
}

TEST_F(Interrupted, ByAFullDiskAtEachWriteEndsWithOneOfBothConfigurations) {
  StartContainer();
  const auto before = ConfigText();
  const std::string profile = ProfileFile(Setting("debug", "true"));
  int nth = 1;
  for (;; ++nth) {
    SCOPED_TRACE("write " + std::to_string(nth));
    const int status =
        Drive(profile, "fault " + std::to_string(static_cast<int>(Fault::kDiskFullOnce)) + " " +
                           std::to_string(nth));
    ASSERT_TRUE(WIFEXITED(status)) << status;
    const int exit = WEXITSTATUS(status);
    if (exit == 0) break;
    Recover();
    EXPECT_THAT(exit, AnyOf(10, 13, 14));
    if (exit == 10) {
      ASSERT_EQ(Drive("-", "step none 1"), 0);
    }
    EXPECT_EQ(ConfigText(), before);
    EXPECT_EQ(Info()["Debug"], false);
    if (HasFailure()) return;
  }
  EXPECT_GT(nth, 8);
  ExpectWell();
}

}  // namespace
}  // namespace seaworthy::docker
