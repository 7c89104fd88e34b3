// Kills a change of a guarded volume at its writes, one after the other: afterwards the TPM opens
// the volume as it was before or as it is to be, and goes on with what was begun.
#include <gmock/gmock.h>
#include <sys/wait.h>

#include "component/modules/volumes/guarded_changes.h"
#include "component/modules/volumes/guarded_fixture.h"
#include "support/fault_points.h"

namespace seaworthy::volumes {
namespace {

using seaworthy::testing::Fault;
using seaworthy::testing::IsOk;

struct Step {
  const char* name;
  const char* change;
  int stride;
  int least_points;  // fewer would mean that the walk has missed the calls
};

constexpr Step kSteps[] = {
    {"RotateTpmWayIn", "rotate", 5, 60},
    {"Rekey", "rekey", 7, 60},
    {"Reencryption", "reencrypt", 11, 150},
};

class GuardedFaults : public GuardedVolumeTest, public ::testing::WithParamInterface<Step> {
 protected:
  void SetUp() override {
    testing::UseLocksIfPossible();
    const auto made = MakeVolume(AddWays({{.policy = PcrsAsTheyAre()}}, true));
    recovery_key_ = AsText(made[1].passphrase.view());
    Fill(GetParam().change == std::string("reencrypt") ? 9 : 2);
  }

  int RunDriver(int nth) {
    broker_->Close();
    std::filesystem::remove(root_ / "announced");
    return std::system(("exec " LUKS_FAULT_DRIVER " " + path_ + " " + GetParam().change + " " +
                        std::to_string(static_cast<int>(Fault::kKillAfter)) + " " +
                        std::to_string(nth) + " " + root_ / "announced" + " '" + swtpm_.tcti() +
                        "' " + root_ / "tpm" + " 2>" + root_ / "driver.log")
                           .c_str());
  }

  // One recovery key or the other; from then on it is the volume's.
  void ExpectOneRecoveryKey(bool done) {
    const std::string announced = FileText("announced");
    const bool former = !OpensNothing(recovery_key_);
    const bool next = !announced.empty() && !OpensNothing(announced);
    EXPECT_NE(former, next) << "a part of the change";
    EXPECT_TRUE(!done || GetParam().change == std::string("rotate") || next);
    if (next) recovery_key_ = announced;
  }

  void ExpectSound(bool done) {
    ASSERT_THAT(HeaderCopy::Take(path_, Reencryption::kExpected), IsOk());
    Open open = OpenNow();
    ASSERT_TRUE(open.unlocked.guard.has_value());
    ExpectOneRecoveryKey(done);
    EXPECT_THAT(UnlockByRecoveryKey(*broker_, Soon(), open.copy, Secret(recovery_key_), {}),
                IsOk());
    const bool under_way = testing::IsUnderWay(open.copy, open.unlocked);
    EXPECT_FALSE(done && under_way);
    if (under_way) {
      ASSERT_THAT(ContinueReencryption(*broker_, std::chrono::seconds(20), open.copy, open.unlocked,
                                       nullptr),
                  IsOk());
    }
    const auto unlocked = UnlockVolume();
    ASSERT_THAT(unlocked, IsOk());
    EXPECT_TRUE(HasData(unlocked->way));
    EXPECT_EQ(Luks::Open(path_)->Keyslots().size(), 2);
    EXPECT_THAT(TokenTypes(), ::testing::ElementsAre(kGuard, kSystemdRecovery, kSystemdTpm2));
    EXPECT_THAT(UnlockByKey(recovery_key_), IsOk());
  }

  std::string recovery_key_;
};

INSTANTIATE_TEST_SUITE_P(Changes, GuardedFaults, ::testing::ValuesIn(kSteps),
                         [](const auto& test) { return std::string(test.param.name); });

// M-81.
TEST_P(GuardedFaults, KilledAtItsWrites) {
  int nth = 1;
  for (bool killed = true; killed && !HasFailure();) {
    SCOPED_TRACE("point " + std::to_string(nth));
    const int status = RunDriver(nth);
    killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
    if (!killed) {
      ASSERT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << FileText("driver.log");
    }
    ASSERT_NO_FATAL_FAILURE(ExpectSound(/*done=*/!killed));
    if (killed) nth += GetParam().stride;
  }
  EXPECT_GT(nth, GetParam().least_points);
}

}  // namespace
}  // namespace seaworthy::volumes
