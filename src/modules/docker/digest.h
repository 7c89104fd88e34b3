#pragma once

#include <string>

#include "seaworthy/bytes.h"

namespace seaworthy::docker {

// SHA-256 in hex; empty when libcrypto has it not, as it does under a policy without it.
std::string Sha256Hex(ByteView data);

}  // namespace seaworthy::docker
