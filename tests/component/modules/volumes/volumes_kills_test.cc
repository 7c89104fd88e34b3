// Kills the module at its writes and between its commands to the TPM, and fills its disk: a volume
// that was there opens afterwards, what was begun can be made again, and no counter is left in the
// TPM that is no volume's.
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>

#include <future>

#include "component/modules/volumes/locks.h"
#include "component/modules/volumes/volumes_faults.h"
#include "support/fault_points.h"

namespace seaworthy::volumes {
namespace {

using seaworthy::testing::Fault;
using seaworthy::testing::IsOk;

constexpr int kNever = 1'000'000;

struct Change {
  const char* name;
  const char* change;
  int write_stride;
  int command_stride;
};

constexpr Change kChanges[] = {
    {"Format", "format", 67, 11},  {"Enrol", "enrol", 29, 9},  {"AddTpm", "add", 29, 9},
    {"Refresh", "refresh", 37, 9}, {"BackUp", "backup", 2, 3},
};

class VolumesKilled : public VolumesFaults, public ::testing::WithParamInterface<Change> {
 protected:
  static std::string change() { return GetParam().change; }
  static bool makes() { return change() == "format" || change() == "enrol"; }

  void Prepare() {
    testing::UseLocksIfPossible();
    Disk("data.img");
    if (change() == "enrol") {
      ASSERT_TRUE(
          Shell("printf old >old.key; cryptsetup -q luksFormat --type luks2 --pbkdf pbkdf2 "
                "--pbkdf-force-iterations 1000 data.img old.key"));
    }
    if (!makes()) {
      recovery_key_ = Format("data").recovery_key;
      ASSERT_THAT(ReplaceFile(File(), recovery_key_.view(), 0600), IsOk());
    }
    if (change() == "backup") {
      ASSERT_TRUE(
          Shell("openssl req -x509 -nodes -newkey rsa:2048 -keyout operator.key -subj /CN=operator "
                "-out file"));
    }
    before_ = ContentOf(Device());
  }

  std::string Device() const { return root_ / "data.img"; }
  std::string File() const { return root_ / "file"; }

