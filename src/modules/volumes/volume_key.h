// Where volume keys come from.
#pragma once

#include "seaworthy/modules/volumes/luks.h"

namespace seaworthy::volumes {

// HKDF-SHA512 of `kernel` (64 bytes: the fixed size makes no two pairs the same input) and then
// `tpm` (at least 32).
Result<SecretBytes> MixRandomness(ByteView kernel, ByteView tpm);

}  // namespace seaworthy::volumes
