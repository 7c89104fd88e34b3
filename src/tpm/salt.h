// The secret that a session begins with.
#pragma once

#include <tss2/tss2_tpm2_types.h>

#include "seaworthy/secret_bytes.h"
#include "seaworthy/status.h"

namespace seaworthy::tpm {

struct Salt {
  SecretBytes value;
  TPM2B_ENCRYPTED_SECRET encrypted = {};  // what the key's holder makes it of
};

// TPM 2.0 part 1, 19.6.13, to a decryption key whose name algorithm is SHA-256: RSA, or P-256.
Result<Salt> MakeSalt(const TPMT_PUBLIC& key);

}  // namespace seaworthy::tpm
