#include "ctl/arguments.h"

#include <gmock/gmock.h>

#include "support/status_matchers.h"

namespace seaworthy::ctl {
namespace {

using testing::Fails;
using ::testing::HasSubstr;

std::string Selections(std::string_view text) {
  Result<std::vector<v1::PcrSelection>> selections = ParsePcrSelections(text);
  if (!selections.ok()) return Message(selections.status());
  std::string formatted;
  for (const v1::PcrSelection& selection : *selections) {
    formatted += (formatted.empty() ? "" : "+") + FormatPcrSelection(selection);
  }
  return formatted;
}

TEST(PcrSelections, TakesBanksListsAndRanges) {
  EXPECT_EQ(Selections("sha256:0,7"), "sha256:0,7");
  EXPECT_EQ(Selections("7,0,7"), "sha256:0,7");
  EXPECT_EQ(Selections("0-3,14"), "sha256:0,1,2,3,14");
  EXPECT_EQ(Selections("sha1:0+sha384:23"), "sha1:0+sha384:23");
  EXPECT_EQ(Selections("sha512:all"),
            "sha512:0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23");
}

TEST(PcrSelections, NamesThePartThatIsWrong) {
  EXPECT_THAT(Selections("sha3:0"), HasSubstr("\"sha3:0\": the bank is none of"));
  EXPECT_THAT(Selections("sha256:24"), HasSubstr("\"24\": want an index from 0 to 23"));
  EXPECT_THAT(Selections("0,"), HasSubstr("\"\": want an index"));
  EXPECT_THAT(Selections(""), HasSubstr("want an index"));
  EXPECT_THAT(Selections("-1"), HasSubstr("want an index"));
  EXPECT_THAT(Selections("1x"), HasSubstr("\"1x\""));
  EXPECT_THAT(Selections("7-0"), HasSubstr("runs backwards"));
  EXPECT_THAT(Selections("0-1-2"), HasSubstr("a range like 0-7"));
  EXPECT_THAT(Selections("sha256:0+1"), HasSubstr("named twice"));
  EXPECT_THAT(Selections("99999999999999999999"), HasSubstr("want an index"));
}

TEST(PcrValue, TakesBankIndexAndDigest) {
  const std::string digest(64, 'a');
  Result<v1::PcrValue> value = ParsePcrValue("sha256:16=" + digest);
  ASSERT_THAT(value, testing::IsOk());
  EXPECT_EQ(value->bank(), v1::SHA256);
  EXPECT_EQ(value->index(), 16U);
  EXPECT_EQ(Hex(AsBytes(value->digest())), digest);
}

TEST(PcrValue, RefusesAnythingElse) {
  for (const char* text : {"sha256:16", "sha256:16=", "sha256:16=abcd", "sha256:1,2=ab", "16=zz"}) {
    EXPECT_THAT(ParsePcrValue(text), Fails(Code::kInvalidArgument, "INVALID_PCRS")) << text;
  }
}

TEST(Nonce, TakesSixteenToSixtyFourBytes) {
  EXPECT_THAT(ParseNonce(std::string(32, 'A')), testing::IsOk());
  EXPECT_THAT(ParseNonce(std::string(128, '0')), testing::IsOk());
  EXPECT_THAT(ParseNonce(std::string(30, '0')), Fails(Code::kInvalidArgument, "INVALID_NONCE"));
  EXPECT_THAT(ParseNonce(std::string(130, '0')), Fails(Code::kInvalidArgument, "INVALID_NONCE"));
  EXPECT_THAT(ParseNonce(std::string(32, 'x')), Fails(Code::kInvalidArgument, "INVALID_NONCE"));
}

TEST(Names, GoBothWays) {
  for (const char* name : {"ec-p256", "ec-p384", "rsa-2048", "rsa-3072"}) {
    EXPECT_EQ(FormatKeyAlgorithm(ParseKeyAlgorithm(name)), name);
  }
  EXPECT_EQ(ParseKeyAlgorithm("dsa"), v1::KEY_ALGORITHM_UNSPECIFIED);
  EXPECT_EQ(ParseHash("384"), v1::SHA384);
  EXPECT_EQ(ParseHash("sha512"), v1::SHA512);
  EXPECT_EQ(ParseHash("md5"), v1::HASH_ALGORITHM_UNSPECIFIED);
  EXPECT_EQ(ParseScheme("rsa-pss"), v1::RSASSA_PSS);
  EXPECT_EQ(ParseScheme(""), v1::SIGNATURE_SCHEME_UNSPECIFIED);
}

}  // namespace
}  // namespace seaworthy::ctl
