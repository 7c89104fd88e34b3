// The stock tools open what we enrol, and we open what they enrol.
#include <gmock/gmock.h>

#include "component/modules/volumes/stock_plugin.h"
#include "seaworthy/modules/volumes/header_change.h"
#include "seaworthy/status_macros.h"
#include "seaworthy/tpm/key.h"
#include "seaworthy/tpm/quote.h"

namespace seaworthy::volumes {
namespace {

using seaworthy::testing::Fails;
using seaworthy::testing::IsOk;
using seaworthy::testing::Secret;

constexpr tpm::PcrSelection kPcr7 = {tpm::HashAlgorithm::kSha256, 1U << 7};
constexpr tpm::PcrSelection kPcr11 = {tpm::HashAlgorithm::kSha256, 1U << 11};

class StockInterop : public seaworthy::testing::StockPluginTest {
 protected:
  static Deadline Soon() { return DeadlineIn(std::chrono::seconds(30)); }

  // swtpm serves one connection at a time: the broker lives for one call.
  template <class Call>
  auto WithBroker(Call&& call) {
    tpm::Broker broker({.tcti = tpm_.tcti(), .state_dir = files_ / "tpm", .on_change = {}});
    return call(broker);
  }

  tpm::SealPolicy Pcr7() {
    return WithBroker([](tpm::Broker& broker) {
      const auto values =
          broker.Run(Soon(), [](tpm::Context& context) { return tpm::ReadPcrs(context, {kPcr7}); });
      return tpm::SealPolicy{.pcrs = {kPcr7, tpm::PcrDigest(*values)}};
    });
  }

  // Beside the passphrase "first" that the volume has.
  Status Enrol(const std::vector<TpmWayIn>& ways) {
    return WithBroker([&](tpm::Broker& broker) -> Status {
      ASSIGN_OR_RETURN(HeaderCopy copy, HeaderCopy::Take(volume_));
      ASSIGN_OR_RETURN(const Unlocked unlocked, UnlockByPassphrase(copy, Secret("first"), {}));
      return ChangeHeader(
                 broker, Soon(), copy, unlocked,
                 [&](Luks& luks, const SecretBytes& key) -> Result<std::vector<OpenWayIn>> {
                   std::vector<OpenWayIn> added;
                   for (const TpmWayIn& way : ways) {
                     ASSIGN_OR_RETURN(added.emplace_back(),
                                      AddTpmWayIn(broker, Soon(), luks, key, way));
                   }
                   return added;
                 })
          .status();
    });
  }

