#include "ctl/enrolment_files.h"

#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "support/status_matchers.h"
#include "support/temp_root.h"

namespace seaworthy::ctl {
namespace {

using ::seaworthy::testing::Fails;
using ::seaworthy::testing::IsOk;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;

const std::string kVendors = TEST_DATA "/captures/tpm-vendor";

TEST(Pending, SurvivesItsFile) {
  const Pending pending{{0x01, 0xab}, "TPM name: 000b\n-----BEGIN PUBLIC KEY-----\n"};
  const Result<Pending> read = ParsePending(FormatPending(pending));
  ASSERT_THAT(read, IsOk());
  EXPECT_EQ(read->secret, pending.secret);
  EXPECT_EQ(read->ak, pending.ak);
}

// An empty secret would let an empty answer pass.
TEST(Pending, RefusesWhatHasNoSecret) {
  for (const std::string text : {"", "secret: \nTPM name: 00\n", "secret: 00", "TPM name: 00\n",
                                 "secret: 0\n", "secret: zz\n"}) {
    EXPECT_FALSE(ParsePending(text).ok()) << text;
  }
}

TEST(Answer, IsHexWithOrWithoutALineBreak) {
  EXPECT_EQ(ParseAnswer("00ff").value(), ParseAnswer("00ff\r\n").value());
  EXPECT_THAT(ParseAnswer("00 ff"), Fails(Code::kInvalidArgument, "INVALID_HEX"));
}

TEST(ReadVendorCertificates, TakesWhatItCanAndTellsTheRest) {
  const testing::TempRoot root;
  std::ostringstream warnings;
  EXPECT_THAT(ReadVendorCertificates(root / "none", warnings).status(), Not(IsOk()));
  EXPECT_THAT(ReadVendorCertificates(root.path(), warnings),
              Fails(Code::kInvalidArgument, "USAGE"));
  std::filesystem::copy(kVendors, root.path());
  std::filesystem::copy_file(TEST_DATA "/captures/ovmf-direct/ek.cert.der", root / "one.DER");
  std::ofstream(root / "ignored.txt") << "garbage";
  EXPECT_EQ(warnings.str(), "");
  std::ofstream(root / "broken\x1b.pem") << "garbage";
  EXPECT_THAT(ReadVendorCertificates(root.path(), warnings).value(), SizeIs(3));
  EXPECT_THAT(warnings.str(), HasSubstr("broken\\x1b.pem: bytes that are no X.509"));
}

TEST(AddCertificate, GivesItToTheKeysThatHaveNone) {
  verify::Endorsement offer{{{{}, {}}, {{}, {0x30}}}, {}, {}};
  ASSERT_THAT(AddCertificate(TEST_DATA "/captures/ovmf-direct/ek.cert.der", offer), IsOk());
  EXPECT_THAT(offer.keys[0].certificate, SizeIs(1016));
  EXPECT_THAT(offer.keys[1].certificate, SizeIs(1));
  EXPECT_THAT(AddCertificate(kVendors + "/../README.md", offer),
              Fails(Code::kInvalidArgument, "MALFORMED"));
}

}  // namespace
}  // namespace seaworthy::ctl
