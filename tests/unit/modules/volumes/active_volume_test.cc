#include "seaworthy/modules/volumes/active_volume.h"

#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>

#include "support/status_matchers.h"
#include "support/temp_root.h"

namespace seaworthy::volumes {
namespace {

using seaworthy::testing::Fails;
using seaworthy::testing::IsOk;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr char kUuid[] = "11111111-2222-3333-4444-555555555555";
constexpr char kPlain[] = "11111111222233334444555555555555";
const auto kNotActive = Fails(Code::kNotFound, "VOLUME_NOT_ACTIVE");

class ActiveVolumeTest : public ::testing::Test {
 protected:
  void AddMapping(const std::string& device, const std::string& name, const std::string& uuid) {
    const std::filesystem::path folder = root_.path() / "sys/block" / device;
    std::filesystem::create_directories(folder / "dm");
    std::ofstream(folder / "dm/name") << name << "\n";
    std::ofstream(folder / "dm/uuid") << uuid << "\n";
    std::ofstream(folder / "dev") << "253:" << device.substr(3) << "\n";
  }
  void AddHolder(const std::string& number, const std::string& holder) {
    std::filesystem::create_directories(root_.path() / "sys/dev/block" / number / "holders" /
                                        holder);
  }
  void SetMounts(const std::string& text) {
    std::filesystem::create_directories(root_.path() / "proc/self");
    std::ofstream(root_.path() / "proc/self/mountinfo") << text;
  }

  seaworthy::testing::TempRoot root_;
};

TEST_F(ActiveVolumeTest, IsFoundByItsUuid) {
  AddMapping("dm-0", "vg-root", "LVM-abcdef");
  AddMapping("dm-1", "other", "CRYPT-LUKS2-" + std::string(32, '9') + "-other");
  AddMapping("dm-2", "a-volume", "CRYPT-LUKS2-" + std::string(kPlain) + "-a-volume");
  const auto found = FindActive(kUuid, root_.path());
  ASSERT_THAT(found, IsOk());
  EXPECT_EQ(found->name, "a-volume");
  EXPECT_EQ(found->device, "dm-2");
  EXPECT_FALSE(found->in_use());
  for (const std::string other : {"", "-", "1111", "11111111-2222-3333-4444-555555555556"}) {
    EXPECT_THAT(FindActive(other, root_.path()), kNotActive) << other;
  }
}

TEST_F(ActiveVolumeTest, TellsWhoIsOnIt) {
  AddMapping("dm-1", "v", "CRYPT-LUKS2-" + std::string(kPlain) + "-v");
  AddHolder("253:1", "dm-7");
  AddHolder("253:11", "dm-8");
  SetMounts(
      "36 35 253:1 / /var/lib/docker rw - ext4 /dev/mapper/v rw\n"
      "37 35 253:11 / /mnt rw - ext4 /dev/mapper/other rw\n");
  const auto found = FindActive(kUuid, root_.path());
  ASSERT_THAT(found, IsOk());
  EXPECT_TRUE(found->in_use());
  EXPECT_THAT(found->users, ElementsAre("dm-7", "/var/lib/docker"));
}

TEST_F(ActiveVolumeTest, WhatIsNoVolumesIsForeign) {
  AddMapping("dm-0", "vg-root", "LVM-abcdef");
  AddMapping("dm-1", "plain", "CRYPT-PLAIN-plain");
  AddMapping("dm-2", "bare", "");
  AddMapping("dm-3", "v", "CRYPT-LUKS2-" + std::string(kPlain) + "-v");
  for (const std::string name : {"vg-root", "plain", "bare"}) {
    EXPECT_THAT(FindActiveByName(name, root_.path()),
                Fails(Code::kFailedPrecondition, "MAPPING_FOREIGN"))
        << name;
  }
  EXPECT_THAT(FindActiveByName("v", root_.path()), IsOk());
  EXPECT_THAT(FindActiveByName("none", root_.path()), kNotActive);
}

// What a re-encryption by stock tools maps beside the volume has its UUID and another name in it.
TEST_F(ActiveVolumeTest, AMappingIsNamedAsItsUuidSays) {
  AddMapping("dm-0", "v-hotzone", "CRYPT-LUKS2-" + std::string(kPlain) + "-v");
  EXPECT_THAT(FindActive(kUuid, root_.path()), kNotActive);
}

TEST_F(ActiveVolumeTest, WithoutADeviceMapperNothingIsActive) {
  EXPECT_THAT(FindActive(kUuid, root_.path()), kNotActive);
  EXPECT_THAT(FindActiveByName("v", root_.path()), kNotActive);
}

}  // namespace
}  // namespace seaworthy::volumes
