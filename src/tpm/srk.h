// The storage root key: parent of every key of ours, and the TPM's identity to us.
#pragma once

#include <string>

#include "tpm/context.h"

namespace seaworthy::tpm {

// The TCG's handle for it (TCG TPM v2.0 Provisioning Guidance, 7.8).
inline constexpr TPM2_HANDLE kSrkHandle = 0x81000001;

// Finds the storage root key, checks that it is fit to be one, makes it when absent, and
// compares its name with the one pinned in `state_dir`/srk.name (pinned at first use).
Status FindSrk(Context& context, const std::string& state_dir);

}  // namespace seaworthy::tpm
