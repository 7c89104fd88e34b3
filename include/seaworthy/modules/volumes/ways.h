// The ways by the TPM into a volume, and which of them fit the PCRs.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "seaworthy/modules/volumes/luks2_metadata.h"
#include "seaworthy/tpm/seal.h"
#include "seaworthy/verify.h"

namespace seaworthy::volumes {

enum class PcrFit : std::uint8_t {
  kFits,
  kDiffers,  // sealed to other values, or under a policy that is built otherwise
  kUnknown,  // cannot be computed
};

// A token of type systemd-tpm2, as the header has it: nobody vouches for it, and the TPM was not
// asked.
struct TpmWay {
  std::uint32_t token = 0;
  std::uint32_t keyslot = 0;
  tpm::SealParent parent = tpm::SealParent::kStorageRootKey;
  // Of the storage root key, where the parent is one: a token of another TPM's opens there.
  Bytes srk_name;
  tpm::PcrSelection pcrs;  // sealed to their values; mask 0: to none
  // To values that somebody signed for; mask 0: to none. Whether such a way opens depends on the
  // signatures that there are; `fit` is about `pcrs` alone.
  tpm::PcrSelection signed_pcrs;
  bool pin = false;
  PcrFit fit = PcrFit::kUnknown;
  Status status;  // why it is unknown; TOKEN_MALFORMED, TOKEN_UNSUPPORTED: so is the rest
};

// Whether each way fits the values in `now`, by the policy's digest in the token. By number of
// token. To find the ways of a state that is gone, take those that fit the values from then and do
// not fit those of now: one that merely does not fit now may be for an update to come.
std::vector<TpmWay> DescribeTpmWays(const Luks2Metadata& metadata,
                                    const std::vector<verify::PcrValue>& now);

}  // namespace seaworthy::volumes
