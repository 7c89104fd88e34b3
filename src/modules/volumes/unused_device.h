// A device that nobody else uses, to be overwritten.
#pragma once

#include <cstdint>
#include <string>

#include "seaworthy/handle.h"
#include "seaworthy/status.h"

namespace seaworthy::volumes {

struct UnusedDevice {
  UniqueFd fd;  // nobody else gets it for himself, as long as it is open
  std::uint64_t bytes = 0;
};

// FAILED_PRECONDITION (DEVICE_IN_USE), naming who uses it; errors of Probe. `root` as there.
Result<UnusedDevice> OpenUnused(const std::string& device, const std::string& root);

// FAILED_PRECONDITION (DEVICE_IN_USE) while a LUKS2 volume with this UUID is mapped, whichever
// device it is on: that of a detached header is nobody's.
Status CheckNotMapped(const std::string& uuid, const std::string& root);

}  // namespace seaworthy::volumes
