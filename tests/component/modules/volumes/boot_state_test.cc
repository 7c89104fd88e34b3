#include "seaworthy/modules/volumes/boot_state.h"

#include "component/modules/volumes/boot_fixture.h"
#include "seaworthy/os/boot_log_file.h"

namespace seaworthy::volumes {
namespace {

using seaworthy::testing::Fails;
using seaworthy::testing::IsOk;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

using BootStateTest = BootTest;

TEST_F(BootStateTest, IsWhatTheTpmAndTheFirmwareHave) {
  Boot(verify::CapturedFile("ovmf-direct"));
  const BootState now = Now();
  EXPECT_EQ(now.log, verify::CapturedFile("ovmf-direct"));
  ASSERT_THAT(now.pcrs, SizeIs(24));
  const auto captured = verify::ReadPcrsText("ovmf-direct");
  for (std::uint32_t pcr = 0; pcr < 24; ++pcr) {
    EXPECT_EQ(now.pcrs[pcr].bank, TPM2_ALG_SHA256);
    EXPECT_EQ(now.pcrs[pcr].index, pcr);
    // The guest's IMA and systemd had extended these.
    if (pcr == 10 || pcr == 11) continue;
    EXPECT_EQ(now.pcrs[pcr].digest, captured.at({TPM2_ALG_SHA256, pcr})) << pcr;
  }
}

TEST_F(BootStateTest, MayHaveNoLog) {
  for (const std::string& path : {std::string(), root_ / "none"}) {
    const auto state = ReadBootState(*broker_, Soon(), path);
    ASSERT_THAT(state, IsOk());
    EXPECT_THAT(state->log, IsEmpty());
    EXPECT_THAT(state->pcrs, SizeIs(24));
  }
  ASSERT_THAT(ReplaceFile(log_path_, Bytes(os::kMaxBootLogFile + 1), 0600), IsOk());
  for (const std::string& path : {log_path_, root_.path().string()}) {
    const auto state = ReadBootState(*broker_, Soon(), path);
    EXPECT_THAT(state, Fails(Code::kFailedPrecondition, "BOOT_LOG_UNREADABLE"));
    EXPECT_THAT(Message(state.status()), HasSubstr(path));
  }
}

TEST_F(BootStateTest, TellsWhatIsNotInTheLog) {
  Boot(verify::CapturedFile("ovmf-secureboot-uki"));
  MakeVolume(AddWays({{.policy = PcrsAsTheyAre()}}));
  const Directory directory = Directory::Open(root_.path().string()).value();
  ASSERT_THAT(WriteBootState(directory, "volume.boot", Now()), IsOk());
  EXPECT_THAT(UnlockVolume(), IsOk());

  ExtendPcr(7);
  EXPECT_THAT(UnlockVolume(), Fails(Code::kFailedPrecondition, "PCR_POLICY_UNMET"));
  const auto sealed = ReadBootStateFile(directory, "volume.boot");
  ASSERT_THAT(sealed, IsOk());
  EXPECT_THAT(WhyDifferent(*sealed, Now(), {7, 14}, 10),
              ElementsAre(AllOf(HasSubstr("PCR 7: its boot log does not replay to its present"),
                                HasSubstr("by what is not in the log"))));
  const verify::PcrDifferences differences = Compare(*sealed, Now(), {7, 14});
  EXPECT_EQ(differences.differences.at(0).code, "NOT_IN_LOG");
  EXPECT_FALSE(ExplainedByLog(differences));
}

TEST_F(BootStateTest, TellsWhatTheNextBootDidOtherwise) {
  Boot(verify::CapturedFile("ovmf-secureboot-direct"));
  MakeVolume(AddWays({{.policy = PcrsAsTheyAre()}}));
  const BootState sealed = Now();
  Boot(verify::CapturedFile("ovmf-direct"));
  EXPECT_THAT(UnlockVolume(), Fails(Code::kFailedPrecondition, "PCR_POLICY_UNMET"));
  EXPECT_THAT(WhyDifferent(sealed, Now(), {7, 14}, 2),
              ElementsAre("Event 5 in PCR 7: Secure Boot was on and is off.", "and 4 more"));
  EXPECT_TRUE(ExplainedByLog(Compare(sealed, Now(), {7, 14})));
  Boot(verify::CapturedFile("ovmf-secureboot-direct"));
  EXPECT_THAT(UnlockVolume(), IsOk());
}

}  // namespace
}  // namespace seaworthy::volumes
