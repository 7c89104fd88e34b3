// Of the tokens that systemd-cryptenroll wrote.
#include "seaworthy/modules/volumes/ways.h"

#include <gmock/gmock.h>

#include "unit/modules/volumes/header_image.h"

namespace seaworthy::volumes {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::SizeIs;

constexpr auto kSha256 = tpm::HashAlgorithm::kSha256;
constexpr std::uint16_t kBank = static_cast<std::uint16_t>(kSha256);

Luks2Metadata Metadata() {
  const auto metadata = ParseLuks2Metadata(HeaderImage("tpm2.header").Text());
  EXPECT_THAT(metadata, testing::IsOk());
  return *metadata;
}

// The TPM had no PCR extended.
std::vector<verify::PcrValue> Pcr7(std::uint8_t byte = 0, std::uint16_t bank = kBank) {
  return {{bank, 7, Bytes(32, byte)}};
}

TEST(TpmWays, AreWhatCryptenrollWasTold) {
  const std::vector<TpmWay> ways = DescribeTpmWays(Metadata(), Pcr7());
  ASSERT_THAT(ways, SizeIs(2));
  EXPECT_EQ(ways[0].token, 0);
  EXPECT_EQ(ways[0].keyslot, 1);
  EXPECT_EQ(ways[0].parent, tpm::SealParent::kLegacyEcc);
  EXPECT_TRUE(ways[0].srk_name.empty());
  EXPECT_EQ(ways[0].pcrs, (tpm::PcrSelection{kSha256, 1U << 7}));
  EXPECT_EQ(ways[0].signed_pcrs.mask, 0);
  EXPECT_FALSE(ways[0].pin);
  EXPECT_EQ(ways[1].keyslot, 2);
  EXPECT_EQ(ways[1].pcrs, (tpm::PcrSelection{kSha256, 1U << 7}));
  EXPECT_EQ(ways[1].signed_pcrs, (tpm::PcrSelection{kSha256, 1U << 11}));
  EXPECT_TRUE(ways[1].pin);
}

// The signed PCR is not known, and need not be.
TEST(TpmWays, FitTheValuesThatTheyWereSealedTo) {
  for (const TpmWay& way : DescribeTpmWays(Metadata(), Pcr7())) {
    EXPECT_EQ(way.fit, PcrFit::kFits) << way.token;
    EXPECT_TRUE(way.status.ok()) << way.status;
  }
  for (const TpmWay& way : DescribeTpmWays(Metadata(), Pcr7(1))) {
    EXPECT_EQ(way.fit, PcrFit::kDiffers) << way.token;
    EXPECT_TRUE(way.status.ok()) << way.status;
  }
}

// With the first token changed.
TpmWay Changed(const std::function<void(json&)>& change) {
  Luks2Metadata metadata = Metadata();
  json token = json::parse(metadata.tokens.at(0).json);
  change(token);
  metadata.tokens.at(0).json = token.dump();
  std::vector<TpmWay> ways = DescribeTpmWays(metadata, Pcr7());
  EXPECT_THAT(ways, SizeIs(2));
  EXPECT_EQ(ways[1].fit, PcrFit::kFits);
  return ways[0];
}

void ExpectUnknown(const TpmWay& way, const std::string& reason) {
  EXPECT_EQ(way.fit, PcrFit::kUnknown);
  EXPECT_EQ(Reason(way.status), reason) << way.status;
  EXPECT_EQ(way.keyslot, 1);
}

TEST(TpmWays, ThatCannotBeComputedAreUnknown) {
  const auto set = [](const char* field, const json& value) {
    return [field, value](json& token) { token[field] = value; };
  };
  ExpectUnknown(Changed(set("tpm2_pcrlock", true)), "TOKEN_UNSUPPORTED");
  ExpectUnknown(Changed(set("tpm2_argon2id_lanes", 4)), "TOKEN_UNSUPPORTED");
  ExpectUnknown(Changed(set("tpm2-policy-hash", json::array({"00"}))), "TOKEN_UNSUPPORTED");
  ExpectUnknown(Changed(set("tpm2-policy-hash", "00")), "TOKEN_MALFORMED");
  ExpectUnknown(Changed(set("tpm2-pcr-bank", "sha1")), "PCR_VALUE_MISSING");
  ExpectUnknown(Changed(set("tpm2-pcrs", json::array({7, 8}))), "PCR_VALUE_MISSING");
  ExpectUnknown(Changed(set("tpm2-pcrs", json::array())), "POLICY_MISMATCH");
  const TpmWay missing = Changed(set("tpm2-pcrs", json::array({7, 8})));
  EXPECT_THAT(Message(missing.status), HasSubstr("PCR 8 in the bank sha256"));
}

TEST(TpmWays, InABankThatIsNotToldMayFit) {
  const auto untold = [](json& token) { token.erase("tpm2-pcr-bank"); };
  EXPECT_EQ(Changed(untold).fit, PcrFit::kFits);
  Luks2Metadata metadata = Metadata();
  json token = json::parse(metadata.tokens.at(0).json);
  untold(token);
  metadata.tokens.at(0).json = token.dump();
  ExpectUnknown(DescribeTpmWays(metadata, Pcr7(1))[0], "TOKEN_UNSUPPORTED");
}

}  // namespace
}  // namespace seaworthy::volumes