  // What waitpid says of it. Killed before the command to the TPM, counted from 0.
  int RunDriver(const std::string& change, Fault fault, int write, int command = kNever) {
    broker_->Close();
    std::promise<pid_t> started;
    const std::shared_future<pid_t> driver = started.get_future().share();
    bus_.Meddle([driver, command, count = 0](std::uint32_t, const Bytes& bytes,
                                             const testing::TpmBus::Tpm& tpm) mutable {
      if (count++ < command) return tpm(bytes);
      ::kill(driver.get(), SIGKILL);
      return Bytes();
    });
    std::vector<std::string> words = {
        LUKS_FAULT_DRIVER,     Device(), change,      std::to_string(static_cast<int>(fault)),
        std::to_string(write), File(),   bus_.tcti(), root_ / "tpm",
        root_ / "state"};
    std::vector<char*> arguments;
    for (std::string& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    const std::string log = root_ / "driver.log";
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 2, log.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    pid_t pid = 0;
    EXPECT_EQ(posix_spawn(&pid, arguments[0], &actions, nullptr, arguments.data(), environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    started.set_value(pid);
    int status = 0;
    EXPECT_EQ(waitpid(pid, &status, 0), pid);
    AllIsWell();
    FlushTpm();
    return status;
  }

  int Counters() {
    EXPECT_TRUE(Shell("tpm2_getcap handles-nv-index | grep -ci 0x18157 >counters || true"));
    return std::atoi(FileText("counters").c_str());
  }

  // Made again by this process, which is the next life of the daemon.
  void ExpectMadeAgain() {
    if (change() == "enrol") {
      EXPECT_TRUE(StockOpens(Secret("old")));
    }
    const bool done = !volumes_->List(Soon()).value().empty();
    if (done) {
      ASSERT_THAT(Test().status, IsOk());
      ASSERT_THAT(volumes_->Forget(Soon(), "data"), IsOk());
    }
    SecretBytes recovery_key;
    if (change() == "format") {
      NewVolume wanted;
      wanted.entry = {"data", Device(), "", false, {}};
      wanted.destroy = true;
      auto made = volumes_->Format(Soon(), wanted);
      ASSERT_THAT(made.status(), IsOk());
      recovery_key = std::move(made->recovery_key);
    } else {
      Volumes::Enrolment wanted;
      wanted.entry = {"data", Device(), "", false, {}};
      wanted.ways_in.emplace_back();
      wanted.add_recovery_key = true;
      // A header that was put back is good, and what opens it tells.
      const bool guarded = FindGuard(HeaderCopy::Take(Device())->header().metadata).ok();
      auto made = volumes_->Enrol(Soon(), wanted, guarded ? VolumeSecret() : Passphrase("old"));
      ASSERT_THAT(made.status(), IsOk());
      recovery_key = std::move(made->recovery_key);
      EXPECT_TRUE(StockOpens(Secret("old")));
    }
    ExpectEachWayOpens(recovery_key);
    EXPECT_EQ(Counters(), 1);
    EXPECT_FALSE(std::filesystem::exists(root_ / "state/volumes/counters"));
    ASSERT_THAT(volumes_->Erase(Soon(), "data", Look().entry.uuid), IsOk());
    std::ofstream(Device(), std::ios::binary | std::ios::trunc) << AsText(before_);
  }

  void ExpectSound() {
    if (makes()) return ExpectMadeAgain();
    ExpectRecoverable(recovery_key_);
    if (change() == "add") {
      EXPECT_THAT(Test().status, IsOk());
      for (const WayInShown& way : Look().ways_in) {
        if (way.kind != WayInKind::kByTpm || Kinds().size() <= 2) continue;
        ASSERT_THAT(volumes_->Remove(Soon(), "data", RecoveryKey(recovery_key_), way.keyslot),
                    IsOk());
      }
    } else if (change() == "backup") {
      EXPECT_EQ(ContentOf(Device()), before_);
    } else {
      Volumes::RefreshOptions options;
      options.unexplained = true;
      ASSERT_THAT(volumes_->RefreshPolicy(Soon(), "data", RecoveryKey(recovery_key_), options),
                  IsOk());
      EXPECT_EQ(Kinds().size(), 2);
    }
    ExpectEachWayOpens(recovery_key_);
    EXPECT_EQ(Counters(), 1);
  }

  // Until it is not hindered any more; how often it was.
  int Walk(Fault fault, int write_stride, int command_stride) {
    Prepare();
    int hindered = 0;
    for (int at = command_stride;; at += write_stride + command_stride) {
      SCOPED_TRACE("point " + std::to_string(at));
      if (change() == "refresh") ExtendPcr(7);
      const int status = command_stride != 0 ? RunDriver(change(), fault, kNever, at)
                                             : RunDriver(change(), fault, at + 1);
      const bool done = WIFEXITED(status) && WEXITSTATUS(status) == 0;
      const bool killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
      if (fault == Fault::kKillAfter) {
        EXPECT_TRUE(done || killed) << FileText("driver.log");
      }
      ExpectSound();
      if (done || HasFailure()) return hindered;
      ++hindered;
    }
  }

  SecretBytes recovery_key_;
  Bytes before_;
};

INSTANTIATE_TEST_SUITE_P(Changes, VolumesKilled, ::testing::ValuesIn(kChanges),
                         [](const auto& test) { return std::string(test.param.name); });

// M-81, M-100.
TEST_P(VolumesKilled, KilledAtItsWrites) {
  EXPECT_GT(Walk(Fault::kKillAfter, GetParam().write_stride, 0), 1);
}

// M-81, M-100.
TEST_P(VolumesKilled, KilledAfterEachPointOfTheTpm) {
  EXPECT_GT(Walk(Fault::kKillAfter, 0, GetParam().command_stride), 1);
}

// M-81.
TEST_P(VolumesKilled, ADiskThatIsFullIsToldAndLosesNothing) {
  EXPECT_GT(Walk(Fault::kDiskStaysFull, 4 * GetParam().write_stride, 0), 0);
}

}  // namespace
}  // namespace seaworthy::volumes
