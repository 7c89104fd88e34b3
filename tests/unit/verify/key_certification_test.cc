#include "unit/verify/captures.h"
#include "unit/verify/forger.h"
#include "unit/verify/verdict_matchers.h"

namespace seaworthy::verify {
namespace {

using ::testing::ElementsAre;

constexpr TPMA_OBJECT kKeyAttributes = TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT |
                                       TPMA_OBJECT_SENSITIVEDATAORIGIN | TPMA_OBJECT_SIGN_ENCRYPT;

// tpm2_certify's own.
const Bytes kNonce = {0x00, 0xff, 0x55, 0xaa};

struct CertifiedKey {
  KeyCertification certification;
  EnrolledKey ak;
  Bytes subject_public_key_info;
};

CertifiedKey ReadCertification(const std::string& folder) {
  return {.certification = {.key_public = ReadCapture(folder, "key.pub.tpmt"),
                            .ak_public = ReadCapture(folder, "ak.pub.tpmt"),
                            .attested = ReadCapture(folder, "certify.msg"),
                            .signature = ReadCapture(folder, "certify.sig")},
          .ak = {ReadCapture(folder, "ak.name")},
          .subject_public_key_info = ReadCapture(folder, "key.pub.der")};
}

Verdict Judge(const CertifiedKey& key) {
  return VerifyKeyCertification(key.certification, kNonce, key.ak, key.subject_public_key_info);
}

class Certification : public ::testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(Captures, Certification, ::testing::ValuesIn(SwtpmFolders()), TestName);

TEST_P(Certification, IsTrusted) {
  const Verdict verdict = Judge(ReadCertification(GetParam()));
  EXPECT_THAT(verdict, Trusted());
  EXPECT_THAT(Codes(verdict, Severity::kInfo),
              ElementsAre("AK_KNOWN", "AK_SUITABLE", "SIGNATURE_VALID", "TPM_GENERATED",
                          "NONCE_MATCHES", "KEY_CERTIFIED", "KEY_SUITABLE", "KEY_MATCHES"));
  const CertifiedKey key = ReadCertification(GetParam());
  ASSERT_EQ(verdict.keys.size(), 1U);
  EXPECT_EQ(verdict.keys[0].name, NameOf(key.certification.key_public).value());
  EXPECT_EQ(verdict.keys[0].subject_public_key_info, key.subject_public_key_info);
}

TEST_P(Certification, IsUntrustedWithAnyByteFlippedOrLeftOff) {
  const CertifiedKey key = ReadCertification(GetParam());
  for (const auto part : {&KeyCertification::key_public, &KeyCertification::ak_public,
                          &KeyCertification::attested, &KeyCertification::signature}) {
    for (std::size_t i = 0; i < (key.certification.*part).size(); ++i) {
      CertifiedKey changed = key;
      (changed.certification.*part)[i] ^= 0x01;
      EXPECT_THAT(Judge(changed), UntrustedForAReason()) << "byte " << i;
      (changed.certification.*part).resize(i);
      EXPECT_THAT(Judge(changed), UntrustedForAReason()) << i << " bytes";
    }
  }
}

TEST(VerifyKeyCertification, AnotherKeyDoesNotMatch) {
  CertifiedKey key = ReadCertification("swtpm-ecdsa-p256");
  const CertifiedKey other = ReadCertification("swtpm-ecdsa-p384");
  key.subject_public_key_info = other.subject_public_key_info;
  EXPECT_THAT(Judge(key), Untrusted("KEY_MISMATCH"));
  key.certification.key_public = other.certification.key_public;
  EXPECT_THAT(Judge(key), Untrusted("KEY_MISMATCH"));
}

TEST(VerifyKeyCertification, NeedsNoSubject) {
  CertifiedKey key = ReadCertification("swtpm-ecdsa-p256");
  key.subject_public_key_info.clear();
  const Verdict verdict = Judge(key);
  EXPECT_THAT(verdict, Trusted());
  EXPECT_EQ(verdict.findings.back().code, "KEY_SUITABLE");
}

TEST(VerifyKeyCertification, SubjectThatIsNoKeyIsMalformed) {
  CertifiedKey key = ReadCertification("swtpm-ecdsa-p256");
  key.subject_public_key_info.push_back(0);
  EXPECT_THAT(Judge(key), Untrusted("MALFORMED"));
  key.subject_public_key_info.resize(20);
  EXPECT_THAT(Judge(key), Untrusted("MALFORMED"));
  key.subject_public_key_info.assign(10'000, 0x30);
  EXPECT_THAT(Judge(key), Untrusted("MALFORMED"));
}

TEST(VerifyKeyCertification, CertifiedKeyThatIsNoneIsMalformed) {
  CertifiedKey key = ReadCertification("swtpm-ecdsa-p256");
  key.certification.key_public.clear();
  EXPECT_THAT(Judge(key), Untrusted("MALFORMED"));
}

TEST(VerifyKeyCertification, WrongNonceIsTold) {
  const CertifiedKey key = ReadCertification("swtpm-ecdsa-p256");
  EXPECT_THAT(VerifyKeyCertification(key.certification, Bytes(16), key.ak, {}),
              Untrusted("NONCE_MISMATCH"));
  EXPECT_THAT(VerifyKeyCertification(key.certification, {}, key.ak, {}),
              Untrusted("NONCE_MISSING"));
}

TEST(VerifyKeyCertification, AnotherAkIsUnknown) {
  CertifiedKey key = ReadCertification("swtpm-ecdsa-p256");
  key.ak = ReadCertification("swtpm-ecdsa-p384").ak;
  EXPECT_THAT(Judge(key), Untrusted("AK_UNKNOWN"));
}

TEST(VerifyKeyCertification, QuoteIsNoCertification) {
  const CertifiedKey key = ReadCertification("swtpm-ecdsa-p256");
  const Capture quote = ReadQuote("swtpm-ecdsa-p256");
  EXPECT_THAT(VerifyKeyCertification({.key_public = key.certification.key_public,
                                      .ak_public = key.certification.ak_public,
                                      .attested = quote.evidence.quoted,
                                      .signature = quote.evidence.signature},
                                     quote.nonce, key.ak, {}),
              Untrusted("WRONG_TYPE"));
}

Verdict JudgeForged(const TPMT_PUBLIC& certified, const Bytes& subject_public_key_info = {}) {
  Forger forger;
  forger.Certify(certified);
  const Bytes attested = forger.Attested();
  return VerifyKeyCertification({.key_public = Marshal(Tss2_MU_TPMT_PUBLIC_Marshal, certified),
                                 .ak_public = forger.AkPublic(),
                                 .attested = attested,
                                 .signature = forger.Sign(attested)},
                                forger.nonce, forger.Ak(), subject_public_key_info);
}

TEST(VerifyKeyCertification, KeyThatCanLeaveItsTpmIsUnsuitable) {
  const SoftwareKey key(EVP_EC_gen("P-256"));
  EXPECT_THAT(JudgeForged(EccArea(key.get(), kKeyAttributes)), Trusted());
  for (const TPMA_OBJECT attribute :
       {TPMA_OBJECT_FIXEDTPM, TPMA_OBJECT_FIXEDPARENT, TPMA_OBJECT_SENSITIVEDATAORIGIN}) {
    EXPECT_THAT(JudgeForged(EccArea(key.get(), kKeyAttributes & ~attribute)),
                Untrusted("KEY_UNSUITABLE"))
        << attribute;
  }
}

TEST(VerifyKeyCertification, WeakKeyIsUnsuitable) {
  const SoftwareKey key(EVP_RSA_gen(1024));
  EXPECT_THAT(JudgeForged(RsaArea(key.get()), SubjectPublicKeyInfo(key.get())),
              Untrusted("KEY_UNSUITABLE"));
  EXPECT_THAT(JudgeForged(RsaArea(key.get())), Untrusted("KEY_UNSUITABLE"));
}

}  // namespace
}  // namespace seaworthy::verify
