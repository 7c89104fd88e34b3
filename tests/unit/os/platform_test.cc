#include "seaworthy/os/platform.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "support/temp_root.h"

namespace seaworthy::os {
namespace {

using ::testing::HasSubstr;

class PlatformTest : public ::testing::Test {
 protected:
  void Write(const std::string& name, const std::string& content) {
    const std::filesystem::path path = root_.path() / name;
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path) << content;
  }
  Facility Look(const std::string& name) {
    for (Facility& facility : LookAtPlatform(root_.path())) {
      if (facility.name == name) return std::move(facility);
    }
    ADD_FAILURE() << "no facility " << name;
    return {};
  }

  testing::TempRoot root_;
};

TEST_F(PlatformTest, AnEmptyRootLacksEverything) {
  for (const Facility& facility : LookAtPlatform(root_.path())) {
    EXPECT_FALSE(facility.present) << facility.name;
    EXPECT_FALSE(facility.detail.empty()) << facility.name;
  }
}

TEST_F(PlatformTest, ImaIsItsMeasurementList) {
  Write("sys/kernel/security/ima/binary_runtime_measurements", "");
  Write("sys/kernel/security/ima/runtime_measurements_count", "306\n");
  EXPECT_TRUE(Look("ima").present);
  EXPECT_THAT(Look("ima").detail, HasSubstr("306 files"));
  Write("sys/kernel/security/ima/runtime_measurements_count", "1\n");
  EXPECT_THAT(Look("ima").detail, HasSubstr("no policy"));
}

TEST_F(PlatformTest, DockerIsARunningEngine) {
  EXPECT_THAT(Look("docker").detail, HasSubstr("no Docker Engine"));
  Write("usr/sbin/dockerd", "");
  EXPECT_FALSE(Look("docker").present);
  EXPECT_THAT(Look("docker").detail, HasSubstr("does not run"));
  Write("run/docker.sock", "");
  EXPECT_TRUE(Look("docker").present);
}

TEST_F(PlatformTest, SeLinuxCountsWhenItEnforces) {
  Write("sys/fs/selinux/enforce", "0");
  EXPECT_FALSE(Look("selinux").present);
  EXPECT_THAT(Look("selinux").detail, HasSubstr("permissive"));
  Write("sys/fs/selinux/enforce", "1");
  EXPECT_TRUE(Look("selinux").present);
}

TEST_F(PlatformTest, SecureBootIsTheFirmwaresVariable) {
  const std::string variable =
      "sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c";
  Write(variable, std::string("\x06\0\0\0\0", 5));
  EXPECT_FALSE(Look("secure-boot").present);
  EXPECT_THAT(Look("secure-boot").detail, HasSubstr("off"));
  Write(variable, std::string("\x06\0\0\0\x01", 5));
  EXPECT_TRUE(Look("secure-boot").present);
  Write(variable, "");
  EXPECT_FALSE(Look("secure-boot").present);
}

}  // namespace
}  // namespace seaworthy::os
