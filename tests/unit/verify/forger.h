// Evidence by a key in software: what an attacker can make, and what no TPM would.
#pragma once

#include <gtest/gtest.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <tss2/tss2_mu.h>

#include <algorithm>
#include <string>

#include "seaworthy/handle.h"
#include "seaworthy/verify.h"

namespace seaworthy::verify {

using SoftwareKey = CPtr<EVP_PKEY, EVP_PKEY_free>;

inline constexpr TPMA_OBJECT kAkAttributes = TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT |
                                             TPMA_OBJECT_SENSITIVEDATAORIGIN |
                                             TPMA_OBJECT_RESTRICTED | TPMA_OBJECT_SIGN_ENCRYPT;

template <class T>
Bytes Marshal(TSS2_RC (*marshal)(const T*, std::uint8_t*, std::size_t, std::size_t*),
              const T& structure) {
  Bytes bytes(4096);
  std::size_t size = 0;
  EXPECT_EQ(marshal(&structure, bytes.data(), bytes.size(), &size), TSS2_RC_SUCCESS);
  bytes.resize(size);
  return bytes;
}

inline Bytes SubjectPublicKeyInfo(EVP_PKEY* key) {
  std::uint8_t* der = nullptr;
  const int size = i2d_PUBKEY(key, &der);
  EXPECT_GT(size, 0);
  Bytes bytes(der, der + size);
  OPENSSL_free(der);
  return bytes;
}

// TPMT_PUBLIC of an EC P-256 key, ECDSA with SHA-256.
inline TPMT_PUBLIC EccArea(EVP_PKEY* key, TPMA_OBJECT attributes = kAkAttributes) {
  // The uncompressed point ends the SubjectPublicKeyInfo.
  const Bytes der = SubjectPublicKeyInfo(key);
  TPMT_PUBLIC area = {};
  area.type = TPM2_ALG_ECC;
  area.nameAlg = TPM2_ALG_SHA256;
  area.objectAttributes = attributes;
  area.parameters.eccDetail.symmetric.algorithm = TPM2_ALG_NULL;
  area.parameters.eccDetail.scheme.scheme = TPM2_ALG_ECDSA;
  area.parameters.eccDetail.scheme.details.ecdsa.hashAlg = TPM2_ALG_SHA256;
  area.parameters.eccDetail.curveID = TPM2_ECC_NIST_P256;
  area.parameters.eccDetail.kdf.scheme = TPM2_ALG_NULL;
  area.unique.ecc.x.size = area.unique.ecc.y.size = 32;
  std::copy_n(der.end() - 64, 32, area.unique.ecc.x.buffer);
  std::copy_n(der.end() - 32, 32, area.unique.ecc.y.buffer);
  return area;
}

// TPMT_PUBLIC of an RSA key, RSASSA with SHA-256.
inline TPMT_PUBLIC RsaArea(EVP_PKEY* key) {
  TPMT_PUBLIC area = {};
  area.type = TPM2_ALG_RSA;
  area.nameAlg = TPM2_ALG_SHA256;
  area.objectAttributes = kAkAttributes;
  area.parameters.rsaDetail.symmetric.algorithm = TPM2_ALG_NULL;
  area.parameters.rsaDetail.scheme.scheme = TPM2_ALG_RSASSA;
  area.parameters.rsaDetail.scheme.details.rsassa.hashAlg = TPM2_ALG_SHA256;
  area.parameters.rsaDetail.keyBits = static_cast<UINT16>(EVP_PKEY_get_bits(key));
  BIGNUM* modulus = nullptr;
  EXPECT_EQ(EVP_PKEY_get_bn_param(key, "n", &modulus), 1);
  area.unique.rsa.size = static_cast<UINT16>(BN_bn2bin(modulus, area.unique.rsa.buffer));
  BN_free(modulus);
  return area;
}

// The attestation is whole and right until a test changes a part and signs again.
struct Forger {
  SoftwareKey key{EVP_EC_gen("P-256")};
  TPMT_PUBLIC area = EccArea(key.get());
  TPMS_ATTEST attest = {};
  UINT16 signature_hash = TPM2_ALG_SHA256;
  Bytes nonce = Bytes(20, 0x5a);
  std::vector<PcrValue> pcrs = {{TPM2_ALG_SHA256, 7, Bytes(32, 0x11)}};

