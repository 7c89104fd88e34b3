// The boot event log as the kernel has it in a file of this node.
#pragma once

#include <string>

#include "seaworthy/bytes.h"

namespace seaworthy::os {

// So that a part of the evidence with the whole of it is no larger than what gRPC takes by default.
// Firmware's logs have tens of KiB.
inline constexpr std::size_t kMaxBootLogFile = std::size_t{1} << 20;

// An empty path, or a file that is not there, means that the platform has no log: empty.
// FAILED_PRECONDITION (BOOT_LOG_UNREADABLE) for one that is there and cannot be read, or has more
// than kMaxBootLogFile bytes.
Result<Bytes> ReadBootLogFile(const std::string& path);

}  // namespace seaworthy::os
