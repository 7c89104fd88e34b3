#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/x509.h>

#include "seaworthy/handle.h"
#include "seaworthy/status_macros.h"
#include "tpm/digest.h"
#include "tpm/marshal.h"
#include "tpm/public_key.h"

namespace seaworthy::tpm {
namespace {

using ParamsPtr = CPtr<OSSL_PARAM, OSSL_PARAM_free>;
using BuilderPtr = CPtr<OSSL_PARAM_BLD, OSSL_PARAM_BLD_free>;
using BignumPtr = CPtr<BIGNUM, BN_free>;

constexpr std::uint32_t kDefaultExponent = 65537;  // part 2, 12.2.3.5: 0 stands for it

Status Invalid(std::string_view why) {
  return Fail(Code::kInvalidArgument, "INVALID_TPM_PUBLIC", "TPM public area " + std::string(why));
}

Result<KeyAlgorithm> AlgorithmOf(const TPMT_PUBLIC& area) {
  if (area.type == TPM2_ALG_ECC) {
    if (area.parameters.eccDetail.curveID == TPM2_ECC_NIST_P256) return KeyAlgorithm::kEcP256;
    if (area.parameters.eccDetail.curveID == TPM2_ECC_NIST_P384) return KeyAlgorithm::kEcP384;
    return Invalid("has a curve other than P-256 and P-384");
  }
  if (area.type == TPM2_ALG_RSA) {
    if (area.parameters.rsaDetail.keyBits == 2048) return KeyAlgorithm::kRsa2048;
    if (area.parameters.rsaDetail.keyBits == 3072) return KeyAlgorithm::kRsa3072;
    return Invalid("has an RSA size other than 2048 and 3072");
  }
  return Invalid("is neither an EC nor an RSA key");
}

bool PushEcPoint(OSSL_PARAM_BLD* builder, const TPMT_PUBLIC& area, Bytes& point) {
  const std::size_t size = area.parameters.eccDetail.curveID == TPM2_ECC_NIST_P256 ? 32 : 48;
  const TPMS_ECC_POINT& ecc = area.unique.ecc;
  if (ecc.x.size > size || ecc.y.size > size) return false;
  // Uncompressed, SEC 1 2.3.3; TPMs may leave leading zeros out.
  point.assign(1 + 2 * size, 0);
  point[0] = 0x04;
  std::copy_n(ecc.x.buffer, ecc.x.size,
              point.begin() + 1 + static_cast<std::ptrdiff_t>(size - ecc.x.size));
  std::copy_n(ecc.y.buffer, ecc.y.size, point.end() - ecc.y.size);
  return OSSL_PARAM_BLD_push_utf8_string(builder, OSSL_PKEY_PARAM_GROUP_NAME,
                                         size == 32 ? "prime256v1" : "secp384r1", 0) == 1 &&
         OSSL_PARAM_BLD_push_octet_string(builder, OSSL_PKEY_PARAM_PUB_KEY, point.data(),
                                          point.size()) == 1;
}

std::vector<std::string> AttributeNames(TPMA_OBJECT attributes) {
  // Part 2, 8.3.
  constexpr std::pair<TPMA_OBJECT, const char*> kNames[] = {
      {TPMA_OBJECT_FIXEDTPM, "fixedTPM"},
      {TPMA_OBJECT_STCLEAR, "stClear"},
      {TPMA_OBJECT_FIXEDPARENT, "fixedParent"},
      {TPMA_OBJECT_SENSITIVEDATAORIGIN, "sensitiveDataOrigin"},
      {TPMA_OBJECT_USERWITHAUTH, "userWithAuth"},
      {TPMA_OBJECT_ADMINWITHPOLICY, "adminWithPolicy"},
      {TPMA_OBJECT_NODA, "noDA"},
      {TPMA_OBJECT_ENCRYPTEDDUPLICATION, "encryptedDuplication"},
      {TPMA_OBJECT_RESTRICTED, "restricted"},
      {TPMA_OBJECT_DECRYPT, "decrypt"},
      {TPMA_OBJECT_SIGN_ENCRYPT, "sign"},
  };
  std::vector<std::string> names;
  for (const auto& [bit, name] : kNames) {
    if ((attributes & bit) != 0) names.emplace_back(name);
  }
  return names;
}

}  // namespace

Result<OpensslKey> ToOpenssl(const TPMT_PUBLIC& area) {
  const BuilderPtr builder(OSSL_PARAM_BLD_new());
  const bool ec = area.type == TPM2_ALG_ECC;
  Bytes point;
  BignumPtr modulus;
  BignumPtr exponent(BN_new());
  bool ok = false;
  if (ec) {
    ok = PushEcPoint(builder.get(), area, point);
  } else {
    const TPM2B_PUBLIC_KEY_RSA& rsa = area.unique.rsa;
    modulus.reset(BN_bin2bn(rsa.buffer, rsa.size, nullptr));
    const std::uint32_t e = area.parameters.rsaDetail.exponent;
    ok = rsa.size * 8 == area.parameters.rsaDetail.keyBits &&
         BN_set_word(exponent.get(), e == 0 ? kDefaultExponent : e) == 1 &&
         OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, modulus.get()) == 1 &&
         OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, exponent.get()) == 1;
  }
  const ParamsPtr params(ok ? OSSL_PARAM_BLD_to_param(builder.get()) : nullptr);
  const CPtr<EVP_PKEY_CTX, EVP_PKEY_CTX_free> context(
      EVP_PKEY_CTX_new_from_name(nullptr, ec ? "EC" : "RSA", "provider=default"));
  EVP_PKEY* made = nullptr;
  if (params == nullptr || EVP_PKEY_fromdata_init(context.get()) != 1 ||
      EVP_PKEY_fromdata(context.get(), &made, EVP_PKEY_PUBLIC_KEY, params.get()) != 1) {
    return Invalid("does not hold a valid public key");
  }
  return OpensslKey(made);
}

