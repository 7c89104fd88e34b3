#include "modules/volumes/volume_key.h"

#include <algorithm>
#include <string>

#include "modules/volumes/crypto.h"
#include "seaworthy/status_macros.h"

namespace seaworthy::volumes {
namespace {

constexpr std::size_t kLeastTpmRandomness = 32;
static_assert(kVolumeKeyBytes == kSha512Size);

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
  return Hkdf(Hash::kSha512, input.view(), AsBytes("seaworthy volume key"));
}

Result<SecretBytes> MakeVolumeKey(ByteView tpm_randomness) {
  ASSIGN_OR_RETURN(const SecretBytes kernel, RandomSecret(kVolumeKeyBytes));
  return MixRandomness(kernel.view(), tpm_randomness);
}

}  // namespace seaworthy::volumes
