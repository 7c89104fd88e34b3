#include "seaworthy/modules/integrity/install_policy.h"

#include <gmock/gmock.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <csignal>
#include <filesystem>

#include "support/fault_points.h"
#include "support/status_matchers.h"
#include "unit/modules/integrity/signing_key.h"

namespace seaworthy::integrity {
namespace {

using ::seaworthy::testing::Fails;
using ::seaworthy::testing::IsOk;
using ::testing::ElementsAre;
namespace fs = std::filesystem;

constexpr char kFirst[] = "# first\nmeasure func=BPRM_CHECK\n";
constexpr char kSecond[] = "# second\nmeasure func=MMAP_CHECK\n";

// A root with a securityfs that takes a policy: what is written there is the path to read.
class InstallPolicy : public ::testing::Test {
 protected:
  InstallPolicy() {
    fs::create_directories(node_ + "/etc");
    fs::create_directories(node_ + "/sys/kernel/security/ima");
    WriteText(kernel_, "");
  }
  Result<PolicyLoading> Install(const std::string& text, bool now = false) const {
    return InstallImaPolicy(node_, text, PolicyPlace::kSystemd, now);
  }
  std::string Policy(const std::string& suffix = "") const {
    return ReadText(node_ + "/etc/ima/ima-policy" + suffix);
  }
  std::vector<std::string> Names() const {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(node_ + "/etc/ima")) {
      names.push_back(entry.path().filename());
    }
    std::ranges::sort(names);
    return names;
  }

