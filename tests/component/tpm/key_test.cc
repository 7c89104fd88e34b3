#include <openssl/evp.h>
#include <openssl/x509.h>

#include <tss2/tss2_esys.h>

#include "component/tpm/fixture.h"
#include "seaworthy/tpm/tss2_pem.h"
#include "tpm/context.h"

namespace seaworthy::tpm {
namespace {

using ::seaworthy::testing::Fails;
using ::seaworthy::testing::IsOk;
using ::testing::Contains;
using ::testing::Not;

class KeyTest : public TpmTest {
 protected:
  Result<Bytes> SignDigest(const WrappedKey& key, SignatureScheme scheme, HashAlgorithm hash) {
    return Run([&](Context& context) {
      return Sign(context, key, scheme, hash, Bytes(DigestSize(hash), 0x5a));
    });
  }

  // OpenSSL as the judge. `salt_length` is for RSASSA-PSS.
  bool Verifies(const WrappedKey& key, SignatureScheme scheme, HashAlgorithm hash,
                const Bytes& signature) {
    const PublicKey read = *ReadPublicKey(key);
    const unsigned char* at = read.subject_public_key_info.data();
    const CPtr<EVP_PKEY, EVP_PKEY_free> pkey(
        d2i_PUBKEY(nullptr, &at, static_cast<long>(read.subject_public_key_info.size())));
    const CPtr<EVP_PKEY_CTX, EVP_PKEY_CTX_free> context(EVP_PKEY_CTX_new(pkey.get(), nullptr));
    const Bytes digest(DigestSize(hash), 0x5a);
    bool ok = EVP_PKEY_verify_init(context.get()) == 1;
    if (scheme == SignatureScheme::kRsaPss) {
      ok = ok && EVP_PKEY_CTX_set_rsa_padding(context.get(), RSA_PKCS1_PSS_PADDING) == 1 &&
           EVP_PKEY_CTX_set_rsa_pss_saltlen(context.get(), RSA_PSS_SALTLEN_DIGEST) == 1;
    }
    ok = ok && EVP_PKEY_CTX_set_signature_md(
                   context.get(), EVP_get_digestbyname(std::string(ToString(hash)).c_str())) == 1;
    return ok && EVP_PKEY_verify(context.get(), signature.data(), signature.size(), digest.data(),
                                 digest.size()) == 1;
  }

