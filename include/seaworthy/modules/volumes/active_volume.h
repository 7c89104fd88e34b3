// What the device mapper has made of volumes, as the kernel shows it to everybody in /sys. How
// often a mapping is opened it does not show there: whoever has one open without being named here
// is found when the mapping is to go.
#pragma once

#include <string>
#include <vector>

#include "seaworthy/status.h"

namespace seaworthy::volumes {

struct ActiveVolume {
  std::string name;    // in /dev/mapper
  std::string device;  // the kernel's name: "dm-0"
  // Mount points, as far as this process sees them, and devices on it.
  std::vector<std::string> users;
  bool in_use() const { return !users.empty(); }
};

// By the UUID in its header. NOT_FOUND (VOLUME_NOT_ACTIVE). `root` is where /sys and /proc are.
Result<ActiveVolume> FindActive(const std::string& uuid, const std::string& root = "/");

// By its name in /dev/mapper. FAILED_PRECONDITION (MAPPING_FOREIGN) for what is no mapping of a
// LUKS2 volume, as LVM's are.
Result<ActiveVolume> FindActiveByName(const std::string& name, const std::string& root = "/");

}  // namespace seaworthy::volumes
