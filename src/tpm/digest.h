// Hashing off the TPM.
#pragma once

#include <initializer_list>

#include "seaworthy/tpm/types.h"

namespace seaworthy::tpm {

// Over the parts, one after the other. Empty when libcrypto does not have the algorithm.
Bytes Digest(HashAlgorithm hash, std::initializer_list<ByteView> parts);

}  // namespace seaworthy::tpm