  HandleCounts Handles() {
    return *Run([](Context& context) { return CountHandles(context); });
  }
};

class EachAlgorithm : public KeyTest, public ::testing::WithParamInterface<KeyAlgorithm> {};

INSTANTIATE_TEST_SUITE_P(Keys, EachAlgorithm,
                         ::testing::Values(KeyAlgorithm::kEcP256, KeyAlgorithm::kEcP384,
                                           KeyAlgorithm::kRsa2048, KeyAlgorithm::kRsa3072),
                         [](const auto& param) { return std::string(ToString(param.param)); });

TEST_P(EachAlgorithm, SignsWithWhatItCan) {
  const Result<WrappedKey> key = Make({.algorithm = GetParam()});
  ASSERT_THAT(key, IsOk());
  const bool ec = GetParam() == KeyAlgorithm::kEcP256 || GetParam() == KeyAlgorithm::kEcP384;
  for (const HashAlgorithm hash :
       {HashAlgorithm::kSha256, HashAlgorithm::kSha384, HashAlgorithm::kSha512}) {
    for (const SignatureScheme scheme :
         {SignatureScheme::kEcdsa, SignatureScheme::kRsaPkcs1, SignatureScheme::kRsaPss}) {
      const Result<Bytes> signature = SignDigest(*key, scheme, hash);
      if ((scheme == SignatureScheme::kEcdsa) != ec) {
        EXPECT_THAT(signature, Fails(Code::kInvalidArgument, "SCHEME_MISMATCH"));
        continue;
      }
      ASSERT_THAT(signature, IsOk());
      EXPECT_TRUE(Verifies(*key, scheme, hash, *signature));
    }
  }
}

TEST_P(EachAlgorithm, CannotLeaveTheTpm) {
  const Result<WrappedKey> key = Make({.algorithm = GetParam()});
  ASSERT_THAT(key, IsOk());
  const Result<PublicKey> read = ReadPublicKey(*key);
  ASSERT_THAT(read, IsOk());
  EXPECT_EQ(read->algorithm, GetParam());
  EXPECT_THAT(read->attributes,
              ::testing::UnorderedElementsAre("fixedTPM", "fixedParent", "sensitiveDataOrigin",
                                              "userWithAuth", "noDA", "sign"));
}

TEST_P(EachAlgorithm, SurvivesItsPem) {
  const Result<WrappedKey> key = Make({.algorithm = GetParam()});
  ASSERT_THAT(key, IsOk());
  const Result<WrappedKey> back = ParseTss2Pem(ToTss2Pem(*key));
  ASSERT_THAT(back, IsOk());
  EXPECT_EQ(back->public_area, key->public_area);
  EXPECT_EQ(back->private_area, key->private_area);
  EXPECT_FALSE(back->policy.has_value());
}

TEST_F(KeyTest, ReadPublicOfOthersAgrees) {
  const Result<WrappedKey> key = Make({});
  ASSERT_THAT(key, IsOk());
  ASSERT_THAT(ReplaceFile(root_ / "key.pub", key->public_area, 0600), IsOk());
  ASSERT_THAT(ReplaceFile(root_ / "key.priv", key->private_area, 0600), IsOk());
  ASSERT_TRUE(
      Shell("tpm2_load -C 0x81000001 -u key.pub -r key.priv -c key.ctx && "
            "tpm2_readpublic -c key.ctx -n name.bin > out.txt"))
      << FileText("shell.log");
  EXPECT_EQ(Hex(AsBytes(FileText("name.bin"))), Hex(ReadPublicKey(*key)->name));
  EXPECT_NE(
      FileText("out.txt").find("fixedtpm|fixedparent|sensitivedataorigin|userwithauth|noda|sign"),
      std::string::npos)
      << FileText("out.txt");
}

TEST_F(KeyTest, PolicyBindsToPcrs) {
  const PcrSelection selection{HashAlgorithm::kSha256, 1U << 0 | 1U << 16};
  const Result<WrappedKey> key = Make({.policy = selection});
  ASSERT_THAT(key, IsOk());
  EXPECT_THAT(ReadPublicKey(*key)->attributes, Not(Contains("userWithAuth")));
  const Result<WrappedKey> back = ParseTss2Pem(ToTss2Pem(*key));
  ASSERT_THAT(back, IsOk());
  ASSERT_TRUE(back->policy.has_value());
  EXPECT_EQ(back->policy->selection, selection);
  EXPECT_THAT(SignDigest(*back, SignatureScheme::kEcdsa, HashAlgorithm::kSha256), IsOk());
  EXPECT_EQ(Handles().sessions, 0U);

  ASSERT_TRUE(
      Shell("tpm2_pcrextend 16:sha256="
            "0000000000000000000000000000000000000000000000000000000000000001"));
  const Result<Bytes> refused = SignDigest(*back, SignatureScheme::kEcdsa, HashAlgorithm::kSha256);
  EXPECT_THAT(refused, Fails(Code::kFailedPrecondition, "PCR_POLICY_UNMET"));
  EXPECT_NE(Message(refused.status()).find("sha256:0,16"), std::string::npos);

  // The policy left out does not open the key by its empty auth value.
  WrappedKey stripped = *back;
  stripped.policy.reset();
  EXPECT_EQ(SignDigest(stripped, SignatureScheme::kEcdsa, HashAlgorithm::kSha256).status().code(),
            Code::kPermissionDenied);
  EXPECT_EQ(Handles().sessions, 0U);
}

TEST_F(KeyTest, PolicyDigestComputedOffLineEqualsTheTpms) {
  const Result<WrappedKey> key =
      Make({.policy = PcrSelection{HashAlgorithm::kSha256, 1U << 7 | 1U << 11 | 1U << 23}});
  ASSERT_THAT(key, IsOk());
  ASSERT_TRUE(
      Shell("tpm2_startauthsession -S s.ctx && tpm2_policypcr -S s.ctx "
            "-l sha256:7,11,23 -L policy.bin && tpm2_flushcontext s.ctx"))
      << FileText("shell.log");
  EXPECT_EQ(Hex(AsBytes(FileText("policy.bin"))), Hex(PcrPolicyDigest(*key->policy)));
}

// M-02: a key file of another node.
TEST_F(KeyTest, RefusesAKeyOfAnotherTpm) {
  const Result<WrappedKey> key = Make({});
  ASSERT_THAT(key, IsOk());
  broker_->Close();
  swtpm_.Replace();
  std::filesystem::remove(root_ / "tpm/srk.name");
  EXPECT_THAT(SignDigest(*key, SignatureScheme::kEcdsa, HashAlgorithm::kSha256),
              Fails(Code::kFailedPrecondition, "KEY_NOT_OF_THIS_TPM"));
}

TEST_F(KeyTest, SaysWhatIsWrongWithADigest) {
  const Result<WrappedKey> key = Make({});
  ASSERT_THAT(key, IsOk());
  EXPECT_THAT(Run([&](Context& context) {
                return Sign(context, *key, SignatureScheme::kEcdsa, HashAlgorithm::kSha256,
                            Bytes(31));
              }),
              Fails(Code::kInvalidArgument, "DIGEST_SIZE"));
}

TEST_F(KeyTest, LeavesNothingInTheTpmButTheKeptKey) {
  const HandleCounts before = Handles();
  EXPECT_EQ(before.transient, 0U);
  const Result<WrappedKey> ak = Make({.restricted = true});
  ASSERT_THAT(ak, IsOk());
  EXPECT_EQ(Handles().transient, 0U);
  std::vector<WrappedKey> keys;
  for (int i = 0; i < 6; ++i) keys.push_back(*Make({}));
  for (int i = 0; i < 30; ++i) {
    ASSERT_THAT(SignDigest(keys[std::size_t(i) % keys.size()], SignatureScheme::kEcdsa,
                           HashAlgorithm::kSha256),
                IsOk());
    ASSERT_THAT(Run([&](Context& context) {
                  return Certify(context, *ak, keys[std::size_t(i) % keys.size()], Bytes(16));
                }),
                IsOk());
    ASSERT_THAT(Run([&](Context& context) {
                  return MakeQuote(context, *ak, Bytes(16), {{HashAlgorithm::kSha256, kAllPcrs}});
                }),
                IsOk());
    EXPECT_EQ(Handles().transient, 1U);
    EXPECT_EQ(Handles().sessions, 0U);
  }
  broker_->Close();
  const HandleCounts after = Handles();
  EXPECT_EQ(after.transient, 0U);
  EXPECT_EQ(after.sessions, before.sessions);
  EXPECT_EQ(after.persistent, before.persistent);
  EXPECT_EQ(after.nv_indices, before.nv_indices);
}

// A daemon that was killed flushed nothing; on a bare TPM its key still holds a slot.
TEST_F(KeyTest, TakesBackTheSlotsOfAnEarlierLife) {
  ASSERT_TRUE(Shell("for i in 1 2 3; do tpm2_createprimary -C o -G ecc -c $i.ctx; done"))
      << FileText("shell.log");
  const Result<WrappedKey> key = Make({});
  ASSERT_THAT(key, IsOk());
  EXPECT_THAT(SignDigest(*key, SignatureScheme::kEcdsa, HashAlgorithm::kSha256), IsOk());
  EXPECT_EQ(Handles().transient, 1U);
}

// noDA: a power cut while a key is in use is no failed try at guessing an auth value.
TEST_F(KeyTest, PowerCutsDoNotLockTheTpm) {
  const Result<WrappedKey> key = Make({});
  ASSERT_THAT(key, IsOk());
  for (int cut = 0; cut < 5; ++cut) {
    ASSERT_THAT(SignDigest(*key, SignatureScheme::kEcdsa, HashAlgorithm::kSha256), IsOk());
    swtpm_.Kill();
    swtpm_.Start();
    (void)SignDigest(*key, SignatureScheme::kEcdsa, HashAlgorithm::kSha256);
  }
  const Result<Properties> properties =
      Run([](Context& context) { return ReadProperties(context); });
  ASSERT_THAT(properties, IsOk());
  EXPECT_EQ(properties->lockout_failures, 0U);
  EXPECT_FALSE(properties->in_lockout);
}

TEST_F(KeyTest, RestrictedKeysSignNothingForeign) {
  const Result<WrappedKey> ak = Make({.restricted = true});
  ASSERT_THAT(ak, IsOk());
  EXPECT_FALSE(SignDigest(*ak, SignatureScheme::kEcdsa, HashAlgorithm::kSha256).ok());
}

TEST_F(KeyTest, QuotesPcrsOfTheSameMoment) {
  for (const KeyAlgorithm algorithm : {KeyAlgorithm::kEcP256, KeyAlgorithm::kRsa2048}) {
    const Result<WrappedKey> ak = Make({.algorithm = algorithm, .restricted = true});
    ASSERT_THAT(ak, IsOk());
    const Result<Quote> quote = Run([&](Context& context) {
      return MakeQuote(
          context, *ak, Bytes(32, 1),
          {{HashAlgorithm::kSha256, kAllPcrs}, {HashAlgorithm::kSha384, 1U << 3 | 1U << 9}});
    });
    ASSERT_THAT(quote, IsOk());
    ASSERT_EQ(quote->pcrs.size(), 26U);
    EXPECT_EQ(quote->pcrs[23].index, 23U);
    EXPECT_EQ(quote->pcrs[25].index, 9U);
    EXPECT_EQ(quote->pcrs[25].digest.size(), 48U);
  }
}

// The values that one quote read serve the next, but never past a change of the PCRs.
TEST_F(KeyTest, QuotesShowWhatPcrsHoldNow) {
  const Result<WrappedKey> ak = Make({.restricted = true});
  ASSERT_THAT(ak, IsOk());
  const auto quoted = [&](const std::vector<PcrSelection>& selections) {
    const Result<Quote> quote =
        Run([&](Context& context) { return MakeQuote(context, *ak, Bytes(16), selections); });
    EXPECT_THAT(quote, IsOk());
    return quote.ok() ? quote->pcrs : std::vector<PcrValue>();
  };
  const std::vector<PcrSelection> both = {{HashAlgorithm::kSha256, 1U << 15 | 1U << 16}};
  const std::vector<PcrSelection> one = {{HashAlgorithm::kSha256, 1U << 16}};
  const std::vector<PcrValue> before = quoted(both);
  EXPECT_EQ(quoted(both), before);
  ASSERT_THAT(Run([&](Context& context) {
                TPML_DIGEST_VALUES digests = {};
                digests.count = 1;
                digests.digests[0].hashAlg = TPM2_ALG_SHA256;
                return context.Check(
                    Esys_PCR_Extend(context.esys(), ESYS_TR_PCR16, ESYS_TR_PASSWORD, ESYS_TR_NONE,
                                    ESYS_TR_NONE, &digests),
                    "TPM2_PCR_Extend");
              }),
              IsOk());
  const std::vector<PcrValue> after = quoted(both);
  ASSERT_EQ(after.size(), 2U);
  EXPECT_EQ(after[0], before[0]);
  EXPECT_NE(after[1], before[1]);
  EXPECT_EQ(quoted(one), std::vector<PcrValue>{after[1]});
}

TEST_F(KeyTest, SaysWhichBankIsMissing) {
  ASSERT_TRUE(Shell("tpm2_pcrallocate sha256:all+sha1:none+sha384:none+sha512:none"));
  swtpm_.Kill();
  swtpm_.Start();
  const auto read =
      Run([](Context& context) { return ReadPcrs(context, {{HashAlgorithm::kSha384, 1U << 3}}); });
  EXPECT_THAT(read, Fails(Code::kInvalidArgument, "PCR_BANK_NOT_ALLOCATED"));
  EXPECT_NE(Message(read.status()).find("sha384:3"), std::string::npos);
}

}  // namespace
}  // namespace seaworthy::tpm
