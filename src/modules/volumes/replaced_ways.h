// All ways into a volume replaced by others, in a copy of its header.
#pragma once

#include <span>
#include <vector>

#include "seaworthy/modules/volumes/ways_in.h"

namespace seaworthy::volumes {

// Adds the ways, and a recovery key behind them. All tokens that were there go first, as there is
// little room for them; the keyslots that were there stay meanwhile, as what is new must not take
// their place: their numbers are in `former`. INVALID_ARGUMENT (NO_TPM_WAY_IN).
Result<std::vector<OpenWayIn>> AddInPlaceOfAll(tpm::Broker& broker, Deadline deadline, Luks& luks,
                                               const SecretBytes& volume_key,
                                               std::span<const TpmWayIn> ways,
                                               std::vector<int>& former);

Status DestroyKeyslots(Luks& luks, const std::vector<int>& keyslots);

}  // namespace seaworthy::volumes
