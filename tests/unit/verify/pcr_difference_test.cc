#include "seaworthy/pcr_difference.h"

#include <gmock/gmock.h>

#include <random>

#include "unit/verify/boot_log_builder.h"
#include "verify/event_alignment.h"

namespace seaworthy::verify {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::Optional;
using ::testing::SizeIs;

constexpr std::uint16_t kBank = TPM2_ALG_SHA256;

const std::vector<std::uint32_t>& AllPcrs() {
  static const std::vector<std::uint32_t> all = [] {
    std::vector<std::uint32_t> pcrs;
    for (std::uint32_t i = 0; i < kPcrCount; ++i) pcrs.push_back(i);
    return pcrs;
  }();
  return all;
}

std::vector<PcrValue> Replayed(const BootLog& log) {
  std::vector<PcrValue> values;
  for (const ReplayedPcr& pcr : ReplayBootLog(log).pcrs) {
    values.push_back({pcr.bank, pcr.index, pcr.digest});
  }
  return values;
}

PcrDifferences Compare(const BootLog& before, const BootLog& after) {
  return ComparePcrs({&before, Replayed(before)}, {&after, Replayed(after)}, kBank, AllPcrs());
}

std::vector<std::string> Told(const PcrDifferences& differences) {
  std::vector<std::string> told;
  for (const PcrDifference& difference : differences.differences) {
    told.push_back(difference.code + " " + difference.sentence);
  }
  return told;
}

TEST(PcrDifference, EqualBootsDoNotDiffer) {
  for (const std::string& folder : BootLogFolders()) {
    const PcrDifferences differences = Compare(CapturedLog(folder), CapturedLog(folder));
    EXPECT_THAT(differences.pcrs, IsEmpty());
    EXPECT_THAT(differences.differences, IsEmpty());
  }
}

TEST(PcrDifference, EventOfAnotherDigestHasChanged) {
  const auto log = [](const char* image) {
    LogBuilder builder;
    builder.Separators().Add(4, kEvEfiBootServicesApplication, Image(FilePath("\\EFI\\A.EFI")),
                             ToBytes(image));
    return builder.Parse();
  };
  const PcrDifferences differences = Compare(log("old"), log("new"));
  EXPECT_THAT(differences.pcrs, ElementsAre(4));
  ASSERT_THAT(differences.differences, SizeIs(1));
  const PcrDifference& difference = differences.differences[0];
  EXPECT_EQ(difference.pcr, 4u);
  EXPECT_EQ(difference.code, "CHANGED");
  EXPECT_THAT(difference.event_before, Optional(10u));
  EXPECT_THAT(difference.event_after, Optional(10u));
  EXPECT_EQ(difference.type_name, "EV_EFI_BOOT_SERVICES_APPLICATION");
  EXPECT_THAT(difference.after, HasSubstr("\\EFI\\A.EFI"));
  EXPECT_EQ(difference.digest_before, HashIn({kBank, 32}, ToBytes("old")));
  EXPECT_EQ(difference.digest_after, HashIn({kBank, 32}, ToBytes("new")));
  EXPECT_EQ(difference.sentence,
            "Event 10 in PCR 4: the EFI application \\EFI\\A.EFI has another digest.");
}

BootLog GrubLog(const std::vector<std::string>& commands) {
  LogBuilder builder;
  builder.Separators();
  for (const std::string& command : commands) {
    builder.Add(8, kEvIpl, ToBytes("grub_cmd: " + command), ToBytes(command));
  }
  return builder.Parse();
}

TEST(PcrDifference, OneEventMoreIsToldAsOne) {
  const auto differences =
      Compare(GrubLog({"a", "b", "c", "d"}), GrubLog({"a", "x", "b", "c", "d"}));
  EXPECT_THAT(Told(differences), ElementsAre("ADDED Event 11 in PCR 8 is new: GRUB ran: x"));
  EXPECT_THAT(differences.differences[0].event_before, std::nullopt);
  EXPECT_THAT(differences.differences[0].digest_before, IsEmpty());
}

TEST(PcrDifference, OneEventLessIsToldAsOne) {
  EXPECT_THAT(Told(Compare(GrubLog({"a", "b", "c", "d"}), GrubLog({"a", "c", "d"}))),
              ElementsAre("REMOVED Event 11 in PCR 8 of the boot before is gone: GRUB ran: b"));
}

TEST(PcrDifference, EventAtAnotherPlaceHasMoved) {
  EXPECT_THAT(Told(Compare(GrubLog({"a", "b", "c", "d"}), GrubLog({"b", "c", "d", "a"}))),
              ElementsAre("MOVED Event 13 in PCR 8 was event 10, and comes at another place: GRUB "
                          "ran: a"));
}

TEST(PcrDifference, CommandLinesAreShown) {
  const auto log = [](const std::string& line) {
    LogBuilder builder;
    builder.Separators().Add(8, kEvIpl, ToBytes("kernel_cmdline: " + line), ToBytes(line));
    return builder.Parse();
  };
  EXPECT_THAT(Told(Compare(log("/vmlinuz ro\x1b[31m quiet"), log("/vmlinuz ro single"))),
              ElementsAre("CHANGED Event 10 in PCR 8: the kernel's command line was \"/vmlinuz "
                          "ro\\x1b[31m quiet\" and is \"/vmlinuz ro single\"."));
  const auto differences = Compare(log("a"), log(std::string(5000, 'b')));
  EXPECT_THAT(differences.differences[0].sentence, SizeIs(::testing::Lt(500u)));
  EXPECT_THAT(differences.differences[0].after, SizeIs(::testing::Lt(310u)));
}

TEST(PcrDifference, CommandLineThatItsDigestIsNotOverIsNotBelieved) {
  const auto log = [](const std::string& measured, const std::string& shown) {
    LogBuilder builder;
    builder.Separators().Add(8, kEvIpl, ToBytes("kernel_cmdline: " + shown), ToBytes(measured));
    return builder.Parse();
  };
  EXPECT_THAT(Told(Compare(log("quiet", "quiet"), log("single", "loud"))),
              ElementsAre(Not(HasSubstr("the kernel's command line was"))));
}

TEST(PcrDifference, SecureBootIsToldInWords) {
  const auto log = [](std::uint8_t on) {
    LogBuilder builder;
    builder.Add(7, kEvEfiVariableDriverConfig, Variable(kGlobal, "SecureBoot", {on})).Separators();
    return builder.Parse();
  };
  EXPECT_THAT(Told(Compare(log(1), log(0))),
              ElementsAre("CHANGED Event 2 in PCR 7: Secure Boot was on and is off."));
  EXPECT_THAT(Told(Compare(log(0), log(1))),
              ElementsAre("CHANGED Event 2 in PCR 7: Secure Boot was off and is on."));
}

TEST(PcrDifference, SignatureDatabasesAreComparedByEntry) {
  const auto told =
      Told(Compare(CapturedLog("ovmf-direct"), CapturedLog("ovmf-secureboot-direct")));
  EXPECT_THAT(told, Contains(HasSubstr("Secure Boot was off and is on")));
  EXPECT_THAT(told,
              Contains(HasSubstr("the signature database db changed: added 1 certificate (")));
  EXPECT_THAT(told, Contains(HasSubstr("the signature database dbx changed: added 1 image hash")));
  const auto back =
      Told(Compare(CapturedLog("ovmf-secureboot-direct"), CapturedLog("ovmf-direct")));
  EXPECT_THAT(back,
              Contains(HasSubstr("the signature database db changed: removed 1 certificate")));
}

TEST(PcrDifference, SectionsOfUnifiedKernelsAreNamed) {
  const auto log = [](const std::string& content) {
    LogBuilder builder;
    builder.Separators();
    builder.Add(11, kEvIpl, Utf16(".linux"), ToBytes(std::string(".linux") + '\0'));
    builder.Add(11, kEvIpl, Utf16(".linux"), ToBytes(content));
    return builder.Parse();
  };
  EXPECT_THAT(Told(Compare(log("old"), log("new"))),
              ElementsAre("CHANGED Event 11 in PCR 11: the section .linux of the unified kernel "
                          "image has another content."));
}

TEST(PcrDifference, FirmwareVersionsAreShown) {
  const auto log = [](const std::string& version) {
    LogBuilder builder;
    return builder.Add(0, kEvSCrtmVersion, ToBytes(version)).Separators().Parse();
  };
  EXPECT_THAT(Told(Compare(log("1.0"), log("1.1"))),
              ElementsAre("CHANGED Event 2 in PCR 0: the firmware's version was \"1.0\" and is "
                          "\"1.1\"."));
}

TEST(PcrDifference, StartupLocalityIsTold) {
  LogBuilder low, high;
  low.Separators();
  high.Locality(3).Separators();
  EXPECT_THAT(Told(Compare(low.Parse(), high.Parse())),
              ElementsAre("CHANGED PCR 0 began with another value: the TPM was started at locality "
                          "0 and is at 3."));
}

TEST(PcrDifference, WhatIsNotInTheLogIsSaidToBe) {
  const BootLog log = GrubLog({"a"});
  std::vector<PcrValue> extended = Replayed(log);
  extended[8].digest[0] ^= 1;
  const PcrDifferences differences =
      ComparePcrs({&log, Replayed(log)}, {&log, extended}, kBank, {8, 9});
  EXPECT_THAT(differences.pcrs, ElementsAre(8));
  EXPECT_THAT(Told(differences),
              ElementsAre(AllOf(HasSubstr("NOT_IN_LOG PCR 8: its boot log does not replay to its "
                                          "present value"),
                                HasSubstr("or the log was edited"))));
}

TEST(PcrDifference, WithoutALogOnlyThePcrIsNamed) {
  const BootLog log = GrubLog({"a"});
  std::vector<PcrValue> other = Replayed(log);
  other[8].digest[0] ^= 1;
  other[7].digest[0] ^= 1;
  const auto compare = [&](const BootLog* before, const BootLog* after) {
    return Told(ComparePcrs({before, Replayed(log)}, {after, other}, kBank, {8}));
  };
  EXPECT_THAT(compare(nullptr, &log),
              ElementsAre("NO_LOG PCR 8 differs. Why cannot be told: no boot log in its bank was "
                          "kept from before."));
  EXPECT_THAT(compare(&log, nullptr),
              ElementsAre("NO_LOG PCR 8 differs. Why cannot be told: there is no boot log of this "
                          "boot in its bank."));
  EXPECT_THAT(compare(nullptr, nullptr), ElementsAre(HasSubstr("there are no boot logs")));
  EXPECT_THAT(Told(ComparePcrs({&log, Replayed(log)}, {&log, {}}, kBank, {8})),
              ElementsAre("NO_LOG PCR 8 has no present value."));
}

TEST(PcrDifference, ManyAreCountedAndNotTold) {
  std::vector<std::string> before, after;
  for (int i = 0; i < 30; ++i) before.push_back("set " + std::to_string(i));
  for (int i = 0; i < 30; ++i) after.push_back("set " + std::to_string(i + 100));
  const PcrDifferences differences = Compare(GrubLog(before), GrubLog(after));
  EXPECT_THAT(differences.differences, SizeIs(kMaxDifferencesOfPcr));
  EXPECT_EQ(differences.left_out, 30 - kMaxDifferencesOfPcr);
  const auto sentences = Sentences(differences, 4);
  EXPECT_THAT(sentences, SizeIs(4));
  EXPECT_EQ(sentences[3], "and 27 more");
  EXPECT_THAT(Sentences(differences, 100), SizeIs(kMaxDifferencesOfPcr + 1));
  EXPECT_EQ(Sentences(differences, 100).back(), "and 14 more");
  EXPECT_THAT(Sentences(differences, 0), IsEmpty());
}

TEST(PcrDifference, TooManyToCompareAreOneSentence) {
  std::vector<std::string> before, after;
  for (int i = 0; i < 2100; ++i) before.push_back("a" + std::to_string(i));
  for (int i = 0; i < 2100; ++i) after.push_back("b" + std::to_string(i));
  EXPECT_THAT(Told(Compare(GrubLog(before), GrubLog(after))),
              ElementsAre(HasSubstr("MANY PCR 8 had 2100 events and has 2100")));
}

// Against the textbook's recursion.
std::size_t LongestCommon(std::span<const std::uint32_t> a, std::span<const std::uint32_t> b) {
  if (a.empty() || b.empty()) return 0;
  if (a[0] == b[0]) return 1 + LongestCommon(a.subspan(1), b.subspan(1));
  return std::max(LongestCommon(a.subspan(1), b), LongestCommon(a, b.subspan(1)));
}

TEST(EventAlignment, IsALongestCommonSubsequence) {
  std::mt19937 random(1);
  for (int round = 0; round < 300; ++round) {
    std::vector<std::uint32_t> a(random() % 9), b(random() % 9);
    for (std::uint32_t& value : a) value = random() % 4;
    for (std::uint32_t& value : b) value = random() % 4;
    const auto pairs = Align(a, b);
    ASSERT_TRUE(pairs);
    EXPECT_EQ(pairs->size(), LongestCommon(a, b));
    for (std::size_t i = 0; i < pairs->size(); ++i) {
      const auto [in_a, in_b] = pairs->at(i);
      EXPECT_EQ(a.at(in_a), b.at(in_b));
      if (i > 0) {
        EXPECT_LT(pairs->at(i - 1).first, in_a);
        EXPECT_LT(pairs->at(i - 1).second, in_b);
      }
    }
  }
}

}  // namespace
}  // namespace seaworthy::verify
