// What can be told of a public area without a TPM.
#pragma once

#include <openssl/evp.h>
#include <tss2/tss2_tpm2_types.h>

#include "seaworthy/handle.h"
#include "seaworthy/tpm/types.h"

namespace seaworthy::tpm {

using OpensslKey = CPtr<EVP_PKEY, EVP_PKEY_free>;

// Of an RSA key or one on P-256 or P-384; other areas must not come here.
Result<OpensslKey> ToOpenssl(const TPMT_PUBLIC& area);

// The same in DER.
Result<Bytes> SubjectPublicKeyInfo(const TPMT_PUBLIC& area);

// TPM 2.0 part 1, 16: the name algorithm and the digest of the area.
Bytes NameOf(const TPMT_PUBLIC& area);

}  // namespace seaworthy::tpm
