// The storage root key: parent of every key of ours, and the TPM's identity to us.
#pragma once

#include <string>

#include "tpm/context.h"

namespace seaworthy::tpm {

// The TCG's handle for it (TCG TPM v2.0 Provisioning Guidance, 7.8).
inline constexpr TPM2_HANDLE kSrkHandle = 0x81000001;

// A primary storage key: ECC P-256 or RSA 2048, AES-128-CFB, of an empty `unique`, and without
// noDA, as systemd before 254 and tpm2_createprimary make it.
TPM2B_PUBLIC StorageKeyTemplate(bool ecc);

// Finds the storage root key, checks that it is fit to be one, makes it when absent, and
// compares its name with the one pinned in `state_dir`/srk.name (pinned at first use).
Status FindSrk(Context& context, const std::string& state_dir);

}  // namespace seaworthy::tpm
