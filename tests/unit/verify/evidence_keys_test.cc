#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <list>

#include "seaworthy/verifier.h"
#include "unit/verify/forger.h"
#include "unit/verify/verdict_matchers.h"

namespace seaworthy::verify {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr TPMA_OBJECT kKeyAttributes = TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT |
                                       TPMA_OBJECT_SENSITIVEDATAORIGIN | TPMA_OBJECT_SIGN_ENCRYPT;

// M-54: one verification covers the node and its keys.
class EvidenceKeys : public ::testing::Test {
 protected:
  // Certified by `by` over its nonce; the key's SubjectPublicKeyInfo.
  Bytes Add(Forger& by, TPMA_OBJECT attributes = kKeyAttributes) {
    const SoftwareKey key(EVP_EC_gen("P-256"));
    const TPMT_PUBLIC area = EccArea(key.get(), attributes);
    by.Certify(area);
    const Bytes attested = by.Attested();
    evidence_.keys.push_back({.key_public = Marshal(Tss2_MU_TPMT_PUBLIC_Marshal, area),
                              .ak_public = by.AkPublic(),
                              .attested = attested,
                              .signature = by.Sign(attested)});
    return SubjectPublicKeyInfo(key.get());
  }

  Verdict Judge() const {
    const Verifier verifier = Verifier::Create({}).value();
    return verifier.Verify(evidence_, forger_.nonce, forger_.Ak()).verdict;
  }

  // Not trusted, for this alone, which names the last key.
  void ExpectRefused(const std::string& code) const {
    const Verdict verdict = Judge();
    EXPECT_THAT(verdict, Untrusted(code));
    EXPECT_THAT(verdict.keys, IsEmpty());
    const std::string name = Hex(NameOf(evidence_.keys.back().key_public).value());
    for (const Finding& finding : verdict.findings) {
      if (finding.code != code) continue;
      EXPECT_EQ(finding.key, name);
      EXPECT_THAT(finding.sentence, HasSubstr(name));
    }
  }

  Forger forger_;
  Evidence evidence_ = forger_.Quote();
};

TEST_F(EvidenceKeys, AreProvenAndNamed) {
  EXPECT_THAT(Judge().keys, IsEmpty());
  const std::list<Bytes> keys = {Add(forger_), Add(forger_)};
  const Verdict verdict = Judge();
  EXPECT_THAT(verdict, Trusted());
  ASSERT_EQ(verdict.keys.size(), 2U);
  EXPECT_EQ(verdict.keys[0].name, NameOf(evidence_.keys[0].key_public).value());
  EXPECT_EQ(verdict.keys[0].subject_public_key_info, keys.front());
  EXPECT_EQ(verdict.findings.back().code, "KEY_CERTIFIED");
  EXPECT_EQ(verdict.findings.back().key, Hex(verdict.keys[1].name));
  for (const Bytes& key : keys) EXPECT_TRUE(IsProven(verdict, key));
  EXPECT_FALSE(IsProven(verdict, SubjectPublicKeyInfo(forger_.key.get())));
  EXPECT_FALSE(IsProven(verdict, {}));
  EXPECT_FALSE(IsProven(verdict, Bytes(100, 0x30)));
  Verdict untrusted = verdict;
  untrusted.trusted = false;
  EXPECT_FALSE(IsProven(untrusted, keys.front()));
}

TEST_F(EvidenceKeys, OverAnotherNonceAreRefused) {
  Add(forger_);
  forger_.attest.extraData.buffer[0] ^= 1;
  Add(forger_);
  ExpectRefused("NONCE_MISMATCH");
}

TEST_F(EvidenceKeys, OfAnotherTpmAreRefused) {
  Add(forger_);
  Forger other;
  Add(other);
  ExpectRefused("AK_UNKNOWN");
  // Nor with this node's attestation key put beside it.
  evidence_.keys.back().ak_public = forger_.AkPublic();
  ExpectRefused("SIGNATURE_INVALID");
}

TEST_F(EvidenceKeys, ThatCanLeaveTheirTpmAreRefused) {
  Add(forger_, kKeyAttributes & ~TPMA_OBJECT_FIXEDTPM);
  ExpectRefused("KEY_UNSUITABLE");
}

TEST_F(EvidenceKeys, ThatWereNotCertifiedAreRefused) {
  Add(forger_);
  Add(forger_);
  evidence_.keys.back().key_public = forger_.AkPublic();
  ExpectRefused("KEY_MISMATCH");
  evidence_.keys.back().key_public = {1, 2, 3};
  const Verdict verdict = Judge();
  EXPECT_THAT(verdict, Untrusted("MALFORMED"));
  EXPECT_THAT(verdict.findings.back().sentence, HasSubstr("A key without a name: "));
}

TEST_F(EvidenceKeys, AreCounted) {
  Add(forger_);
  evidence_.keys.resize(kMaxKeys, evidence_.keys.front());
  EXPECT_THAT(Judge(), Trusted());
  evidence_.keys.resize(kMaxKeys + 1, evidence_.keys.front());
  const Verdict verdict = Judge();
  EXPECT_THAT(verdict, Untrusted("KEYS_TOO_MANY"));
  EXPECT_THAT(verdict.keys, IsEmpty());
}

TEST_F(EvidenceKeys, AreProvenOnlyWithTheNode) {
  const Bytes key = Add(forger_);
  evidence_.pcrs.front().digest[0] ^= 1;
  const Verdict verdict = Judge();
  EXPECT_THAT(verdict, Untrusted("PCR_DIGEST_MISMATCH"));
  EXPECT_FALSE(IsProven(verdict, key));
  evidence_.pcrs.front().digest[0] ^= 1;
  Policy policy;
  policy.pcrs[{TPM2_ALG_SHA256, 7}] = {Bytes(32, 1)};
  const Verifier verifier = Verifier::Create(policy).value();
  const Verdict by_policy = verifier.Verify(evidence_, forger_.nonce, forger_.Ak()).verdict;
  EXPECT_THAT(by_policy, Untrusted("PCR_UNEXPECTED"));
  EXPECT_THAT(by_policy.keys, IsEmpty());
}

}  // namespace
}  // namespace seaworthy::verify
