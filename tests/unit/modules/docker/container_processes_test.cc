#include "modules/docker/container_processes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "support/temp_root.h"

namespace seaworthy::docker {
namespace {

using ::testing::ElementsAre;

TEST(ControlGroup, IsThatOfTheOneHierarchy) {
  EXPECT_EQ(ControlGroupOf("0::/system.slice/docker-1.scope\n"), "system.slice/docker-1.scope");
}

TEST(ControlGroup, OfManyHierarchiesIsThatOfTheirPids) {
  EXPECT_EQ(
      ControlGroupOf("12:memory:/docker/1\n7:pids:/docker/1\n1:name=systemd:/docker/1\n0::/\n"),
      "pids/docker/1");
}

TEST(ControlGroup, IsNoneForWhatSaysNone) {
  EXPECT_EQ(ControlGroupOf(""), "");
  EXPECT_EQ(ControlGroupOf("0::/\n"), "");
  EXPECT_EQ(ControlGroupOf("0\n::\n:x"), "");
}

void Write(const std::string& path, std::string_view text) {
  std::filesystem::create_directories(std::filesystem::path(path).parent_path());
  std::ofstream(path) << text;
}

TEST(ContainerProcesses, AreThoseOfItsGroupAndOfThoseBelow) {
  const seaworthy::testing::TempRoot root;
  Write(root / "proc/10/cgroup", "0::/docker/1\n");
  Write(root / "proc/10/comm", "init\n");
  Write(root / "proc/11/comm", "sshd\n");
  Write(root / "proc/12/comm", "of the host\n");
  Write(root / "sys/fs/cgroup/docker/1/cgroup.procs", "10\n");
  Write(root / "sys/fs/cgroup/docker/1/ssh.service/cgroup.procs", "11\n99\n");
  Write(root / "sys/fs/cgroup/cgroup.procs", "12\n");
  const auto processes = ReadContainerProcesses(
      root.path().string(), {{{"Id", "one"}, {"State", {{"Running", true}, {"Pid", 10}}}},
                             {{"Id", "stopped"}, {"State", {{"Running", false}, {"Pid", 0}}}},
                             {{"Id", "gone"}, {"State", {{"Running", true}, {"Pid", 4000}}}}});
  ASSERT_TRUE(processes.at("one").ok()) << processes.at("one").status();
  EXPECT_THAT(*processes.at("one"), ElementsAre("init", "sshd"));
  EXPECT_FALSE(processes.contains("stopped"));
  EXPECT_FALSE(processes.at("gone").ok());
}

// It would name the host's processes as the container's.
TEST(ContainerProcesses, AreNotToldOfTheHostsOwnGroup) {
  const seaworthy::testing::TempRoot root;
  Write(root / "proc/10/cgroup", "0::/\n");
  Write(root / "sys/fs/cgroup/cgroup.procs", "10\n");
  const auto processes = ReadContainerProcesses(
      root.path().string(), {{{"Id", "one"}, {"State", {{"Running", true}, {"Pid", 10}}}}});
  EXPECT_EQ(Reason(processes.at("one").status()), "CONTROL_GROUP");
}

}  // namespace
}  // namespace seaworthy::docker
