#include "verify/signature.h"

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <tss2/tss2_tpm2_types.h>

#include <algorithm>

#include "seaworthy/status_macros.h"
#include "verify/digest.h"

namespace seaworthy::verify {
namespace {

using BignumPtr = CPtr<BIGNUM, BN_free>;
using ParamBuilderPtr = CPtr<OSSL_PARAM_BLD, OSSL_PARAM_BLD_free>;
using ParamsPtr = CPtr<OSSL_PARAM, OSSL_PARAM_free>;
using EcdsaSignaturePtr = CPtr<ECDSA_SIG, ECDSA_SIG_free>;

constexpr std::size_t kMinRsaBits = 2048;
constexpr std::size_t kMaxRsaBits = 4096;
constexpr std::uint32_t kDefaultExponent = 65537;

Status Unsupported(const std::string& what) {
  return Fail(Code::kInvalidArgument, "UNSUPPORTED_KEY", what);
}

Status Invalid(const std::string& why) {
  return Fail(Code::kPermissionDenied, "SIGNATURE_INVALID", why);
}

BignumPtr ToBignum(ByteView bytes) {
  return BignumPtr(BN_bin2bn(bytes.data(), static_cast<int>(bytes.size()), nullptr));
}

Result<EvpPkeyPtr> FromParams(const char* type, OSSL_PARAM_BLD* builder) {
  const ParamsPtr params(OSSL_PARAM_BLD_to_param(builder));
  const PkeyContextPtr context(EVP_PKEY_CTX_new_from_name(nullptr, type, nullptr));
  EVP_PKEY* key = nullptr;
  if (params == nullptr || context == nullptr || EVP_PKEY_fromdata_init(context.get()) != 1 ||
      EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_PUBLIC_KEY, params.get()) != 1) {
    return Unsupported(std::string("not a valid public key of type ") + type);
  }
  return EvpPkeyPtr(key);
}

Result<EvpPkeyPtr> ToRsa(const PublicArea& key) {
  if (key.key_bits < kMinRsaBits || key.key_bits > kMaxRsaBits) {
    return Unsupported("RSA key of " + std::to_string(key.key_bits) +
                       " bits; 2048 to 4096 are accepted");
  }
  const std::uint32_t exponent = key.exponent == 0 ? kDefaultExponent : key.exponent;
  if (exponent < kDefaultExponent || exponent % 2 == 0) {
    return Unsupported("RSA exponent " + std::to_string(exponent));
  }
  const BignumPtr modulus = ToBignum(key.modulus);
  if (modulus == nullptr || BN_num_bits(modulus.get()) != key.key_bits) {
    return Unsupported("RSA modulus that has not " + std::to_string(key.key_bits) + " bits");
  }
  const ParamBuilderPtr builder(OSSL_PARAM_BLD_new());
  if (builder == nullptr ||
      OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, modulus.get()) != 1 ||
      OSSL_PARAM_BLD_push_uint32(builder.get(), OSSL_PKEY_PARAM_RSA_E, exponent) != 1) {
    return Fail(Code::kInternal, "OPENSSL", "OSSL_PARAM_BLD failed");
  }
  return FromParams("RSA", builder.get());
}

struct Curve {
  std::uint16_t id;
  const char* group;
  std::size_t size;  // of a coordinate, bytes
};

const Curve* FindCurve(std::uint16_t id) {
  static constexpr Curve kCurves[] = {{TPM2_ECC_NIST_P256, "P-256", 32},
                                      {TPM2_ECC_NIST_P384, "P-384", 48},
                                      {TPM2_ECC_NIST_P521, "P-521", 66}};
  const auto* found = std::ranges::find(kCurves, id, &Curve::id);
  return found == std::end(kCurves) ? nullptr : found;
}

Result<EvpPkeyPtr> ToEc(const PublicArea& key) {
  const Curve* curve = FindCurve(key.curve);
  if (curve == nullptr) {
    return Unsupported("a curve that is not one of P-256, P-384, P-521");
  }
  if (key.x.size() > curve->size || key.y.size() > curve->size) {
    return Unsupported(std::string("coordinates longer than those of ") + curve->group);
  }
  // Uncompressed point, SEC 1, 2.3.3; a TPM may leave off leading zeros.
  Bytes point(1 + 2 * curve->size);
  point[0] = 0x04;
  std::ranges::copy_backward(key.x, point.begin() + 1 + static_cast<long>(curve->size));
  std::ranges::copy_backward(key.y, point.end());
  const ParamBuilderPtr builder(OSSL_PARAM_BLD_new());
  if (builder == nullptr ||
      OSSL_PARAM_BLD_push_utf8_string(builder.get(), OSSL_PKEY_PARAM_GROUP_NAME, curve->group, 0) !=
          1 ||
      OSSL_PARAM_BLD_push_octet_string(builder.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(),
                                       point.size()) != 1) {
    return Fail(Code::kInternal, "OPENSSL", "OSSL_PARAM_BLD failed");
  }
  return FromParams("EC", builder.get());
}

