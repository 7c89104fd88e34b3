#include <gmock/gmock.h>

#include <algorithm>
#include <set>

#include "support/status_matchers.h"
#include "unit/verify/boot_log_builder.h"

namespace seaworthy::verify {
namespace {

using ::seaworthy::testing::Fails;
using ::seaworthy::testing::IsOk;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::string WhyNot(const Bytes& file) {
  const auto log = ParseBootLog(file);
  EXPECT_THAT(log, Fails(Code::kInvalidArgument, "MALFORMED"));
  return log.ok() ? "" : Message(log.status());
}

class CapturedBootLog : public ::testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(Captures, CapturedBootLog, ::testing::ValuesIn(BootLogFolders()),
                         TestName);

TEST_P(CapturedBootLog, ReplaysToThePcrsOfItsTpm) {
  const BootReplay replay = ReplayBootLog(CapturedLog(GetParam()));
  const auto pcrs = ReadPcrsText(GetParam());
  ASSERT_EQ(pcrs.size(), CapturedLog(GetParam()).banks.size() * kPcrCount);
  ASSERT_EQ(replay.pcrs.size(), pcrs.size());
  EXPECT_THAT(replay.notes, IsEmpty());
  for (const ReplayedPcr& pcr : replay.pcrs) {
    // IMA goes on in 10, systemd in 11, after the log has ended.
    if (pcr.index == 10 || pcr.index == 11) continue;
    EXPECT_EQ(Hex(pcr.digest), Hex(pcrs.at({pcr.bank, pcr.index})))
        << "PCR " << pcr.index << " of bank " << pcr.bank;
  }
}

TEST_P(CapturedBootLog, CutAnywhereIsAnErrorOrEndsAtAnEvent) {
  const Bytes file = CapturedFile(GetParam());
  const BootLog whole = CapturedLog(GetParam());
  std::set<std::size_t> ends = {file.size()};
  for (std::size_t i = 1; i < whole.events.size(); ++i) ends.insert(whole.events[i].offset);
  for (std::size_t size = 0; size < file.size(); ++size) {
    const auto cut = ParseBootLog(ByteView(file).first(size));
    EXPECT_EQ(cut.ok(), ends.contains(size)) << size;
    if (!cut.ok()) {
      EXPECT_THAT(cut, Fails(Code::kInvalidArgument, "MALFORMED"));
      EXPECT_THAT(Message(cut.status()), AllOf(HasSubstr("event "), HasSubstr(" at byte ")));
    } else {
      EXPECT_LT(cut->events.size(), whole.events.size());
      AnalyseBootLog(*cut, TPM2_ALG_SHA256);
    }
  }
}

// Values of all PCRs in one string.
std::string Replayed(const BootLog& log) {
  std::string all;
  for (const ReplayedPcr& pcr : ReplayBootLog(log).pcrs) all += Hex(pcr.digest) + " ";
  return all;
}

TEST_P(CapturedBootLog, ReplayTellsAnEventRemovedEditedOrOutOfOrder) {
  const BootLog log = CapturedLog(GetParam());
  const std::string replayed = Replayed(log);
  for (std::size_t i = 1; i < log.events.size(); ++i) {
    BootLog other = log;
    other.events.erase(other.events.begin() + static_cast<long>(i));
    EXPECT_NE(Replayed(other), replayed) << "without event " << i + 1;
    other = log;
    other.events[i].digests[TPM2_ALG_SHA256][0] ^= 1;
    EXPECT_NE(Replayed(other), replayed) << "event " << i + 1 << " edited";
    other = log;
    other.events[i].pcr ^= 1;
    EXPECT_NE(Replayed(other), replayed) << "event " << i + 1 << " in another PCR";
    for (std::size_t j = i + 1; j < log.events.size(); ++j) {
      if (log.events[j].pcr != log.events[i].pcr) continue;
      if (log.events[j].digests == log.events[i].digests) break;
      other = log;
      std::swap(other.events[i], other.events[j]);
      EXPECT_NE(Replayed(other), replayed) << i + 1 << " and " << j + 1 << " swapped";
      break;
    }
  }
}

TEST_P(CapturedBootLog, HasItsFormAndBanks) {
  const BootLog log = CapturedLog(GetParam());
  EXPECT_TRUE(log.crypto_agile);
  EXPECT_THAT(log.spec_version, HasSubstr("2.0 errata "));
  ASSERT_EQ(log.banks.size(), GetParam() == "ovmf-secureboot-direct" ? 4u : 2u);
  EXPECT_EQ(log.banks[0].bank, TPM2_ALG_SHA1);
  EXPECT_EQ(log.banks[1].bank, TPM2_ALG_SHA256);
  EXPECT_FALSE(log.startup_locality);
  for (std::size_t i = 0; i < log.events.size(); ++i) EXPECT_EQ(log.events[i].number, i + 1);
  EXPECT_EQ(WriteLog(log).size(), CapturedFile(GetParam()).size());
}

TEST(ParseBootLog, ZeroPaddingIsNoEventAndLessThanAnEventIsACut) {
  LogBuilder builder;
  builder.Separators();
  for (const std::size_t padding : {16U, 17U, 4096U}) {
    const auto log = ParseBootLog(Join({builder.file(), Bytes(padding)}));
    ASSERT_THAT(log, IsOk()) << padding;
    EXPECT_EQ(log->events.size(), 9u);
  }
  EXPECT_THAT(WhyNot(Join({builder.file(), Bytes(15)})), HasSubstr("event 10 at byte"));
  EXPECT_THAT(WhyNot(Join({builder.file(), Bytes(64), {1}})), HasSubstr("event 10 at byte"));
  LogBuilder old = LogBuilder::Old();
  old.Separators();
  EXPECT_THAT(ParseBootLog(Join({old.file(), Bytes(32)})), IsOk());
  EXPECT_THAT(WhyNot(Join({old.file(), Bytes(31)})), HasSubstr("event 9 at byte"));
}

TEST(ParseBootLog, OldFormIsSha1Alone) {
  LogBuilder builder = LogBuilder::Old();
  builder.Add(0, kEvNoAction,
              Join({ToBytes({"Spec ID Event02\0", 16}), Le(0, 4), {2, 1, 1, 2, 0}}));
  builder.Add(0, kEvSCrtmVersion, ToBytes("v1")).Separators();
  const BootLog log = builder.Parse();
  EXPECT_FALSE(log.crypto_agile);
  EXPECT_EQ(log.spec_version, "1.2 errata 1");
  ASSERT_EQ(log.banks.size(), 1u);
  EXPECT_EQ(log.banks[0].bank, TPM2_ALG_SHA1);
  EXPECT_EQ(log.events.size(), 10u);
  EXPECT_EQ(ReplayBootLog(log).pcrs.size(), kPcrCount);
}

TEST(ParseBootLog, RefusesEmptyAndOversizedFiles) {
  EXPECT_THAT(WhyNot({}), HasSubstr("event 1 at byte 0"));
  EXPECT_THAT(WhyNot(Bytes(kMaxBootLogSize + 1)), HasSubstr("too long"));
}

TEST(ParseBootLog, RefusesMoreEventsThanTheCap) {
  // Unextended ones, which need no digests, are the smallest.
  const Bytes event = Join({Le(0, 4), Le(kEvNoAction, 4), Le(0, 4), Le(0, 4)});
  Bytes file = LogBuilder().file();
  for (std::size_t i = 1; i < kMaxBootEvents; ++i)
    file.insert(file.end(), event.begin(), event.end());
  EXPECT_THAT(ParseBootLog(file), IsOk());
  file.insert(file.end(), event.begin(), event.end());
  EXPECT_THAT(WhyNot(file), HasSubstr("65536"));
}

TEST(ParseBootLog, RefusesAbsurdSizesAndNamesTheEvent) {
  const Bytes good = LogBuilder().file();
  const std::string where = "event 2 at byte " + std::to_string(good.size());
  const Bytes start = Join({good, Le(0, 4), Le(kEvAction, 4)});
  EXPECT_THAT(WhyNot(Join({start, Le(0xffffffff, 4), Bytes(64)})),
              AllOf(HasSubstr(where), HasSubstr("4294967295 digests")));
  const Bytes digest = Join({Le(TPM2_ALG_SHA256, 2), Bytes(32)});
  EXPECT_THAT(WhyNot(Join({start, Le(1, 4), digest, Le(0xffffffff, 4), Bytes(64)})),
              AllOf(HasSubstr(where), HasSubstr("4294967295 bytes"), HasSubstr("64 more")));
}

TEST(ParseBootLog, RefusesDigestsThatDoNotFitTheHeader) {
  const Bytes two = LogBuilder(Banks({TPM2_ALG_SHA1, TPM2_ALG_SHA256})).file();
  const Bytes start = Join({two, Le(0, 4), Le(kEvAction, 4)});
  const Bytes sha1 = Join({Le(TPM2_ALG_SHA1, 2), Bytes(20)});
  const Bytes unknown = Join({Le(0x7777, 2), Bytes(32)});
  EXPECT_THAT(WhyNot(Join({start, Le(2, 4), sha1, unknown, Le(0, 4)})), HasSubstr("0x7777"));
  EXPECT_THAT(WhyNot(Join({start, Le(2, 4), sha1, sha1, Le(0, 4)})), HasSubstr("two digests"));
  EXPECT_THAT(WhyNot(Join({start, Le(1, 4), sha1, Le(0, 4)})), HasSubstr("bank sha256"));
}

TEST(ParseBootLog, RefusesHeadersThatCannotBe) {
  EXPECT_THAT(WhyNot(LogBuilder(std::vector<BootBank>()).file()), HasSubstr("0 banks"));
  EXPECT_THAT(WhyNot(LogBuilder({{TPM2_ALG_SHA256, 20}}).file()), HasSubstr("20 bytes"));
  EXPECT_THAT(WhyNot(LogBuilder({{0x7777, 0}}).file()), HasSubstr("0 bytes"));
  EXPECT_THAT(WhyNot(LogBuilder({{0x7777, 65}}).file()), HasSubstr("65 bytes"));
  EXPECT_THAT(WhyNot(LogBuilder(Banks({TPM2_ALG_SHA1, TPM2_ALG_SHA1})).file()), HasSubstr("twice"));
  EXPECT_THAT(WhyNot(LogBuilder(std::vector<BootBank>(17, {TPM2_ALG_SHA1, 20})).file()),
              HasSubstr("17 banks"));
}

TEST(ParseBootLog, RefusesPcrsThatThereAreNot) {
  LogBuilder builder;
  builder.Add(24, kEvAction, ToBytes("x"));
  EXPECT_THAT(WhyNot(builder.file()), HasSubstr("PCR 24"));
  LogBuilder unextended;
  unextended.Add(0xffffffff, kEvNoAction, ToBytes("x"));
  EXPECT_THAT(ParseBootLog(unextended.file()), IsOk());
}

TEST(ParseBootLog, RefusesASecondOrImpossibleStartupLocality) {
  EXPECT_EQ(LogBuilder().Locality(3).Parse().startup_locality, 3);
  EXPECT_THAT(WhyNot(LogBuilder().Locality(0).Locality(3).file()), HasSubstr("event 3 at byte"));
  EXPECT_THAT(WhyNot(LogBuilder().Locality(5).file()), HasSubstr("locality 5"));
}

// By hand: hash(start || digest).
Bytes ExtendedOnce(const Bytes& start, const Bytes& data) {
  const BootBank sha256 = {TPM2_ALG_SHA256, 32};
  return HashIn(sha256, Join({start, HashIn(sha256, data)}));
}

TEST(ReplayBootLog, Pcr0StartsWithTheLocality) {
  for (const std::uint8_t locality : Bytes{0, 3, 4}) {
    LogBuilder builder;
    builder.Locality(locality).Add(0, kEvSCrtmVersion, ToBytes("v1")).Add(1, kEvAction, {7});
    const BootReplay replay = ReplayBootLog(builder.Parse());
    Bytes start(32);
    start.back() = locality;
    EXPECT_EQ(PcrOf(replay, TPM2_ALG_SHA256, 0), ExtendedOnce(start, ToBytes("v1")));
    EXPECT_EQ(PcrOf(replay, TPM2_ALG_SHA256, 1), ExtendedOnce(Bytes(32), {7}));
  }
}

TEST(ReplayBootLog, HcrtmEventMeansLocalityFour) {
  LogBuilder builder;
  builder.Add(0, kEvEfiHcrtmEvent, ToBytes("HCRTM"), ToBytes("code"));
  Bytes start(32);
  start.back() = 4;
  EXPECT_EQ(PcrOf(ReplayBootLog(builder.Parse()), TPM2_ALG_SHA256, 0),
            ExtendedOnce(start, ToBytes("code")));
}

TEST(ReplayBootLog, DynamicLaunchPcrsAreOnesUntilOneIsExtended) {
  LogBuilder builder;
  builder.Add(23, kEvAction, {1});
  BootReplay replay = ReplayBootLog(builder.Parse());
  for (std::uint32_t pcr = 0; pcr < kPcrCount; ++pcr) {
    if (pcr == 23) continue;
    const bool ones = pcr >= 17 && pcr <= 22;
    EXPECT_EQ(PcrOf(replay, TPM2_ALG_SHA256, pcr),
              Bytes(32, static_cast<std::uint8_t>(ones ? 0xff : 0)));
  }
  EXPECT_EQ(PcrOf(replay, TPM2_ALG_SHA256, 23), ExtendedOnce(Bytes(32), {1}));
  builder.Add(17, kEvAction, {2});
  replay = ReplayBootLog(builder.Parse());
  EXPECT_EQ(PcrOf(replay, TPM2_ALG_SHA256, 17), ExtendedOnce(Bytes(32), {2}));
  EXPECT_EQ(PcrOf(replay, TPM2_ALG_SHA256, 22), Bytes(32));
}

TEST(ReplayBootLog, BankThatCannotBeComputedIsSkippedWithANote) {
  LogBuilder builder(Banks({TPM2_ALG_SM3_256, TPM2_ALG_SHA384, TPM2_ALG_SHA512}));
  builder.Separators();
  const BootReplay replay = ReplayBootLog(builder.Parse());
  EXPECT_EQ(replay.pcrs.size(), 2 * kPcrCount);
  EXPECT_THAT(replay.notes, ElementsAre(HasSubstr("sm3_256")));
}

TEST(ReplayBootLog, LogPutTogetherByHandWithoutADigestIsNoted) {
  BootLog log = LogBuilder().Separators().Parse();
  log.events.back().digests.clear();
  const BootReplay replay = ReplayBootLog(log);
  EXPECT_THAT(replay.pcrs, IsEmpty());
  EXPECT_THAT(replay.notes, ElementsAre(HasSubstr("sha256")));
}

}  // namespace
}  // namespace seaworthy::verify
