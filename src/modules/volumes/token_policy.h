// What tokens say of their policies, as the TPM is to be asked.
#pragma once

#include <string>

#include "seaworthy/modules/volumes/tokens.h"
#include "seaworthy/tpm/seal.h"

namespace seaworthy::volumes {

// Empty: SHA-256, as systemd before 250 wrote none, and looked for one that has values.
// UNIMPLEMENTED (TOKEN_UNSUPPORTED).
Result<tpm::HashAlgorithm> PcrBank(const std::string& name);

// Of tokens that name no storage root key.
tpm::SealParent LegacyParent(const std::string& algorithm);
tpm::SealParent ParentOf(const SystemdTpm2Token& token);

// Without the digest of the PCRs, which tokens do not tell. UNIMPLEMENTED (TOKEN_UNSUPPORTED).
Result<tpm::SealPolicy> PolicyOf(const SystemdTpm2Token& token);

}  // namespace seaworthy::volumes
