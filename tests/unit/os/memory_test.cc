#include "seaworthy/os/memory.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "support/temp_root.h"

namespace seaworthy::os {
namespace {

class MemoryLeftTest : public ::testing::Test {
 protected:
  void Write(const std::string& file, const std::string& text) const {
    const std::filesystem::path path = root_ / file;
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path) << text;
  }
  void Group(const std::string& group, const std::string& max, const std::string& current,
             const std::string& stat = "anon 1\n") const {
    Write("sys/fs/cgroup/" + group + "/memory.max", max + "\n");
    Write("sys/fs/cgroup/" + group + "/memory.current", current + "\n");
    Write("sys/fs/cgroup/" + group + "/memory.stat", stat);
  }
  std::optional<std::uint64_t> Left() const { return MemoryLeft(root_ / ""); }

  const testing::TempRoot root_;
};

TEST_F(MemoryLeftTest, IsNotToldWhereNobodyKnows) {
  EXPECT_EQ(Left(), std::nullopt);
  Write("proc/meminfo", "MemTotal: many kB\nMemAvailable: some kB\n");
  Write("proc/self/cgroup", "4:memory:/old\n");
  EXPECT_EQ(Left(), std::nullopt);
}

TEST_F(MemoryLeftTest, IsWhatTheTightestHas) {
  Write("proc/meminfo", "MemTotal:  8000 kB\nMemAvailable:    6000 kB\n");
  EXPECT_EQ(Left(), 6'000U * 1024);
  Write("proc/self/cgroup", "0::/system.slice/seaworthyd.service\n");
  Group("system.slice", "max", "900000");
  Group("system.slice/seaworthyd.service", "1000000", "300000");
  EXPECT_EQ(Left(), 700'000U);
  Group("system.slice", "1000000", "900000");
  EXPECT_EQ(Left(), 100'000U);
}

TEST_F(MemoryLeftTest, CopiesOfFilesAreGivenBack) {
  Write("proc/self/cgroup", "0::/one\n");
  Group("one", "1000000", "900000",
        "anon 400000\nfile 500000\ninactive_file 300000\nactive_file 150000\n");
  EXPECT_EQ(Left(), 550'000U);
  Group("one", "1000000", "1200000");
  EXPECT_EQ(Left(), 0U);
}

// Of the kernel that this runs on.
TEST(MemoryLeft, IsToldHere) { EXPECT_GT(MemoryLeft().value_or(0), 0U); }

}  // namespace
}  // namespace seaworthy::os