Result<Bytes> SubjectPublicKeyInfo(const TPMT_PUBLIC& area) {
  ASSIGN_OR_RETURN(const OpensslKey key, ToOpenssl(area));
  unsigned char* der = nullptr;
  const int size = i2d_PUBKEY(key.get(), &der);
  if (size <= 0) return Invalid("can't be written as SubjectPublicKeyInfo");
  Bytes info(der, der + size);
  OPENSSL_free(der);
  return info;
}

Bytes NameOf(const TPMT_PUBLIC& area) {
  Bytes name = {static_cast<std::uint8_t>(area.nameAlg >> 8),
                static_cast<std::uint8_t>(area.nameAlg & 0xff)};
  const Bytes digest =
      Digest(HashAlgorithm{area.nameAlg}, {Marshal<Tss2_MU_TPMT_PUBLIC_Marshal>(area)});
  name.insert(name.end(), digest.begin(), digest.end());
  return name;
}

Result<PublicKey> ReadPublicKey(const WrappedKey& key) {
  Result<TPM2B_PUBLIC> parsed = ParsePublic(key.public_area);
  if (!parsed.ok()) return Invalid("does not parse");
  const TPMT_PUBLIC& area = parsed->publicArea;
  if (area.nameAlg != TPM2_ALG_SHA256) return Invalid("has a name algorithm other than SHA-256");
  PublicKey result;
  ASSIGN_OR_RETURN(result.algorithm, AlgorithmOf(area));
  ASSIGN_OR_RETURN(result.subject_public_key_info, SubjectPublicKeyInfo(area));
  result.public_area = Marshal<Tss2_MU_TPMT_PUBLIC_Marshal>(area);
  result.name = NameOf(area);
  result.attributes = AttributeNames(area.objectAttributes);
  return result;
}

}  // namespace seaworthy::tpm
