#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ctime>

#include "unit/modules/integrity/policies.h"

namespace seaworthy::integrity {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

std::vector<std::pair<std::size_t, std::string_view>> Found(std::string_view policy) {
  std::vector<std::pair<std::size_t, std::string_view>> found;
  for (const ImaFinding& finding : FindInImaPolicy(Parsed(policy))) {
    found.emplace_back(finding.line, finding.reason);
  }
  return found;
}

std::string TextFor(std::string_view policy, std::string_view reason) {
  for (const ImaFinding& finding : FindInImaPolicy(Parsed(policy))) {
    if (finding.reason == reason) return finding.text;
  }
  return "";
}

bool CatchesRule(std::string_view earlier, std::string_view later) {
  return Catches(Parsed(earlier).rules.at(0), Parsed(later).rules.at(0));
}

constexpr std::pair<std::size_t, std::string_view> NeverReached(std::size_t line) {
  return {line, "NEVER_REACHED"};
}

TEST(ImaFindings, NothingInTheKernelsOwnPolicies) {
  for (const PolicyFile& file : ReadPolicies("accepted")) {
    if (file.name == "tcb" || file.name == "appraise_tcb" || file.name == "secure_boot") {
      EXPECT_THAT(Found(file.text), IsEmpty()) << file.name;
    }
  }
}

TEST(ImaFindings, NoRuleAtAll) {
  EXPECT_THAT(Found("# nothing\n\n"), ElementsAre(std::pair(0, "NO_RULES")));
}

TEST(ImaFindings, TheSameRuleAgain) {
  const std::string policy = "audit func=BPRM_CHECK uid=0\naudit uid=+0 func=BPRM_CHECK\n";
  EXPECT_THAT(Found(policy), ElementsAre(std::pair(2, "DUPLICATE")));
  EXPECT_THAT(TextFor(policy, "DUPLICATE"), HasSubstr("line 1"));
}

TEST(ImaFindings, RulesThatAreNeverReached) {
  EXPECT_THAT(Found("dont_measure func=BPRM_CHECK\nmeasure func=BPRM_CHECK uid=0\n"),
              ElementsAre(NeverReached(2)));
  EXPECT_THAT(Found("audit\naudit func=BPRM_CHECK\n"), ElementsAre(NeverReached(2)));
  EXPECT_THAT(TextFor("\naudit\naudit func=BPRM_CHECK\n", "NEVER_REACHED"), HasSubstr("line 2"));
  EXPECT_THAT(Found("hash uid>9 fowner<5\nhash mask=MAY_EXEC\nhash fowner=4 uid>100\n"),
              ElementsAre(NeverReached(3)));
  // Another option makes it another rule, but no reached one.
  EXPECT_THAT(Found("measure func=BPRM_CHECK\nmeasure func=BPRM_CHECK pcr=11\n"),
              ElementsAre(NeverReached(2)));
  EXPECT_THAT(Found("appraise func=SETXATTR_CHECK appraise_algos=sha256\n"
                    "appraise func=SETXATTR_CHECK appraise_algos=sha1\n"),
              ElementsAre(NeverReached(2)));
  // Other kinds, and rules that come before.
  EXPECT_THAT(Found("dont_appraise\nmeasure func=BPRM_CHECK\naudit func=BPRM_CHECK\nhash\n"),
              IsEmpty());
  EXPECT_THAT(Found("audit func=BPRM_CHECK\naudit\n"), IsEmpty());
}

// Each condition: what is as wide or wider catches, what is narrower or beside it does not.
TEST(ImaFindings, WiderConditionsCatch) {
  const std::pair<std::string, std::string> wide_and_narrow[] = {
      {"audit", "audit func=BPRM_CHECK mask=MAY_EXEC uid=0 fsname=ext4 obj_type=bin_t"},
      {"audit mask=^MAY_READ", "audit mask=MAY_READ"},
      {"audit fsmagic=0xef53", "audit fsmagic=ef53 fsname=ext4"},
      {"audit uid>5", "audit uid=6"},
      {"audit uid>5", "audit uid>6"},
      {"audit uid<5", "audit uid<4"},
      {"audit uid<5", "audit uid=4"},
      {"audit euid<5", "audit euid=4"},
      {"audit gid>5", "audit gid=6"},
      {"audit fowner=5", "audit fowner=5 uid=1"},
      {"audit fgroup<5", "audit fgroup=0"},
      {"audit subj_type=a_t", "audit subj_type=a_t subj_role=r"},
      {"measure func=KEY_CHECK", "measure func=KEY_CHECK keyrings=.ima"},
      {"measure func=KEY_CHECK keyrings=.ima|.evm", "measure func=KEY_CHECK keyrings=.evm uid=0"},
      {"measure func=KEY_CHECK gid=5", "measure func=KEY_CHECK"},
      {"measure func=CRITICAL_DATA label=a|b", "measure func=CRITICAL_DATA label=b|a"}};
  for (const auto& [wide, narrow] : wide_and_narrow) {
    EXPECT_TRUE(CatchesRule(wide, narrow)) << wide << " / " << narrow;
    EXPECT_THAT(Found(wide + "\n" + narrow), ::testing::Contains(NeverReached(2)))
        << wide << " / " << narrow;
  }
  const std::pair<std::string, std::string> beside[] = {
      {"audit func=BPRM_CHECK", "audit func=MMAP_CHECK"},
      {"audit mask=MAY_READ", "audit mask=^MAY_READ"},
      {"audit mask=^MAY_READ", "audit mask=MAY_EXEC"},
      {"audit fsmagic=0xef53", "audit fsmagic=0xef54"},
      {"audit fsname=ext4", "audit fsname=ext3"},
      {"audit fsuuid=8bcbe394-4f13-4144-be8e-5aa9ea2ce2f6",
       "audit fsuuid=8bcbe394-4f13-4144-be8e-5aa9ea2ce2f7"},
      {"audit uid>5", "audit uid=5"},
      {"audit uid>5", "audit uid>4"},
      {"audit uid>5", "audit uid<9"},
      {"audit uid<5", "audit uid=5"},
      {"audit uid=5", "audit euid=5"},
      {"audit euid=5", "audit uid=5"},
      {"audit uid=5", "audit gid=5"},
      {"audit fowner=5", "audit uid=5"},
      {"audit fgroup<5", "audit fgroup>5"},
      {"audit subj_type=a_t", "audit obj_type=a_t"},
      {"audit subj_type=a_t subj_role=r", "audit subj_type=a_t"},
      // Not about files: only rules that name them match.
      {"measure", "measure func=KEY_CHECK"},
      {"measure uid=0", "measure func=CRITICAL_DATA uid=0"},
      {"appraise", "appraise func=SETXATTR_CHECK appraise_algos=sha256"},
      {"measure func=KEY_CHECK keyrings=.ima", "measure func=KEY_CHECK"},
      {"measure func=KEY_CHECK keyrings=.ima", "measure func=KEY_CHECK keyrings=.ima|.evm"},
      {"measure func=CRITICAL_DATA uid=0", "measure func=CRITICAL_DATA"}};
  for (const auto& [one, other] : beside) {
    EXPECT_FALSE(CatchesRule(one, other)) << one << " / " << other;
    EXPECT_THAT(Found(one + "\n" + other), Not(::testing::Contains(NeverReached(2))))
        << one << " / " << other;
  }
}

// Random small rules: what the search by shape finds is what comparing each with each finds, and
// what is caught is never what decides.
TEST(ImaFindings, TheSearchMissesNothingInASmallPolicy) {
  const char* const words[][4] = {{"", " func=BPRM_CHECK", " func=FILE_CHECK", ""},
                                  {"", " mask=MAY_READ", " mask=^MAY_READ", " mask=MAY_EXEC"},
                                  {"", " uid=1", " uid>0", " uid<2"},
                                  {"", " fowner=0", " fsname=ext4", ""}};
  unsigned random = 1;
  const auto next = [&random] { return (random = random * 1664525 + 1013904223) >> 20; };
  for (int round = 0; round < 200; ++round) {
    std::string text;
    for (int i = 0; i < 12; ++i) {
      text += "audit";
      for (const auto& choice : words) text += choice[next() % 4];
      text += "\n";
    }
    const ImaPolicy policy = Parsed(text);
    std::vector<std::size_t> expected;
    for (const ImaRule& rule : policy.rules) {
      const auto catches = [&](const ImaRule& earlier) { return Catches(earlier, rule); };
      if (std::any_of(&policy.rules.front(), &rule, catches)) expected.push_back(rule.line);
    }
    std::vector<std::size_t> found;
    for (const auto& [line, reason] : Found(text)) found.push_back(line);
    EXPECT_EQ(found, expected) << text;
    for (std::uint32_t uid = 0; uid < 3; ++uid) {
      for (const std::uint8_t mask : {kMayRead, kMayExec}) {
        const ImaRule* decides =
            MatchImaPolicy(policy, {.mask = mask, .fsname = "ext4", .uid = uid}).audit;
        if (decides == nullptr) continue;
        EXPECT_THAT(expected, Not(::testing::Contains(decides->line))) << text;
      }
    }
  }
}

TEST(ImaFindings, MeasuringWhatRootReadsNeedsPseudoFileSystemsOut) {
  const std::string all =
      "dont_measure fsmagic=0x9fa0\ndont_measure fsname=sysfs\ndont_measure fsmagic=0x64626720\n"
      "dont_measure fsmagic=0x1021994\ndont_measure fsmagic=0x1cd1\n"
      "dont_measure func=FILE_CHECK fsmagic=0x42494e4d\ndont_measure fsmagic=0x73636673\n"
      "dont_measure mask=^MAY_READ fsmagic=0xf97cff8c\ndont_measure fsmagic=0x27e0eb\n"
      "dont_measure fsmagic=0x63677270\ndont_measure fsmagic=0x6e736673\n"
      "dont_measure fsmagic=0xde5e81e4\n";
  const std::string reads = "measure func=FILE_CHECK mask=MAY_READ uid=0\n";
  EXPECT_THAT(Found(all + reads), IsEmpty());
  EXPECT_THAT(Found(reads + all), ElementsAre(std::pair(1, "PSEUDO_FILE_SYSTEMS")));
  const std::string text = TextFor(reads, "PSEUDO_FILE_SYSTEMS");
  for (const char* rule :
       {"proc (dont_measure fsmagic=0x9fa0)", "sysfs (dont_measure fsmagic=0x62656572)",
        "debugfs (dont_measure fsmagic=0x64626720)", "tmpfs (dont_measure fsmagic=0x1021994)",
        "devpts (dont_measure fsmagic=0x1cd1)", "binfmt_misc (dont_measure fsmagic=0x42494e4d)",
        "securityfs (dont_measure fsmagic=0x73636673)",
        "selinuxfs (dont_measure fsmagic=0xf97cff8c)", "cgroup (dont_measure fsmagic=0x27e0eb)",
        "cgroup2 (dont_measure fsmagic=0x63677270)", "nsfs (dont_measure fsmagic=0x6e736673)",
        "efivarfs (dont_measure fsmagic=0xde5e81e4)"}) {
    EXPECT_THAT(text, HasSubstr(rule));
  }
  // One is left in: out for programs only, or for somebody else's reads, or not measured at all.
  for (const std::string out :
       {"dont_measure func=BPRM_CHECK fsmagic=0x9fa0\n", "dont_measure fsmagic=0x9fa0 uid=1\n",
        "dont_appraise fsmagic=0x9fa0\n"}) {
    const std::string left =
        TextFor(out + all.substr(all.find('\n') + 1) + reads, "PSEUDO_FILE_SYSTEMS");
    EXPECT_THAT(left, HasSubstr("proc (")) << out;
    EXPECT_THAT(left, Not(HasSubstr("sysfs ("))) << out;
  }
  for (const std::string rule : {"measure", "measure mask=^MAY_READ euid=0"}) {
    EXPECT_THAT(Found(rule), ElementsAre(std::pair(1, "PSEUDO_FILE_SYSTEMS"))) << rule;
  }
  for (const std::string rule : {"measure func=BPRM_CHECK", "measure mask=MAY_WRITE",
                                 "measure fsname=ext4", "measure obj_type=bin_t", "audit"}) {
    EXPECT_THAT(Found(rule), IsEmpty()) << rule;
  }
}

TEST(ImaFindings, OptionsThatDoNotDoWhatTheySay) {
  EXPECT_THAT(Found("measure func=KEY_CHECK gid=5"), ElementsAre(std::pair(1, "NO_EFFECT")));
  EXPECT_THAT(Found("measure func=BPRM_CHECK pcr=24"), ElementsAre(std::pair(1, "NO_SUCH_PCR")));
  EXPECT_THAT(Found("measure func=BPRM_CHECK pcr=23"), IsEmpty());
  const std::string verity = "measure func=BPRM_CHECK digest_type=verity";
  EXPECT_THAT(Found(verity), ElementsAre(std::pair(1, "DIGEST_TYPE_NOT_LISTED")));
  EXPECT_THAT(Found(verity + " template=ima-sig"),
              ElementsAre(std::pair(1, "DIGEST_TYPE_NOT_LISTED")));
  EXPECT_THAT(Found(verity + " template=ima-sigv2"), IsEmpty());
}

// 4 for what grows with the rules, 16 for what grows with their square.
TEST(ImaFindings, TimeGrowsWithTheRules) {
  const auto seconds = [](int rules) {
    std::string text;
    for (int i = 0; i < rules; ++i) text += "hash gid>" + std::to_string(200'000 - i) + "\n";
    std::clock_t least = 0;
    for (int run = 0; run < 3; ++run) {
      const std::clock_t begin = std::clock();
      FindInImaPolicy(Parsed(text));
      const std::clock_t taken = std::clock() - begin;
      if (run == 0 || taken < least) least = taken;
    }
    return static_cast<double>(least);
  };
  EXPECT_LT(seconds(60'000), 10 * seconds(15'000));
}

}  // namespace
}  // namespace seaworthy::integrity
