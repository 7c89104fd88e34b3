// DER objects in a row, as NV indices of a TPM hold certificates.
#pragma once

#include <vector>

#include "seaworthy/bytes.h"

namespace seaworthy {

// The SEQUENCEs in `bytes`, each whole with its tag. Padding after the last one (0x00 or 0xff
// to the end, as TPM makers fill an NV index up) is left out. Bytes that are neither are the
// last element as they are: whoever parses it says what is wrong.
std::vector<Bytes> SplitSequences(ByteView bytes);

}  // namespace seaworthy