  testing::TempRoot root_;
  const std::string node_ = root_ / "node";
  const std::string kernel_ = node_ + "/sys/kernel/security/ima/policy";
};

TEST_F(InstallPolicy, IsForTheNextBootAndKeepsTheOneBefore) {
  ASSERT_THAT(Install(kFirst), IsOk());
  EXPECT_EQ(Policy(), kFirst);
  EXPECT_THAT(Names(), ElementsAre("ima-policy"));
  EXPECT_EQ(ReadText(kernel_), "");
  struct stat stat = {};
  ASSERT_EQ(::stat((node_ + "/etc/ima/ima-policy").c_str(), &stat), 0);
  const mode_t mask = umask(0);
  umask(mask);
  EXPECT_EQ(stat.st_mode & 0777U, 0644 & ~mask);
  EXPECT_EQ(*Install(kSecond), PolicyLoading::kNextBoot);
  EXPECT_EQ(Policy(), kSecond);
  EXPECT_EQ(Policy(".previous"), kFirst);
  // Again: the way back stays.
  ASSERT_THAT(Install(kSecond), IsOk());
  EXPECT_EQ(Policy(".previous"), kFirst);
}

TEST_F(InstallPolicy, ALastLineWithoutEndGetsOne) {
  ASSERT_THAT(Install("measure"), IsOk());
  EXPECT_EQ(Policy(), "measure\n");
}

TEST_F(InstallPolicy, NowIsAskedOfTheKernelFirst) {
  EXPECT_EQ(*Install(kFirst, true), PolicyLoading::kNow);
  EXPECT_EQ(ReadText(kernel_), "/etc/ima/ima-policy.new");
  EXPECT_EQ(Policy(), kFirst);
  EXPECT_THAT(Names(), ElementsAre("ima-policy"));
}

// M-66
TEST_F(InstallPolicy, WhatTheKernelRefusesIsNotInstalled) {
  ASSERT_THAT(Install(kFirst), IsOk());
  fs::remove(kernel_);
  fs::create_symlink("/dev/full", kernel_);  // takes no write
  EXPECT_THAT(Install(kSecond, true), Fails(Code::kFailedPrecondition, "IMA_POLICY_REFUSED"));
  EXPECT_EQ(Policy(), kFirst);
  EXPECT_THAT(Names(), ElementsAre("ima-policy"));
}

TEST_F(InstallPolicy, WhereTheKernelHasAPolicyItIsForTheNextBoot) {
  fs::remove(kernel_);
  EXPECT_EQ(*Install(kFirst, true), PolicyLoading::kTooLateForNow);
  EXPECT_EQ(Policy(), kFirst);
  fs::remove_all(node_ + "/sys/kernel/security/ima");
  EXPECT_THAT(Install(kSecond, true), Fails(Code::kFailedPrecondition, "IMA_ABSENT"));
  EXPECT_EQ(Policy(), kFirst);
  EXPECT_THAT(Names(), ElementsAre("ima-policy"));
}

TEST_F(InstallPolicy, GoesThroughNoLink) {
  fs::create_directory(root_ / "elsewhere");
  fs::create_directory_symlink(root_ / "elsewhere", node_ + "/etc/ima");
  EXPECT_THAT(Install(kFirst), Fails(Code::kFailedPrecondition, "UNSAFE_FILE"));
  EXPECT_THAT(RemoveImaPolicy(node_), Fails(Code::kFailedPrecondition, "UNSAFE_FILE"));
  EXPECT_TRUE(fs::is_empty(root_ / "elsewhere"));
}

TEST_F(InstallPolicy, RemovingIsTheWayBack) {
  EXPECT_THAT(RemoveImaPolicy(node_), Fails(Code::kNotFound, "IMA_POLICY_MISSING"));
  ASSERT_THAT(Install(kFirst), IsOk());
  ASSERT_THAT(Install(kSecond), IsOk());
  EXPECT_TRUE(*RemoveImaPolicy(node_));
  EXPECT_EQ(Policy(), kFirst);
  EXPECT_EQ(Policy(".removed"), kSecond);
  EXPECT_FALSE(*RemoveImaPolicy(node_));
  EXPECT_EQ(Policy(".removed"), kFirst);
  EXPECT_THAT(Names(), ElementsAre("ima-policy.removed"));
  EXPECT_THAT(RemoveImaPolicy(node_), Fails(Code::kNotFound, "IMA_POLICY_MISSING"));
}

// The kernel takes one policy a boot.
TEST_F(InstallPolicy, OnePlaceTakesTheOthersPolicy) {
  const std::string behind_keys = node_ + "/etc/seaworthy/ima-policy";
  ASSERT_THAT(Install(kFirst), IsOk());
  ASSERT_THAT(InstallImaPolicy(node_, kSecond, PolicyPlace::kBehindKeys, false), IsOk());
  EXPECT_EQ(ReadText(behind_keys), kSecond);
  EXPECT_THAT(Names(), ElementsAre("ima-policy.previous"));
  EXPECT_TRUE(*RemoveImaPolicy(node_));
  EXPECT_EQ(Policy(), kFirst);
  EXPECT_FALSE(fs::exists(behind_keys));

  ASSERT_THAT(InstallImaPolicy(node_, kFirst, PolicyPlace::kBehindKeys, false), IsOk());
  ASSERT_THAT(InstallImaPolicy(node_, kSecond, PolicyPlace::kBehindKeys, false), IsOk());
  ASSERT_THAT(Install(kFirst), IsOk());
  // Only what was before the last one.
  EXPECT_EQ(ReadText(behind_keys + ".previous"), kSecond);
  EXPECT_FALSE(fs::exists(node_ + "/etc/ima/ima-policy.previous"));
  EXPECT_TRUE(*RemoveImaPolicy(node_));
  EXPECT_EQ(ReadText(behind_keys), kSecond);
  EXPECT_THAT(Names(), ElementsAre("ima-policy.removed"));
}

TEST_F(InstallPolicy, WhatAppraisesComesBehindKeys) {
  EXPECT_EQ(PlaceOf(ParseImaPolicy(kFirst).value()), PolicyPlace::kSystemd);
  EXPECT_EQ(PlaceOf(ParseImaPolicy("dont_appraise fsname=ext4\n").value()), PolicyPlace::kSystemd);
  EXPECT_EQ(PlaceOf(ParseImaPolicy(std::string(kFirst) + "appraise func=BPRM_CHECK\n").value()),
            PolicyPlace::kBehindKeys);
}

// M-67: killed, or without room, at each call that changes something: a policy is whole and one of
// the two, and the next call does what was asked.
class BrokenOff : public InstallPolicy, public ::testing::WithParamInterface<testing::Fault> {};
INSTANTIATE_TEST_SUITE_P(By, BrokenOff,
                         ::testing::Values(testing::Fault::kKillBefore, testing::Fault::kKillAfter,
                                           testing::Fault::kDiskFullOnce));

TEST_P(BrokenOff, APolicyIsWhole) {
  bool struck = true;
  int nth = 0;
  while (struck) {
    ++nth;
    fs::remove_all(node_ + "/etc/ima");
    ASSERT_THAT(Install(kFirst), IsOk());
    const pid_t child = fork();
    if (child == 0) {
      testing::ArmFault(GetParam(), nth);
      static_cast<void>(Install(kSecond, true));
      _exit(testing::FaultStruck() ? 1 : 0);
    }
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    struck = WIFSIGNALED(status) || WEXITSTATUS(status) != 0;
    EXPECT_THAT(Policy(), ::testing::AnyOf(kFirst, kSecond)) << nth;
    ASSERT_THAT(Install(kSecond, true), IsOk()) << nth;
    EXPECT_EQ(Policy(), kSecond) << nth;
    EXPECT_EQ(Policy(".previous"), kFirst) << nth;
  }
  EXPECT_GT(nth, 3);
}

}  // namespace
}  // namespace seaworthy::integrity
