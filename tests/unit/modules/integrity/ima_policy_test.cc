#include "seaworthy/modules/integrity/ima_policy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "modules/integrity/ima_words.h"
#include "seaworthy/ima_list.h"
#include "support/status_matchers.h"
#include "unit/modules/integrity/policies.h"

namespace seaworthy::integrity {
namespace {

using ::seaworthy::testing::Fails;
using ::seaworthy::testing::IsOk;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using namespace std::string_literals;

constexpr ImaKernel kModsig = {.modsig = true};

void ExpectRefused(std::string_view text, const std::string& why, const ImaKernel& kernel = {}) {
  const Result<ImaPolicy> policy = ParseImaPolicy(text, kernel);
  EXPECT_THAT(policy, Fails(Code::kInvalidArgument, "IMA_POLICY_MALFORMED")) << text;
  EXPECT_THAT(Message(policy.status()), HasSubstr(why));
}

// Rule by rule as `policy`, whose comments are gone.
void ExpectSameWhenWritten(ImaPolicy policy, const ImaKernel& kernel = {}) {
  const std::string written = FormatImaPolicy(policy);
  const Result<ImaPolicy> again = ParseImaPolicy(written, kernel);
  ASSERT_THAT(again, IsOk()) << written;
  std::size_t line = 0;
  for (ImaRule& rule : policy.rules) rule.line = ++line;
  EXPECT_EQ(*again, policy) << written;
}

TEST(ImaPolicy, TakesWhatTheKernelTakes) {
  std::vector<PolicyFile> files = ReadPolicies("accepted");
  std::ranges::move(ReadPolicies("accepted_selinux"), std::back_inserter(files));
  ASSERT_GE(files.size(), 17U);
  for (const PolicyFile& file : files) {
    SCOPED_TRACE(file.name);
    const ImaPolicy policy = Parsed(file.text);
    EXPECT_FALSE(policy.rules.empty());
    ExpectSameWhenWritten(policy);
  }
}

TEST(ImaPolicy, RefusesWhatTheKernelRefusesAndSaysWhereAndWhy) {
  const std::vector<PolicyFile> files = ReadPolicies("refused");
  ASSERT_GE(files.size(), 100U);
  for (const PolicyFile& file : files) {
    SCOPED_TRACE(file.name);
    ASSERT_TRUE(file.text.starts_with("# line 2: "));
    ExpectRefused(file.text, file.text.substr(2, file.text.find('\n') - 2));
  }
}

TEST(ImaPolicy, ReadsEachCondition) {
  const ImaPolicy policy = Parsed(
      "# first\n\nmeasure func=FILE_MMAP mask=^MAY_READ fsmagic=0xEF53 "
      "fsuuid=8bcbe394-4f13-4144-be8e-5aa9ea2ce2f6 fsname=ext4 euid>999 gid<10 fowner=1 fgroup>2 "
      "obj_type=bin_t subj_user=system_u digest_type=verity permit_directio pcr=11 "
      "template=d-ngv2|n-ng\n"
      "measure func=KEY_CHECK keyrings=.ima|.evm\n"
      "measure func=CRITICAL_DATA label=selinux\n"
      "appraise appraise_type=imasig appraise_algos=sha512,sha256");
  ASSERT_EQ(policy.rules.size(), 4U);
  const ImaRule& rule = policy.rules[0];
  EXPECT_EQ(rule.line, 3U);
  EXPECT_EQ(rule.action, ImaAction::kMeasure);
  EXPECT_EQ(rule.func, ImaFunc::kMmapCheck);
  EXPECT_EQ(rule.mask, (ImaMask{.bit = kMayRead, .among = true}));
  EXPECT_EQ(rule.fsmagic, 0xef53U);
  EXPECT_EQ(rule.fsuuid->front(), 0x8b);
  EXPECT_EQ(rule.fsuuid->back(), 0xf6);
  EXPECT_EQ(rule.fsname, "ext4");
  EXPECT_EQ(rule.uid, (ImaId{.compare = ImaId::Compare::kAbove, .effective = true, .id = 999}));
  EXPECT_EQ(rule.gid, (ImaId{.compare = ImaId::Compare::kBelow, .effective = false, .id = 10}));
  EXPECT_EQ(rule.fowner->id, 1U);
  EXPECT_EQ(rule.fgroup->compare, ImaId::Compare::kAbove);
  EXPECT_EQ(rule.labels.at(ImaLabel::kObjType), "bin_t");
  EXPECT_EQ(rule.labels.at(ImaLabel::kSubjUser), "system_u");
  EXPECT_TRUE(rule.verity);
  EXPECT_TRUE(rule.permit_directio);
  EXPECT_EQ(rule.pcr, 11);
  EXPECT_EQ(rule.template_name, "ima-ngv2");
  EXPECT_THAT(policy.rules[1].keyrings, ElementsAre(".ima", ".evm"));
  EXPECT_THAT(policy.rules[2].data_labels, ElementsAre("selinux"));
  EXPECT_EQ(policy.rules[3].appraise_type, ImaAppraiseType::kImasig);
  EXPECT_EQ(policy.rules[3].line, 6U);
}

TEST(ImaPolicy, WritesOneOrderOfWords) {
  EXPECT_EQ(FormatImaPolicy(Parsed(
                "  permit_directio\tfgroup=+07 uid<5 fsuuid=8BCBE394-4F13-4144-BE8E-5AA9EA2CE2F6 "
                "mask=MAY_EXEC func=FILE_MMAP fsmagic=0EF53 fsname=ext4 egid>0 fowner=0 "
                "obj_role=object_r subj_type=init_t measure template=d-ng|n-ng pcr=012\n"
                "# gone\n"
                "appraise_algos=sha512,md5,sha512 appraise digest_type=verity "
                "appraise_type=sigv3\n")),
            "measure func=MMAP_CHECK mask=MAY_EXEC fsmagic=0xef53 "
            "fsuuid=8bcbe394-4f13-4144-be8e-5aa9ea2ce2f6 fsname=ext4 uid<5 egid>0 fowner=0 "
            "fgroup=7 subj_type=init_t obj_role=object_r permit_directio pcr=12 template=ima-ng\n"
            "appraise digest_type=verity appraise_type=sigv3 appraise_algos=md5,sha512\n");
  EXPECT_EQ(FormatImaRule(Parsed("audit fsmagic=0").rules.at(0)), "audit fsmagic=0x0");
}

TEST(ImaPolicy, EachWordIsReadAndWritten) {
  for (const auto& [word, action] : kActions) {
    EXPECT_EQ(FormatImaPolicy(Parsed(word)), std::string(word) + "\n");
  }
  for (const std::string_view hash : kHashes) {
    const std::string rule = "appraise appraise_algos=" + std::string(hash) + "\n";
    EXPECT_EQ(FormatImaPolicy(Parsed(rule)), rule);
  }
  for (const auto& [name, fields] : verify::kImaTemplates) {
    const std::string rule = "measure template=" + std::string(name) + "\n";
    EXPECT_EQ(FormatImaPolicy(Parsed(rule)), rule);
    EXPECT_EQ(FormatImaPolicy(Parsed("measure template=" + std::string(fields))), rule);
  }
}

TEST(ImaPolicy, KnowsAKernelBuiltForAppendedSignatures) {
  for (const std::string func : {"MODULE_CHECK", "KEXEC_KERNEL_CHECK", "KEXEC_INITRAMFS_CHECK"}) {
    const std::string rule = "appraise func=" + func + " appraise_type=imasig|modsig";
    ExpectSameWhenWritten(Parsed(rule, kModsig), kModsig);
    ExpectSameWhenWritten(Parsed(rule + " appraise_flag=check_blacklist", kModsig), kModsig);
    ExpectRefused(rule, "needs a kernel built with CONFIG_IMA_APPRAISE_MODSIG");
  }
  ExpectRefused("appraise func=BPRM_CHECK appraise_type=imasig|modsig",
                "appraise_type=imasig|modsig does not go with func=BPRM_CHECK", kModsig);
  ExpectRefused("appraise fowner=0 appraise_type=imasig|modsig",
                "appraise_type=imasig|modsig does not go with a rule without func=", kModsig);
  ExpectRefused("appraise func=MODULE_CHECK appraise_type=imasig appraise_flag=check_blacklist",
                "appraise_flag= needs appraise_type=imasig|modsig", kModsig);
  ExpectRefused("appraise func=FIRMWARE_CHECK appraise_type=imasig appraise_flag=check_blacklist",
                "appraise_flag= does not go with func=FIRMWARE_CHECK", kModsig);
  ExpectRefused("measure func=MODULE_CHECK appraise_flag=check_blacklist",
                "appraise_flag= goes with appraise only", kModsig);
}

// Where the kernel takes the last, or less than was written.
TEST(ImaPolicy, IsStricterThanTheKernelWhereThatWouldKeepSilent) {
  ExpectRefused("measure fsname=ext4 fsname=xfs", "'fsname=xfs': stands twice");
  ExpectRefused("measure pcr=11 pcr=12", "'pcr=12': stands twice");
  ExpectRefused("appraise appraise_type=imasig appraise_type=imasig", "stands twice");
  ExpectRefused("measure digest_type=verity digest_type=verity", "stands twice");
  ExpectRefused("measure fsuuid=8bcbe394-4f13-4144-be8e-5aa9ea2ce2f6a", "is not a UUID");
  ExpectRefused("appraise func=MODULE_CHECK appraise_type=imasig|modsig appraise_flag=no_blacklist",
                "is not check_blacklist", kModsig);
  ExpectRefused("measure fsname=ext4\r\n", "line 1: has a character that is not printable ASCII");
  ExpectRefused("measure fsname=\xc3\xa4\n", "line 1: has a character that is not");
  ExpectRefused("measure\0audit\n"s, "line 1: has a zero byte");
  ExpectRefused("audit\n#\0audit\n"s, "line 2: has a zero byte");
}

// The kernel takes a page less a byte of one write, and the rest as another rule.
TEST(ImaPolicy, ALineIsAtMostWhatTheKernelTakesOfOneWrite) {
  const std::string head = "measure func=KEY_CHECK keyrings=";
  const std::string longest = head + std::string(4095 - head.size(), 'k');
  ExpectSameWhenWritten(Parsed(longest + "\naudit\n"));
  ExpectRefused("audit\n" + longest + "k\n", "line 2: is longer than 4095 bytes");
  ExpectRefused("#" + std::string(4095, ' '), "line 1: is longer than 4095 bytes");
}

TEST(ImaPolicy, HasCaps) {
  std::string rules;
  for (int i = 0; i < 100'000; ++i) rules += "hash\n";
  EXPECT_EQ(Parsed(rules + "# no rule\n").rules.size(), 100'000U);
  ExpectRefused(rules + "hash", "line 100001: is a rule too many");
  const std::string mebibyte(std::size_t{1} << 20, '\n');
  EXPECT_THAT(Parsed(mebibyte).rules, ::testing::IsEmpty());
  ExpectRefused(mebibyte + "\n", "more than 1 MiB");
}

TEST(ImaPolicy, ShowsNotMoreThanTheBeginningOfAWord) {
  ExpectRefused(std::string(4000, 'x'), "line 1: '" + std::string(64, 'x') + "': is no word");
}

}  // namespace
}  // namespace seaworthy::integrity
