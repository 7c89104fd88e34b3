// What libblkid finds on a device.
#pragma once

#include <string>
#include <vector>

#include "seaworthy/status.h"

namespace seaworthy::volumes {

// Names of file systems, partition tables and the like, sorted, each once.
Result<std::vector<std::string>> ReadSignatures(int fd, const std::string& path);

// Makes all of them unrecognisable, at the device's end too, durably. FAILED_PRECONDITION
// (DEVICE_IN_USE).
Status WipeSignatures(const std::string& path);

}  // namespace seaworthy::volumes
