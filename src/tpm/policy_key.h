// The public keys that signed PCR policies are checked with.
#pragma once

#include <tss2/tss2_tpm2_types.h>

#include <string_view>

#include "seaworthy/status.h"

namespace seaworthy::tpm {

// The area to give to TPM2_LoadExternal, by which systemd names the key: decrypt, sign and
// userWithAuth, no scheme, and the exponent spelt out.
Result<TPM2B_PUBLIC> ReadPolicyKey(std::string_view pem);

}  // namespace seaworthy::tpm
