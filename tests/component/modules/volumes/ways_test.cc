#include "seaworthy/modules/volumes/ways.h"

#include "component/modules/volumes/boot_fixture.h"

namespace seaworthy::volumes {
namespace {

using seaworthy::testing::Fails;
using seaworthy::testing::IsOk;
using ::testing::SizeIs;

class WaysTest : public BootTest {
 protected:
  std::vector<TpmWay> Ways() {
    const auto copy = HeaderCopy::Take(path_);
    EXPECT_THAT(copy, IsOk());
    return DescribeTpmWays(copy->header().metadata, Now().pcrs);
  }
};

TEST_F(WaysTest, FitWhereTheTpmWouldOpenThem) {
  ASSERT_TRUE(
      Shell("openssl genrsa -out key.pem 2048 && openssl rsa -in key.pem -pubout -out key.pub"));
  const tpm::SealPolicy pcrs = PcrsAsTheyAre();
  tpm::SealPolicy with_pin = pcrs;
  with_pin.pin = true;
  const tpm::SignedPcrs by_key = {FileText("key.pub"), {tpm::HashAlgorithm::kSha256, 1U << 11}};
  tpm::SealPolicy both = pcrs;
  both.signed_pcrs = by_key;
  const SecretBytes pin = Secret("correct");
  MakeVolume(AddWays({{.policy = pcrs},
                      {.policy = with_pin, .pin = &pin},
                      {.policy = {.signed_pcrs = by_key}},
                      {.policy = both}}));
  std::vector<TpmWay> ways = Ways();
  ASSERT_THAT(ways, SizeIs(4));
  ASSERT_TRUE(Shell("tpm2_readpublic -Q -c 0x81000001 -n srk.name"));
  for (const TpmWay& way : ways) {
    EXPECT_EQ(way.fit, PcrFit::kFits) << way.token << way.status;
    EXPECT_EQ(way.parent, tpm::SealParent::kStorageRootKey);
    EXPECT_EQ(AsText(way.srk_name), FileText("srk.name"));
    EXPECT_EQ(way.pcrs.mask, way.token == 2 ? 0 : kSealPcrs.mask);
    EXPECT_EQ(way.signed_pcrs.mask, way.token >= 2 ? 1U << 11 : 0);
    EXPECT_EQ(way.pin, way.token == 1);
  }
  EXPECT_THAT(UnlockVolume(), IsOk());

  ExtendPcr(11);
  for (const TpmWay& way : Ways()) EXPECT_EQ(way.fit, PcrFit::kFits) << way.token;
  ExtendPcr(14);
  for (const TpmWay& way : Ways()) {
    // What a signature alone decides is not for us to say.
    EXPECT_EQ(way.fit, way.token == 2 ? PcrFit::kFits : PcrFit::kDiffers) << way.token;
  }
  EXPECT_THAT(UnlockVolume(), Fails(Code::kFailedPrecondition, "PCR_POLICY_UNMET"));
}

TEST_F(WaysTest, UnderTheLegacyParentAreToldApart) {
  const auto made = MakeVolume(AddWays({{.policy = PcrsAsTheyAre(), .legacy_parent = true}}));
  ASSERT_THAT(made, SizeIs(1));
  const std::vector<TpmWay> ways = Ways();
  ASSERT_THAT(ways, SizeIs(1));
  EXPECT_EQ(ways[0].parent, tpm::SealParent::kLegacyEcc);
  EXPECT_TRUE(ways[0].srk_name.empty());
  EXPECT_EQ(ways[0].keyslot, made[0].keyslot);
  EXPECT_EQ(ways[0].fit, PcrFit::kFits);
}

}  // namespace
}  // namespace seaworthy::volumes
