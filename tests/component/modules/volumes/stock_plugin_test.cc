// That the stock tools can be asked: the plugin opens what they enrolled and nothing else. And what
// they do not look at.
#include "component/modules/volumes/stock_plugin.h"

#include <gmock/gmock.h>

namespace seaworthy::testing {
namespace {

using ::testing::HasSubstr;
using volumes::Luks;

TEST_F(StockPluginTest, OpensByPcr7) {
  const Output enrolled = EnrollTpm2("--tpm2-pcrs=7");
  ASSERT_EQ(enrolled.status, 0) << enrolled.text;
  EXPECT_EQ(Luks::Open(volume_)->Tokens()[0].type, "systemd-tpm2");
  EXPECT_EQ(OpenWithPlugin(), 1);
  ASSERT_TRUE(Tpm2("pcrextend 7:sha256=" + Hex(Bytes(32, 1))));
  EXPECT_LT(OpenWithPlugin(), 0);
}

TEST_F(StockPluginTest, AsksForThePin) {
  const Output enrolled = EnrollTpm2("--tpm2-pcrs=7 --tpm2-with-pin=yes", "NEWPIN=1234");
  ASSERT_EQ(enrolled.status, 0) << enrolled.text;
  EXPECT_EQ(OpenWithPlugin(), kPinMissing);
  EXPECT_EQ(OpenWithPlugin("4321"), kPinWrong);
  EXPECT_EQ(OpenWithPlugin("1234"), 1);
}

TEST_F(StockPluginTest, OpensBySignedPcr11) {
  const Output enrolled = EnrollTpm2("--tpm2-pcrs= --tpm2-public-key=" + MakePolicyKey() +
                                     " --tpm2-public-key-pcrs=11");
  ASSERT_EQ(enrolled.status, 0) << enrolled.text;
  EXPECT_EQ(OpenWithPlugin(std::nullopt, SignPcr11(Extended(Bytes(32, 11)))), 1);
  EXPECT_LT(OpenWithPlugin(std::nullopt, SignPcr11(Extended(Bytes(32, 12)))), 0);
  MakePolicyKey();
  EXPECT_LT(OpenWithPlugin(std::nullopt, SignPcr11(Extended(Bytes(32, 11)))), 0);
}

TEST_F(StockPluginTest, RecoveryKeyIsAPassphrase) {
  const Output enrolled = Enroll("--recovery-key");
  ASSERT_EQ(enrolled.status, 0) << enrolled.text;
  // 8 groups of 8 letters.
  constexpr std::size_t kLength = 71;
  const std::size_t dash = enrolled.text.find("-", enrolled.text.find("generated"));
  ASSERT_NE(dash, std::string::npos) << enrolled.text;
  const std::string key = enrolled.text.substr(dash - 8, kLength);
  const Result<Luks> luks = Luks::Open(volume_);
  EXPECT_EQ(luks->TestPassphrase(Secret(key)).value_or(-1), 1) << key;
  EXPECT_EQ(luks->Tokens()[0].type, "systemd-recovery");
}

TEST_F(StockPluginTest, ClevisBindsAndOpens) {
  const Output bound = BindClevis(R"({"pcr_bank":"sha256","pcr_ids":"7"})");
  ASSERT_EQ(bound.status, 0) << bound.text;
  const Result<Luks> luks = Luks::Open(volume_);
  ASSERT_EQ(luks->Tokens().size(), 1U);
  EXPECT_EQ(luks->Tokens()[0].type, "clevis");
  const Output passphrase = ClevisPassphrase(1);
  ASSERT_EQ(passphrase.status, 0) << passphrase.text;
  EXPECT_EQ(luks->TestPassphrase(Secret(passphrase.text)).value_or(-1), 1) << passphrase.text;
  ASSERT_TRUE(Tpm2("pcrextend 7:sha256=" + Hex(Bytes(32, 1))));
  EXPECT_NE(ClevisPassphrase(1).status, 0);
}

// Whoever writes to the disk has the TPM's key released for a volume that encrypts nothing.
TEST_F(StockPluginTest, OpensAHeaderWhoseCipherWasTakenAway) {
  ASSERT_EQ(EnrollTpm2("--tpm2-pcrs=7").status, 0);
  ASSERT_THAT(TakeCipherAway(), IsOk());
  EXPECT_THAT(Dump(volume_), HasSubstr("cipher: cipher_null-ecb"));
  EXPECT_EQ(OpenWithPlugin(), 1);
}

}  // namespace
}  // namespace seaworthy::testing
