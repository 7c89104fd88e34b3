#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "unit/modules/integrity/policies.h"

namespace seaworthy::integrity {
namespace {

constexpr std::uint64_t kExt4 = 0xef53;
constexpr std::uint64_t kProc = 0x9fa0;

bool Measured(std::string_view rule, const ImaAccess& access) {
  return MatchImaPolicy(Parsed(rule), access).measure != nullptr;
}

TEST(ImaMatch, TheFirstRuleOfAKindDecides) {
  const ImaPolicy policy = Parsed(
      "dont_measure fsmagic=0x9fa0\n"
      "audit func=BPRM_CHECK\n"
      "measure func=FILE_CHECK mask=MAY_READ pcr=11\n"
      "dont_appraise fsmagic=0x9fa0\n"
      "measure func=FILE_CHECK\n"
      "dont_hash uid>0\n"
      "hash\n");
  ImaDecision decision = MatchImaPolicy(policy, {.fsmagic = kProc, .uid = 5});
  EXPECT_EQ(decision.measure, &policy.rules[0]);
  EXPECT_EQ(decision.appraise, &policy.rules[3]);
  EXPECT_EQ(decision.audit, nullptr);
  EXPECT_EQ(decision.hash, &policy.rules[5]);

  decision = MatchImaPolicy(policy, {.fsmagic = kExt4});
  EXPECT_EQ(decision.measure, &policy.rules[2]);
  EXPECT_EQ(decision.appraise, nullptr);
  EXPECT_EQ(decision.hash, &policy.rules[6]);

  decision = MatchImaPolicy(policy, {.func = ImaFunc::kBprmCheck, .mask = kMayExec});
  EXPECT_EQ(decision.measure, nullptr);
  EXPECT_EQ(decision.audit, &policy.rules[1]);
}

TEST(ImaMatch, AppraisingTakesBackTheHashBeforeIt) {
  const ImaPolicy before = Parsed("hash\nappraise\nhash fsmagic=0xef53\n");
  EXPECT_EQ(MatchImaPolicy(before, {.fsmagic = kExt4}).hash, nullptr);
  const ImaPolicy after = Parsed("appraise\nhash\n");
  EXPECT_EQ(MatchImaPolicy(after, {}).hash, &after.rules[1]);
  const ImaPolicy no_hash = Parsed("dont_hash\nappraise\n");
  EXPECT_EQ(MatchImaPolicy(no_hash, {}).hash, &no_hash.rules[0]);
}

TEST(ImaMatch, AMaskIsTheWholeMaskUnlessItIsAmong) {
  const ImaAccess read = {.mask = kMayRead};
  const ImaAccess both = {.mask = kMayRead | kMayWrite};
  EXPECT_TRUE(Measured("measure mask=MAY_READ", read));
  EXPECT_FALSE(Measured("measure mask=MAY_READ", both));
  EXPECT_TRUE(Measured("measure mask=^MAY_READ", both));
  EXPECT_FALSE(Measured("measure mask=^MAY_EXEC", both));
}

TEST(ImaMatch, LooksAtTheSuperblockAndTheOwner) {
  ImaAccess access = {.fsmagic = kExt4, .fsname = "ext4", .fowner = 5, .fgroup = 6};
  access.fsuuid[0] = 0x8b;
  const std::string zeros = "-0000-0000-0000-000000000000";
  EXPECT_TRUE(Measured("measure fsmagic=ef53 fsname=ext4 fowner=5 fgroup=6", access));
  EXPECT_TRUE(Measured("measure fsuuid=8b000000" + zeros, access));
  EXPECT_FALSE(Measured("measure fsuuid=8b000001" + zeros, access));
  EXPECT_FALSE(Measured("measure fsmagic=ef54", access));
  EXPECT_FALSE(Measured("measure fsname=ext", access));
  EXPECT_FALSE(Measured("measure fowner>5", access));
  EXPECT_TRUE(Measured("measure fowner>4", access));
  EXPECT_FALSE(Measured("measure fgroup<6", access));
  EXPECT_TRUE(Measured("measure fgroup<7", access));
}

TEST(ImaMatch, EffectiveIdsAreAskedWithTheOthersOnlyOfThoseWhoMayChangeThem) {
  ImaAccess access = {.uid = 1, .euid = 2, .suid = 3, .gid = 4, .egid = 5, .sgid = 6};
  EXPECT_TRUE(Measured("measure uid=1", access));
  EXPECT_FALSE(Measured("measure uid=2", access));
  EXPECT_TRUE(Measured("measure euid=2 egid=5", access));
  EXPECT_TRUE(Measured("measure gid=4", access));
  for (const std::string_view rule : {"measure euid=1", "measure euid=3"}) {
    EXPECT_FALSE(Measured(rule, access));
    access.cap_setuid = true;
    EXPECT_TRUE(Measured(rule, access));
    access.cap_setuid = false;
  }
  for (const std::string_view rule : {"measure egid<5", "measure egid>5"}) {
    EXPECT_FALSE(Measured(rule, access));
    access.cap_setgid = true;
    EXPECT_TRUE(Measured(rule, access));
    access.cap_setgid = false;
  }
}

TEST(ImaMatch, LooksAtTheLabelsOfSubjectAndObject) {
  const ImaAccess access = {.subject = "system_u:system_r:init_t:s0-s0:c0.c1023",
                            .object = "user_u:object_r:bin_t"};
  EXPECT_TRUE(Measured("measure subj_user=system_u subj_role=system_r subj_type=init_t", access));
  EXPECT_TRUE(Measured("measure obj_user=user_u obj_role=object_r obj_type=bin_t", access));
  EXPECT_FALSE(Measured("measure obj_type=init_t", access));
  EXPECT_FALSE(Measured("measure subj_type=bin_t", access));
  EXPECT_FALSE(Measured("measure subj_user=system_u obj_user=system_u", access));
  EXPECT_FALSE(Measured("measure obj_type=bin_t", {}));
}

TEST(ImaMatch, KeysAndDataAreAskedByNameAlone) {
  ImaAccess key = {.func = ImaFunc::kKeyCheck, .mask = 0, .uid = 5, .data = ".ima"};
  EXPECT_FALSE(Measured("measure", key)) << "a rule without func= is about files";
  EXPECT_TRUE(Measured("measure func=KEY_CHECK", key));
  EXPECT_TRUE(Measured("measure func=KEY_CHECK keyrings=.evm|.ima uid=5", key));
  EXPECT_FALSE(Measured("measure func=KEY_CHECK keyrings=.evm", key));
  EXPECT_FALSE(Measured("measure func=KEY_CHECK uid=0", key));
  EXPECT_TRUE(Measured("measure func=KEY_CHECK gid=7", key)) << "the kernel does not look at gid";

  key = {.func = ImaFunc::kCriticalData, .mask = 0, .data = "selinux"};
  EXPECT_TRUE(Measured("measure func=CRITICAL_DATA label=kernel_info|selinux", key));
  EXPECT_FALSE(Measured("measure func=CRITICAL_DATA label=kernel_info", key));

  const ImaPolicy xattr = Parsed("appraise\nappraise func=SETXATTR_CHECK appraise_algos=sha256");
  EXPECT_EQ(MatchImaPolicy(xattr, {.func = ImaFunc::kSetxattrCheck}).appraise, &xattr.rules[1]);
  EXPECT_TRUE(Measured("measure fsname=ext4",
                       {.func = ImaFunc::kKexecCmdline, .mask = 0, .fsname = "ext4"}));
}

}  // namespace
}  // namespace seaworthy::integrity
