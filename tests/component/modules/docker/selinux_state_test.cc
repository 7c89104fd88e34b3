// SELinux's state on the machine that runs the tests, beside what its kernel shows. What a kernel
// with SELinux shows is tried on virtual machines.
#include "seaworthy/modules/docker/selinux_state.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "modules/docker/selinux_facts.h"
#include "support/status_matchers.h"
#include "support/temp_root.h"

namespace seaworthy::docker {
namespace {

using seaworthy::testing::TempRoot;
using ::testing::HasSubstr;

Result<SelinuxState> Look(const std::string& root = "/") {
  const TempRoot folder;
  return LookAtSelinux(DeadlineIn(std::chrono::seconds(30)),
                       {.root = root, .socket = folder / "none.sock"});
}

TEST(SelinuxStateHere, IsWhatTheKernelShows) {
  const Result<SelinuxState> state = Look();
  ASSERT_TRUE(state.ok()) << state.status();
  std::ifstream mode("/sys/fs/selinux/enforce");
  std::string enforcing;
  mode >> enforcing;
  EXPECT_EQ(ToString(state->mode), enforcing.empty()  ? "disabled"
                                   : enforcing == "1" ? "enforcing"
                                                      : "permissive");
  if (enforcing.empty()) {
    EXPECT_THAT(WhySelinuxWouldNotWork(*state), HasSubstr("SELinux"));
    EXPECT_TRUE(state->files.empty());
  }
  EXPECT_FALSE(state->engine_labels.has_value());
}

TEST(SelinuxStateHere, TakesTheSystemsFilesFromTheRoot) {
  const TempRoot root;
  for (const char* const folder : {"proc", "etc/selinux/some/contexts"}) {
    std::filesystem::create_directories(root.path() / folder);
  }
  std::ofstream(root / "proc/filesystems") << "nodev\tsysfs\n\text4\n";
  std::ofstream(root / "etc/selinux/config") << "SELINUXTYPE=some\n";
  std::ofstream(root / "etc/selinux/some/contexts/lxc_contexts")
      << "process = \"u:r:c_t:s0\"\nfile = \"u:object_r:f_t:s0\"\n";
  const Result<SelinuxState> state = Look(root.path());
  ASSERT_TRUE(state.ok()) << state.status();
  EXPECT_FALSE(state->in_kernel);
  EXPECT_EQ(state->policy, "some");
  EXPECT_EQ(state->container_process, "u:r:c_t:s0");
  EXPECT_EQ(state->container_file, "u:object_r:f_t:s0");
  EXPECT_EQ(state->contexts_file, "/etc/selinux/some/contexts/lxc_contexts");
  std::filesystem::create_directories(root.path() / "usr/share/containers/selinux");
  std::ofstream(root / "usr/share/containers/selinux/contexts") << "process = \"u:r:own_t:s0\"\n";
  EXPECT_EQ(Look(root.path())->container_process, "u:r:own_t:s0");
}

}  // namespace
}  // namespace seaworthy::docker
