#include "seaworthy/modules/attestation.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "seaworthy/tpm/tss2_pem.h"
#include "support/status_matchers.h"
#include "support/sw_tpm.h"
#include "support/temp_root.h"

namespace seaworthy::attestation {
namespace {

using ::seaworthy::testing::Fails;
using ::seaworthy::testing::IsOk;
using std::chrono::seconds;

const std::vector<tpm::PcrSelection> kAll = {{tpm::HashAlgorithm::kSha256, tpm::kAllPcrs}};

class AttestationTest : public ::testing::TestWithParam<tpm::KeyAlgorithm> {
 protected:
  AttestationTest() { Restart(); }

  void Restart() {
    attestation_.reset();
    broker_.reset();
    broker_ = std::make_unique<tpm::Broker>(tpm::Broker::Options{
        .tcti = swtpm_.tcti(), .state_dir = root_.path().string(), .on_change = {}});
    attestation_ = std::make_unique<Attestation>(
        *broker_, events_, Attestation::Options{root_.path().string(), GetParam()});
    ASSERT_THAT(attestation_->Start(), IsOk());
  }

  static Deadline Soon() { return DeadlineIn(seconds(20)); }

  verify::EnrolledKey Enrolled() { return {attestation_->AttestationKey(Soon())->name}; }

  void Write(const std::string& name, ByteView content) {
    ASSERT_THAT(ReplaceFile(root_ / name, content, 0600), IsOk());
  }

  testing::TempRoot root_;
  testing::SwTpm swtpm_;
  Events events_;
  std::unique_ptr<tpm::Broker> broker_;
  std::unique_ptr<Attestation> attestation_;
};

INSTANTIATE_TEST_SUITE_P(Ak, AttestationTest,
                         ::testing::Values(tpm::KeyAlgorithm::kEcP256, tpm::KeyAlgorithm::kRsa2048),
                         [](const auto& param) { return std::string(tpm::ToString(param.param)); });

TEST_P(AttestationTest, QuoteIsTrustedAndOnlyOverItsNonce) {
  const Bytes nonce(32, 0x11);
  const Result<verify::Evidence> evidence = attestation_->Quote(Soon(), nonce, kAll);
  ASSERT_THAT(evidence, IsOk());
  EXPECT_EQ(evidence->pcrs.size(), 24U);
  EXPECT_TRUE(verify::VerifyQuote(*evidence, nonce, Enrolled()).trusted);
  EXPECT_FALSE(verify::VerifyQuote(*evidence, Bytes(32, 0x12), Enrolled()).trusted);
  EXPECT_FALSE(verify::VerifyQuote(*evidence, nonce, {Bytes(34, 0)}).trusted);
}

TEST_P(AttestationTest, Tpm2CheckquoteAgrees) {
  const Result<verify::Evidence> evidence =
      attestation_->Quote(Soon(), *ParseHex("00112233445566778899aabbccddeeff"),
                          {{tpm::HashAlgorithm::kSha256, 1U << 0 | 1U << 7 | 1U << 23}});
  ASSERT_THAT(evidence, IsOk());
  const Result<verify::Tpm2ToolsFiles> files = verify::ToTpm2Tools(*evidence);
  ASSERT_THAT(files, IsOk());
  Write("ak.pem", AsBytes(files->ak_pem));
  Write("quote.sig", files->signature);
  Write("quote.pcrs", files->pcrs);
  const std::string check = "cd " + root_.path().string() +
                            " && tpm2_checkquote -u ak.pem -m quote.msg -s quote.sig"
                            " -f quote.pcrs -g sha256 -q 00112233445566778899aabbccddeeff"
                            " >checkquote.log 2>&1";
  Write("quote.msg", files->message);
  EXPECT_EQ(std::system(check.c_str()), 0);
  Bytes flipped = files->message;
  flipped[flipped.size() / 2] ^= 1;
  Write("quote.msg", flipped);
  EXPECT_NE(std::system(check.c_str()), 0);
}

TEST_P(AttestationTest, KeyIsTheSameAfterARestart) {
  const Bytes name = Enrolled().name;
  Restart();
  EXPECT_EQ(Enrolled().name, name);
}

TEST_P(AttestationTest, CertifiesKeysOfThisTpm) {
  const Result<tpm::WrappedKey> key =
      broker_->Run(Soon(), [](tpm::Context& context) { return tpm::CreateKey(context, {}); });
  ASSERT_THAT(key, IsOk());
  const Bytes nonce(20, 3);
  const Result<verify::KeyCertification> certification =
      attestation_->CertifyKey(Soon(), *key, nonce);
  ASSERT_THAT(certification, IsOk());
  const Bytes info = tpm::ReadPublicKey(*key)->subject_public_key_info;
  EXPECT_TRUE(verify::VerifyKeyCertification(*certification, nonce, Enrolled(), info).trusted);
  Bytes other = info;
  other.back() ^= 1;
  EXPECT_FALSE(verify::VerifyKeyCertification(*certification, nonce, Enrolled(), other).trusted);
}

TEST_P(AttestationTest, NamesTheNonceWhenItIsOff) {
  for (const std::size_t size : {0U, 15U, 65U}) {
    const auto quote = attestation_->Quote(Soon(), Bytes(size), kAll);
    EXPECT_THAT(quote, Fails(Code::kInvalidArgument, "INVALID_NONCE"));
  }
}

// M-05: what an attacker puts in place of the key is refused and kept.
TEST_P(AttestationTest, RefusesADamagedKeyAndLeavesItAlone) {
  (void)Enrolled();
  const std::string file = root_ / "attestation/ak.pem";
  const Result<tpm::WrappedKey> signing =
      broker_->Run(Soon(), [](tpm::Context& context) { return tpm::CreateKey(context, {}); });
  ASSERT_THAT(signing, IsOk());
  const Bytes intact = *ReadFile(file, 1 << 16);
  Bytes truncated = intact;
  truncated.resize(intact.size() / 2);
  const std::string foreign = tpm::ToTss2Pem(*signing);
  for (const Bytes& bad :
       {truncated, Bytes(), Bytes(100'000, 'x'), Bytes(foreign.begin(), foreign.end())}) {
    Write("attestation/ak.pem", bad);
    Restart();
    EXPECT_EQ(attestation_->Check().level, Health::Level::kFailed);
    EXPECT_THAT(attestation_->Quote(Soon(), Bytes(16), kAll),
                Fails(Code::kFailedPrecondition, "AK_DAMAGED"));
    EXPECT_EQ(*ReadFile(file, 1 << 20), bad);
  }
  std::filesystem::remove(file);
  Write("elsewhere.pem", intact);
  std::filesystem::create_symlink(root_ / "elsewhere.pem", file);
  EXPECT_THAT(attestation_->Quote(Soon(), Bytes(16), kAll),
              Fails(Code::kFailedPrecondition, "AK_DAMAGED"));
  EXPECT_TRUE(std::filesystem::is_symlink(file));
}

}  // namespace
}  // namespace seaworthy::attestation
