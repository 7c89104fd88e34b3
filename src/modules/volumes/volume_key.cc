#include "modules/volumes/volume_key.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>

#include <algorithm>
#include <string>

#include "modules/volumes/crypto.h"
#include "seaworthy/handle.h"
#include "seaworthy/status_macros.h"

namespace seaworthy::volumes {
namespace {

constexpr std::size_t kLeastTpmRandomness = 32;

}  // namespace

Result<SecretBytes> MixRandomness(ByteView kernel, ByteView tpm) {
  if (kernel.size() != kVolumeKeyBytes || tpm.size() < kLeastTpmRandomness) {
    return Fail(Code::kInvalidArgument, "RANDOMNESS_TOO_SHORT",
                "a volume key needs " + std::to_string(kVolumeKeyBytes) +
                    " bytes of the kernel's randomness and at least " +
                    std::to_string(kLeastTpmRandomness) + " of the TPM's");
  }
  SecretBytes input(kernel.size() + tpm.size());
  std::ranges::copy(kernel, input.data());
  std::ranges::copy(tpm, input.data() + kernel.size());

  const CPtr<EVP_KDF, EVP_KDF_free> hkdf(EVP_KDF_fetch(nullptr, "HKDF", nullptr));
  const CPtr<EVP_KDF_CTX, EVP_KDF_CTX_free> context(EVP_KDF_CTX_new(hkdf.get()));
  char digest[] = "SHA512";
  char info[] = "seaworthy volume key";
  const OSSL_PARAM parameters[] = {
      OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0),
      OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, input.data(), input.size()),
      OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, info, sizeof(info) - 1),
      OSSL_PARAM_construct_end(),
  };
  SecretBytes key(kVolumeKeyBytes);
  if (!context || EVP_KDF_derive(context.get(), key.data(), key.size(), parameters) != 1) {
    return Fail(Code::kInternal, "OPENSSL", "HKDF-SHA512 failed");
  }
  return key;
}

Result<SecretBytes> MakeVolumeKey(ByteView tpm_randomness) {
  ASSIGN_OR_RETURN(const SecretBytes kernel, RandomSecret(kVolumeKeyBytes));
  return MixRandomness(kernel.view(), tpm_randomness);
}

}  // namespace seaworthy::volumes