  Result<Unlocked> UnlockOurs(UnlockOptions options) {
    options.unguarded = true;
    return WithBroker([&](tpm::Broker& broker) -> Result<Unlocked> {
      ASSIGN_OR_RETURN(const HeaderCopy copy, HeaderCopy::Take(volume_));
      ASSIGN_OR_RETURN(Unlocked unlocked, Unlock(broker, Soon(), copy, options));
      ASSIGN_OR_RETURN(const Luks luks, Luks::Open(volume_));
      RETURN_IF_ERROR(
          luks.TestPassphrase(unlocked.way.passphrase, static_cast<int>(unlocked.way.keyslot))
              .status());
      return unlocked;
    });
  }
};

TEST_F(StockInterop, SystemdOpensWhatWeEnrol) {
  ASSERT_THAT(Enrol({{.policy = Pcr7()}, {.policy = Pcr7(), .legacy_parent = true}}), IsOk());
  EXPECT_GT(OpenWithPlugin(), 0);
  ASSERT_TRUE(Tpm2("pcrextend 7:sha256=" + Hex(Bytes(32, 1))));
  EXPECT_LT(OpenWithPlugin(), 0);
}

TEST_F(StockInterop, SystemdOpensWhatWeEnrolWithAPin) {
  tpm::SealPolicy policy = Pcr7();
  policy.pin = true;
  const SecretBytes pin = Secret("1234");
  ASSERT_THAT(Enrol({{.policy = policy, .pin = &pin, .legacy_parent = true}}), IsOk());
  EXPECT_EQ(OpenWithPlugin(), seaworthy::testing::kPinMissing);
  EXPECT_EQ(OpenWithPlugin("4321"), seaworthy::testing::kPinWrong);
  EXPECT_GT(OpenWithPlugin("1234"), 0);
}

TEST_F(StockInterop, SystemdOpensWhatWeEnrolForSignedPcrs) {
  const std::string file = MakePolicyKey();
  tpm::SealPolicy policy;
  policy.signed_pcrs =
      tpm::SignedPcrs{std::string(AsText(seaworthy::testing::ContentOf(file))), kPcr11};
  ASSERT_THAT(Enrol({{.policy = policy, .legacy_parent = true}}), IsOk());
  EXPECT_GT(OpenWithPlugin(std::nullopt, SignPcr11(Extended(Bytes(32, 11)))), 0);
  EXPECT_LT(OpenWithPlugin(std::nullopt, SignPcr11(Extended(Bytes(32, 12)))), 0);
}

TEST_F(StockInterop, WeOpenWhatSystemdEnrols) {
  ASSERT_EQ(EnrollTpm2("--tpm2-pcrs=7").status, 0);
  EXPECT_THAT(UnlockOurs({}), IsOk());
  ASSERT_TRUE(Tpm2("pcrextend 7:sha256=" + Hex(Bytes(32, 1))));
  EXPECT_THAT(UnlockOurs({}), Fails(Code::kFailedPrecondition, "PCR_POLICY_UNMET"));
}

TEST_F(StockInterop, WeOpenWhatSystemdEnrolsWithAPin) {
  ASSERT_EQ(EnrollTpm2("--tpm2-pcrs=7 --tpm2-with-pin=yes", "NEWPIN=1234").status, 0);
  const SecretBytes pin = Secret("1234"), wrong = Secret("4321");
  UnlockOptions options;
  options.pin = &wrong;
  EXPECT_THAT(UnlockOurs(options), Fails(Code::kPermissionDenied, "PIN_WRONG"));
  options.pin = &pin;
  EXPECT_THAT(UnlockOurs(options), IsOk());
}

TEST_F(StockInterop, WeOpenWhatSystemdEnrolsForSignedPcrs) {
  ASSERT_EQ(
      EnrollTpm2("--tpm2-pcrs= --tpm2-public-key=" + MakePolicyKey() + " --tpm2-public-key-pcrs=11")
          .status,
      0);
  const Bytes json = seaworthy::testing::ContentOf(SignPcr11(Extended(Bytes(32, 11))));
  UnlockOptions options;
  options.signatures = ParsePolicySignatures(AsText(json)).value();
  EXPECT_THAT(UnlockOurs(options), IsOk());
  ASSERT_TRUE(Tpm2("pcrextend 11:sha256=" + Hex(Bytes(32, 1))));
  EXPECT_THAT(UnlockOurs(options), Fails(Code::kFailedPrecondition, "POLICY_SIGNATURE_MISSING"));
}

TEST_F(StockInterop, WeOpenWhatClevisBinds) {
  const Output bound = BindClevis(R"({"pcr_bank":"sha256","pcr_ids":"7"})");
  ASSERT_EQ(bound.status, 0) << bound.text;
  EXPECT_THAT(UnlockOurs({}), IsOk());
  ASSERT_TRUE(Tpm2("pcrextend 7:sha256=" + Hex(Bytes(32, 1))));
  EXPECT_THAT(UnlockOurs({}), Fails(Code::kFailedPrecondition, "PCR_POLICY_UNMET"));
}

// M-76: the attack that the stock plugin does not see.
TEST_F(StockInterop, ACipherThatWasTakenAwayIsRefusedBeforeTheTpmIsAsked) {
  ASSERT_THAT(Enrol({{.policy = Pcr7(), .legacy_parent = true}}), IsOk());
  ASSERT_THAT(TakeCipherAway(), IsOk());
  EXPECT_GT(OpenWithPlugin(), 0);
  EXPECT_THAT(HeaderCopy::Take(volume_).status(),
              Fails(Code::kPermissionDenied, "HEADER_CIPHER_REFUSED"));
}

}  // namespace
}  // namespace seaworthy::volumes
