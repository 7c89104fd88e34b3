// What can be told of a public area without a TPM.
#pragma once

#include <tss2/tss2_tpm2_types.h>

#include "seaworthy/tpm/types.h"

namespace seaworthy::tpm {

// DER, of an RSA key or one on P-256 or P-384; other areas must not come here.
Result<Bytes> SubjectPublicKeyInfo(const TPMT_PUBLIC& area);

// TPM 2.0 part 1, 16: the name algorithm and the digest of the area.
Bytes NameOf(const TPMT_PUBLIC& area);

}  // namespace seaworthy::tpm
