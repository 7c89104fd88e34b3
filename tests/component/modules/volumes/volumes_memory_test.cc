// Keyslots that want more memory than the daemon's unit has.
#include <sys/resource.h>

#include "component/modules/volumes/volumes_fixture.h"

namespace seaworthy::volumes {
namespace {

using seaworthy::testing::Fails;
using seaworthy::testing::IsOk;
using ::testing::AllOf;
using ::testing::HasSubstr;

const auto kLacking = Fails(Code::kResourceExhausted, "KEYSLOT_MEMORY");

class KeyslotMemory : public VolumesModule {
 protected:
  // As the unit of the daemon has it.
  void Limit(const std::string& bytes) {
    const std::filesystem::path group = root_ / "platform/sys/fs/cgroup/unit";
    std::filesystem::create_directories(group);
    std::filesystem::create_directories(root_ / "platform/proc/self");
    std::ofstream(root_ / "platform/proc/self/cgroup") << "0::/unit\n";
    std::ofstream(group / "memory.max") << bytes << "\n";
    std::ofstream(group / "memory.current") << "30000000\n";
    platform_ = root_ / "platform";
    Restart();
  }

  static long MostMib() {
    rusage usage = {};
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_maxrss / 1024;
  }
};

// A gigabyte, as cryptsetup's own default is where the machine has that.
TEST_F(KeyslotMemory, WhatIsNotThereIsNotTaken) {
  const std::string disk = Disk("old.img");
  ASSERT_TRUE(Shell(
      "printf old >old.key && cryptsetup -q luksFormat --type luks2 --pbkdf argon2id "
      "--pbkdf-memory 1048576 --pbkdf-parallel 4 --pbkdf-force-iterations 4 old.img old.key"));
  Volumes::Enrolment wanted;
  wanted.entry = {"data", disk, "", false, {}};
  wanted.ways_in.emplace_back();
  wanted.add_recovery_key = true;
  Limit("536870912");
  const auto refused = volumes_->Enrol(Soon(), wanted, Passphrase("old"));
  ASSERT_THAT(refused, kLacking);
  EXPECT_THAT(Message(refused.status()), AllOf(HasSubstr("keyslot 0"), HasSubstr("1024 MiB"),
                                               HasSubstr("483 MiB"), HasSubstr("MemoryMax")));
  EXPECT_LT(MostMib(), 512);

  Limit("max");
  // It takes seconds, twice, and more beside compilers.
  const auto made = volumes_->Enrol(DeadlineIn(std::chrono::minutes(5)), wanted, Passphrase("old"));
  ASSERT_THAT(made, IsOk());
  EXPECT_GT(MostMib(), 1024) << "it takes less than is thought";

  // The ways in that the node makes take none, and are tried where others cannot be.
  Limit("536870912");
  EXPECT_THAT(Test().status, IsOk());
  EXPECT_THAT(Test(RecoveryKey(made->recovery_key)).status, IsOk());
  const auto second = volumes_->AddRecovery(Soon(), "data", {});
  ASSERT_THAT(second, IsOk());
  ASSERT_THAT(volumes_->Remove(Soon(), "data", {}, made->keyslot), IsOk());
  EXPECT_THAT(Test(RecoveryKey(made->recovery_key)).status, kLacking);
  EXPECT_THAT(volumes_->Accept(Soon(), "data", Passphrase("old"), SecretBytes()), kLacking);
  EXPECT_THAT(volumes_->Accept(Soon(), "data", RecoveryKey(second->recovery_key), SecretBytes()),
              IsOk());
}

}  // namespace
}  // namespace seaworthy::volumes