// DER ECDSA-Sig-Value, as OpenSSL takes it.
Bytes ToDer(const Signature& signature) {
  BignumPtr r = ToBignum(signature.r);
  BignumPtr s = ToBignum(signature.s);
  const EcdsaSignaturePtr ecdsa(ECDSA_SIG_new());
  if (r == nullptr || s == nullptr || ecdsa == nullptr ||
      ECDSA_SIG_set0(ecdsa.get(), r.get(), s.get()) != 1) {
    return {};
  }
  // ECDSA_SIG_set0 took both.
  static_cast<void>(r.release());
  static_cast<void>(s.release());
  const int size = i2d_ECDSA_SIG(ecdsa.get(), nullptr);
  if (size <= 0) return {};
  Bytes der(static_cast<std::size_t>(size));
  std::uint8_t* end = der.data();
  i2d_ECDSA_SIG(ecdsa.get(), &end);
  return der;
}

bool Matches(EVP_PKEY* key, const Signature& signature, ByteView digest) {
  const PkeyContextPtr context(EVP_PKEY_CTX_new(key, nullptr));
  if (context == nullptr || EVP_PKEY_verify_init(context.get()) != 1) return false;
  if (EVP_PKEY_CTX_set_signature_md(context.get(), CollisionResistant(signature.hash)) != 1) {
    return false;
  }
  Bytes encoded = signature.rsa;
  if (signature.scheme == TPM2_ALG_ECDSA) {
    encoded = ToDer(signature);
  } else if (signature.scheme == TPM2_ALG_RSASSA) {
    if (EVP_PKEY_CTX_set_rsa_padding(context.get(), RSA_PKCS1_PADDING) != 1) return false;
  } else {
    // TPMs differ in the salt: the digest's size, or the longest that fits (TPM 2.0 part 1,
    // B.7).
    if (EVP_PKEY_CTX_set_rsa_padding(context.get(), RSA_PKCS1_PSS_PADDING) != 1 ||
        EVP_PKEY_CTX_set_rsa_pss_saltlen(context.get(), RSA_PSS_SALTLEN_AUTO) != 1) {
      return false;
    }
  }
  return EVP_PKEY_verify(context.get(), encoded.data(), encoded.size(), digest.data(),
                         digest.size()) == 1;
}

}  // namespace

Result<EvpPkeyPtr> ToOpenssl(const PublicArea& key) {
  const QuietOpenssl quiet;
  return key.type == TPM2_ALG_RSA ? ToRsa(key) : ToEc(key);
}

Result<std::string> ToPem(EVP_PKEY* key) {
  const QuietOpenssl quiet;
  const BioPtr bio(BIO_new(BIO_s_mem()));
  char* text = nullptr;
  if (bio == nullptr || PEM_write_bio_PUBKEY(bio.get(), key) != 1) {
    return Fail(Code::kInternal, "OPENSSL", "PEM_write_bio_PUBKEY failed");
  }
  const long size = BIO_get_mem_data(bio.get(), &text);
  return std::string(text, static_cast<std::size_t>(size));
}

Status CheckSignature(const PublicArea& key, const Signature& signature, ByteView message) {
  const QuietOpenssl quiet;
  if (CollisionResistant(signature.hash) == nullptr) {
    return Invalid("the signature is over a " + HashName(signature.hash) +
                   " digest; sha256, sha384 and sha512 are accepted");
  }
  if (signature.scheme != key.scheme || signature.hash != key.scheme_hash) {
    return Invalid("the signature is not in the scheme and hash that the key is bound to");
  }
  // Also tells that the scheme is one for keys of this type: ECDSA alone has no RSA signature.
  if ((signature.scheme == TPM2_ALG_ECDSA) != (key.type == TPM2_ALG_ECC)) {
    return Invalid("the signature's scheme is not one for a key of this type");
  }
  ASSIGN_OR_RETURN(const EvpPkeyPtr openssl_key, ToOpenssl(key));
  ASSIGN_OR_RETURN(const Bytes digest, Digest(signature.hash, message));
  if (!Matches(openssl_key.get(), signature, digest)) {
    return Invalid("the signature is not one by the attestation key over these bytes");
  }
  return {};
}

}  // namespace seaworthy::verify
