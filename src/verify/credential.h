// Keys that a credential can be made for.
#pragma once

#include "verify/tpm_structures.h"

namespace seaworthy::verify {

// Whether the key's own algorithms (AES in CFB mode, name algorithm) are ones that MakeCredential
// has. INVALID_ARGUMENT: UNSUPPORTED_KEY, UNSUPPORTED_HASH.
Status CheckProtectsCredentials(const PublicArea& key);

}  // namespace seaworthy::verify
