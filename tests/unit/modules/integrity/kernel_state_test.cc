#include "modules/integrity/kernel_state.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>

#include "support/ima_entry.h"
#include "support/temp_root.h"

namespace seaworthy::integrity {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class KernelStateTest : public ::testing::Test {
 protected:
  void Write(const std::string& name, const std::string& content) {
    const std::filesystem::path path = root_.path() / name;
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path, std::ios::binary) << content;
  }
  void WriteIma(const std::string& name, const std::string& content) {
    Write("sys/kernel/security/ima/" + name, content);
  }
  // A kernel that has measured, as Debian's does.
  void Measure() {
    const Bytes entry = testing::MakeImaNgEntry("boot_aggregate", Bytes(32, 1));
    WriteIma("binary_runtime_measurements", std::string(AsText(entry)));
    WriteIma("runtime_measurements_count", "306\n");
    WriteIma("violations", "2\n");
    WriteIma("policy", "");
    std::filesystem::permissions(root_.path() / "sys/kernel/security/ima/policy",
                                 std::filesystem::perms(0200));
  }
  KernelState Read() const { return ReadKernelState(root_.path()); }
  Feature Find(const std::string& name) const {
    const KernelState state = Read();
    const auto found = std::ranges::find(state.features, name, &Feature::name);
    EXPECT_NE(found, state.features.end()) << name;
    return found == state.features.end() ? Feature() : *found;
  }

  testing::TempRoot root_;
};

TEST_F(KernelStateTest, AKernelWithoutAnythingHasNothing) {
  const KernelState state = Read();
  EXPECT_FALSE(state.ima.present);
  EXPECT_FALSE(state.evm.present);
  EXPECT_THAT(state.lockdown, IsEmpty());
  EXPECT_THAT(state.security_modules, IsEmpty());
  EXPECT_EQ(state.features.size(), 5U);
  for (const Feature& feature : state.features) {
    EXPECT_FALSE(feature.available) << feature.name;
    EXPECT_FALSE(feature.detail.empty()) << feature.name;
  }
}

TEST_F(KernelStateTest, TellsTheListAndHowItIsMade) {
  Measure();
  Write("proc/cmdline", "quiet ima_policy=\"tcb|secure_boot\" ima_appraise=log ima_tcb\n");
  const ImaState ima = Read().ima;
  EXPECT_TRUE(ima.present);
  EXPECT_EQ(ima.template_name, "ima-ng");
  EXPECT_EQ(ima.hash, "sha256");
  EXPECT_EQ(ima.entries, 306U);
  EXPECT_EQ(ima.violations, 2U);
  EXPECT_THAT(ima.boot_policies, ElementsAre("tcb", "secure_boot", "tcb"));
  EXPECT_EQ(ima.appraisal, "log");
  EXPECT_TRUE(Find("measure").available);
  Write("proc/cmdline", "quiet noima_policy=tcb ima_policyx=1 ima_policy");
  EXPECT_THAT(Read().ima.boot_policies, IsEmpty());
  EXPECT_FALSE(Find("measure").available);
}

TEST_F(KernelStateTest, TellsWhetherAPolicyCanStillBeLoaded) {
  Measure();
  EXPECT_EQ(Read().ima.custom_policy, CustomPolicy::kNotLoaded);
  EXPECT_TRUE(Find("load-policy").available);
  EXPECT_FALSE(Find("measure").available);
  const auto policy = root_.path() / "sys/kernel/security/ima/policy";
  std::filesystem::permissions(policy, std::filesystem::perms(0600));
  EXPECT_EQ(Read().ima.custom_policy, CustomPolicy::kExtensible);
  std::filesystem::permissions(policy, std::filesystem::perms(0400));
  EXPECT_EQ(Read().ima.custom_policy, CustomPolicy::kLoaded);
  std::filesystem::remove(policy);
  EXPECT_EQ(Read().ima.custom_policy, CustomPolicy::kLoaded);
  EXPECT_THAT(Find("load-policy").detail, HasSubstr("one a boot"));
  EXPECT_TRUE(Find("measure").available);
}

TEST_F(KernelStateTest, AppraisalNeedsAKey) {
  Measure();
  Write("proc/keys",
        "00b5c1ee I------     1 perm 1f0f0000     0     0 keyring   .ima: empty\n"
        "01d5c1ee I--Q---     4 perm 3f030000     0     0 keyring   _ses: 1\n"
        "02d5c1ee I------     2 perm 1f0b0000     0     0 keyring   .platform: 3\n"
        "03d5c1ee I------     1 perm 39010000     0     0 asymmetri Debian: X509.rsa 1 []\n");
  KernelState state = Read();
  ASSERT_EQ(state.keyrings.size(), 2U);
  EXPECT_EQ(state.keyrings[0].name, ".ima");
  EXPECT_EQ(state.keyrings[0].keys, 0U);
  EXPECT_EQ(state.keyrings[1].keys, 3U);
  EXPECT_THAT(Find("appraise").detail, HasSubstr("no key"));
  Write("proc/keys", "00b5c1ee I--Q---     2 perm 3f030000     0     0 keyring   _ima: 2\n");
  EXPECT_TRUE(Find("appraise").available);
  EXPECT_THAT(Find("appraise").detail, HasSubstr("enforce"));
  Write("proc/cmdline", "ima_appraise=off");
  EXPECT_FALSE(Find("appraise").available);
}

TEST_F(KernelStateTest, TellsEvmAndWhereItsHmacIsNotSafe) {
  Write("sys/kernel/security/evm", "2\n");
  Write("sys/kernel/security/lsm", "lockdown,capability,yama,apparmor,bpf");
  Write("sys/kernel/security/lockdown", "none [integrity] confidentiality\n");
  const KernelState state = Read();
  EXPECT_TRUE(state.evm.present);
  EXPECT_EQ(state.evm.value, 2U);
  EXPECT_EQ(state.lockdown, "integrity");
  EXPECT_THAT(state.security_modules,
              ElementsAre("lockdown", "capability", "yama", "apparmor", "bpf"));
  EXPECT_TRUE(Find("evm-signatures").available);
  EXPECT_THAT(Find("evm-hmac").detail, HasSubstr("crashes"));
  Write("sys/kernel/security/lsm", "capability,selinux,bpf");
  EXPECT_THAT(Find("evm-hmac").detail, HasSubstr("no EVM key"));
  Write("sys/kernel/security/evm", "2147483649\n");
  EXPECT_TRUE(Find("evm-hmac").available);
  EXPECT_FALSE(Find("evm-signatures").available);
}

TEST_F(KernelStateTest, BearsWithFilesThatAreOtherwise) {
  WriteIma("binary_runtime_measurements", std::string(5'000, '\xff'));
  WriteIma("runtime_measurements_count", "many");
  Write("sys/kernel/security/evm", "x");
  Write("sys/kernel/security/lockdown", "]x[");
  Write("proc/keys", "keyring\n\n: : :\n");
  const KernelState state = Read();
  EXPECT_TRUE(state.ima.present);
  EXPECT_THAT(state.ima.template_name, IsEmpty());
  EXPECT_EQ(state.ima.entries, 0U);
  EXPECT_THAT(state.lockdown, IsEmpty());
  EXPECT_THAT(state.keyrings, IsEmpty());
}

}  // namespace
}  // namespace seaworthy::integrity
