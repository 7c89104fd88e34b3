// What goes in and what is refused; that a TPM opens what comes out is shown with TPMs
// (component/modules/attestation).
#include <gmock/gmock.h>
#include <openssl/err.h>

#include "unit/verify/captures.h"
#include "unit/verify/ek_maker.h"

namespace seaworthy::verify {
namespace {

const Bytes kSecret(32, 0x11);

Bytes Name() { return ReadCapture("ovmf-direct", "ak.name"); }
Bytes RsaEk() { return ReadCapture("ovmf-direct", "ek.pub.tpmt"); }

std::string Refusal(ByteView ek, ByteView name, ByteView secret) {
  return Reason(MakeCredential(ek, name, secret).status());
}

TEST(MakeCredential, HasTheSizesOfTheSpecification) {
  const Credential rsa = MakeCredential(RsaEk(), Name(), kSecret).value();
  EXPECT_EQ(rsa.blob.size(), 2U + 2 + 32 + 2 + 32);
  EXPECT_EQ(rsa.encrypted_secret.size(), 2U + 256);
  const Credential ecc = MakeCredential(EkMaker().Key().public_area, Name(), kSecret).value();
  EXPECT_EQ(ecc.blob.size(), rsa.blob.size());
  EXPECT_EQ(ecc.encrypted_secret.size(), 2U + 2 + 32 + 2 + 32);
}

TEST(MakeCredential, IsAnotherEachTimeAndNeverTheSecret) {
  const Credential first = MakeCredential(RsaEk(), Name(), kSecret).value();
  const Credential second = MakeCredential(RsaEk(), Name(), kSecret).value();
  EXPECT_NE(first.blob, second.blob);
  EXPECT_NE(first.encrypted_secret, second.encrypted_secret);
  EXPECT_EQ(std::ranges::search(first.blob, kSecret).size(), 0U);
}

TEST(MakeCredential, RefusesWhatNoTpmWouldTake) {
  EXPECT_EQ(Refusal(RsaEk(), Name(), Bytes(33)), "SECRET_SIZE");
  EXPECT_EQ(Refusal(RsaEk(), Name(), Bytes(15)), "SECRET_SIZE");
  EXPECT_EQ(Refusal(RsaEk(), Bytes(4), kSecret), "MALFORMED");
  EXPECT_EQ(Refusal(RsaEk(), Bytes(), kSecret), "MALFORMED");
  Bytes longer = Name();
  longer.push_back(0);
  EXPECT_EQ(Refusal(RsaEk(), longer, kSecret), "MALFORMED");
  EXPECT_EQ(Refusal(Bytes(10), Name(), kSecret), "MALFORMED");
  // A signing key protects nothing.
  EXPECT_EQ(Refusal(ReadCapture("ovmf-direct", "ak.pub.tpmt"), Name(), kSecret), "UNSUPPORTED_KEY");
  EkMaker sha1;
  sha1.area.nameAlg = TPM2_ALG_SHA1;
  EXPECT_EQ(Refusal(sha1.Key().public_area, Name(), kSecret), "UNSUPPORTED_HASH");
  EkMaker off_curve;
  off_curve.area.unique.ecc.x.buffer[5] ^= 1;
  EXPECT_EQ(Refusal(Marshal(Tss2_MU_TPMT_PUBLIC_Marshal, off_curve.area), Name(), kSecret),
            "UNSUPPORTED_KEY");
  EXPECT_EQ(ERR_peek_error(), 0U);
}

TEST(IsSecret, TakesTheSameBytesOnly) {
  const Bytes secret = MakeSecret().value();
  EXPECT_EQ(secret.size(), 32U);
  EXPECT_TRUE(IsSecret(secret, secret));
  EXPECT_FALSE(IsSecret(MakeSecret().value(), secret));
  EXPECT_FALSE(IsSecret({}, {}));
  EXPECT_FALSE(IsSecret({}, secret));
  EXPECT_FALSE(IsSecret(ByteView(secret).first(31), secret));
}

}  // namespace
}  // namespace seaworthy::verify