  Forger() {
    attest.magic = TPM2_GENERATED_VALUE;
    attest.type = TPM2_ST_ATTEST_QUOTE;
    attest.extraData.size = static_cast<UINT16>(nonce.size());
    std::ranges::copy(nonce, attest.extraData.buffer);
    TPMS_QUOTE_INFO& quote = attest.attested.quote;
    quote.pcrSelect.count = 1;
    quote.pcrSelect.pcrSelections[0] = {TPM2_ALG_SHA256, 3, {0x80, 0, 0, 0}};
    SetPcrDigest(pcrs[0].digest);
  }

  void UseKey(SoftwareKey other) {
    key = std::move(other);
    area = EVP_PKEY_get_base_id(key.get()) == EVP_PKEY_EC ? EccArea(key.get()) : RsaArea(key.get());
  }

  // Of these values one after the other.
  void SetPcrDigest(ByteView values) {
    TPM2B_DIGEST& digest = attest.attested.quote.pcrDigest;
    digest.size = 32;
    EXPECT_EQ(
        EVP_Digest(values.data(), values.size(), digest.buffer, nullptr, EVP_sha256(), nullptr), 1);
  }

  void Certify(const TPMT_PUBLIC& certified) {
    attest.type = TPM2_ST_ATTEST_CERTIFY;
    attest.attested = {};
    const Bytes name = NameOf(Marshal(Tss2_MU_TPMT_PUBLIC_Marshal, certified)).value();
    attest.attested.certify.name.size = static_cast<UINT16>(name.size());
    std::ranges::copy(name, attest.attested.certify.name.name);
  }

  // tss2-mu does not marshal a wrong magic or type, so these are put in afterwards.
  Bytes Attested() const {
    TPMS_ATTEST sound = attest;
    sound.magic = TPM2_GENERATED_VALUE;
    Bytes bytes = Marshal(Tss2_MU_TPMS_ATTEST_Marshal, sound);
    for (int i = 0; i < 4; ++i) {
      bytes[static_cast<std::size_t>(i)] = static_cast<std::uint8_t>(attest.magic >> (24 - 8 * i));
    }
    return bytes;
  }

  Bytes AkPublic() const { return Marshal(Tss2_MU_TPMT_PUBLIC_Marshal, area); }

  EnrolledKey Ak() const {
    const Result<Bytes> name = NameOf(AkPublic());
    return {name.ok() ? *name : Bytes()};
  }

  Bytes Sign(ByteView message) const {
    const EVP_MD* md = signature_hash == TPM2_ALG_SHA1     ? EVP_sha1()
                       : signature_hash == TPM2_ALG_SHA384 ? EVP_sha384()
                                                           : EVP_sha256();
    const CPtr<EVP_MD_CTX, EVP_MD_CTX_free> context(EVP_MD_CTX_new());
    std::size_t size = 1024;
    Bytes raw(size);
    EXPECT_EQ(EVP_DigestSignInit(context.get(), nullptr, md, nullptr, key.get()), 1);
    EXPECT_EQ(EVP_DigestSign(context.get(), raw.data(), &size, message.data(), message.size()), 1);
    raw.resize(size);
    TPMT_SIGNATURE signature = {};
    if (EVP_PKEY_get_base_id(key.get()) == EVP_PKEY_EC) {
      const std::uint8_t* at = raw.data();
      const CPtr<ECDSA_SIG, ECDSA_SIG_free> ecdsa(
          d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(raw.size())));
      TPMS_SIGNATURE_ECC& out = signature.signature.ecdsa;
      signature.sigAlg = TPM2_ALG_ECDSA;
      out.hash = signature_hash;
      out.signatureR.size = out.signatureS.size = 32;
      EXPECT_EQ(BN_bn2binpad(ECDSA_SIG_get0_r(ecdsa.get()), out.signatureR.buffer, 32), 32);
      EXPECT_EQ(BN_bn2binpad(ECDSA_SIG_get0_s(ecdsa.get()), out.signatureS.buffer, 32), 32);
    } else {
      TPMS_SIGNATURE_RSA& out = signature.signature.rsassa;
      signature.sigAlg = TPM2_ALG_RSASSA;
      out.hash = signature_hash;
      out.sig.size = static_cast<UINT16>(raw.size());
      std::ranges::copy(raw, out.sig.buffer);
    }
    return Marshal(Tss2_MU_TPMT_SIGNATURE_Marshal, signature);
  }

  Evidence Quote() const {
    const Bytes quoted = Attested();
    return {AkPublic(), quoted, Sign(quoted), pcrs};
  }

  Verdict VerifyForged() const { return VerifyQuote(Quote(), nonce, Ak()); }
};

}  // namespace seaworthy::verify
