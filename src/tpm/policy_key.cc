#include "tpm/policy_key.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include "seaworthy/handle.h"
#include "seaworthy/status_macros.h"
#include "seaworthy/tpm/seal.h"
#include "tpm/public_key.h"

namespace seaworthy::tpm {
namespace {

constexpr std::size_t kMaxPem = 16 * 1024;
constexpr int kMinBits = 2048;
constexpr int kMaxBits = TPM2_MAX_RSA_KEY_BYTES * 8;

using BignumPtr = CPtr<BIGNUM, BN_free>;

Status Invalid(std::string_view why) {
  return Fail(Code::kInvalidArgument, "INVALID_POLICY_KEY",
              "the public key of the signed PCR policy " + std::string(why));
}

BignumPtr Number(const EVP_PKEY* key, const char* parameter) {
  BIGNUM* number = nullptr;
  EVP_PKEY_get_bn_param(key, parameter, &number);
  return BignumPtr(number);
}

}  // namespace

Result<TPM2B_PUBLIC> ReadPolicyKey(std::string_view pem) {
  if (pem.size() > kMaxPem) return Invalid("is too long");
  ERR_set_mark();
  const CPtr<BIO, BIO_free_all> bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  const CPtr<EVP_PKEY, EVP_PKEY_free> key(
      PEM_read_bio_PUBKEY(bio.get(), nullptr, nullptr, nullptr));
  ERR_pop_to_mark();
  if (key == nullptr) return Invalid("is no PEM of a SubjectPublicKeyInfo");
  if (EVP_PKEY_get_base_id(key.get()) != EVP_PKEY_RSA) {
    return Fail(Code::kUnimplemented, "POLICY_KEY_UNSUPPORTED",
                "the public key of the signed PCR policy is not an RSA key");
  }
  const BignumPtr modulus = Number(key.get(), OSSL_PKEY_PARAM_RSA_N);
  const BignumPtr exponent = Number(key.get(), OSSL_PKEY_PARAM_RSA_E);
  const int bits = EVP_PKEY_get_bits(key.get());
  if (modulus == nullptr || exponent == nullptr || bits < kMinBits || bits > kMaxBits ||
      bits % 1024 != 0) {
    return Invalid("has a size other than 2048, 3072 and 4096");
  }
  if (BN_num_bits(exponent.get()) > 32) return Invalid("has an exponent of more than 32 bits");
  TPM2B_PUBLIC result = {};
  TPMT_PUBLIC& area = result.publicArea;
  area.type = TPM2_ALG_RSA;
  area.nameAlg = TPM2_ALG_SHA256;
  area.objectAttributes = TPMA_OBJECT_DECRYPT | TPMA_OBJECT_SIGN_ENCRYPT | TPMA_OBJECT_USERWITHAUTH;
  TPMS_RSA_PARMS& parameters = area.parameters.rsaDetail;
  parameters.symmetric.algorithm = TPM2_ALG_NULL;
  parameters.scheme.scheme = TPM2_ALG_NULL;
  parameters.keyBits = static_cast<TPMI_RSA_KEY_BITS>(bits);
  parameters.exponent = static_cast<UINT32>(BN_get_word(exponent.get()));
  area.unique.rsa.size = static_cast<UINT16>(bits / 8);
  if (BN_bn2binpad(modulus.get(), area.unique.rsa.buffer, area.unique.rsa.size) < 0) {
    return Invalid("has no modulus");
  }
  return result;
}

Result<Bytes> PolicyKeyName(std::string_view public_key) {
  ASSIGN_OR_RETURN(const TPM2B_PUBLIC key, ReadPolicyKey(public_key));
  return NameOf(key.publicArea);
}

}  // namespace seaworthy::tpm
