// What this process has in its memory.
#pragma once

#include <cstddef>
#include <string>

#include "seaworthy/bytes.h"

namespace seaworthy::testing {

// How many copies of a secret there are in the writable memory. `inverted` is the secret with each
// bit turned, so that the question is none of them.
std::size_t CopiesInMemory(ByteView inverted);

// "VmFlags" of the mapping that `address` is in, as /proc/self/smaps has them: " rd wr lo dd ".
std::string MemoryFlags(const void* address);

}  // namespace seaworthy::testing
