// What is on a block device or in a file before a volume is made of it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "seaworthy/status.h"

namespace seaworthy::volumes {

struct DeviceState {
  std::uint64_t bytes = 0;
  bool block_device = false;
  // Mounted, mapped, a part of something, or opened by somebody who lets nobody else.
  bool in_use = false;
  // Who is on it as far as the kernel tells: mount points, other devices' names.
  std::vector<std::string> users;
  // As libblkid names them: file systems, LVM2 and MD members, swap, partition tables, crypto_LUKS.
  std::vector<std::string> signatures;
};

// Changes nothing. NOT_FOUND; FAILED_PRECONDITION (UNSAFE_FILE) for what is neither a block device
// nor a regular file. `root` is where /sys and /proc are looked for.
Result<DeviceState> Probe(const std::string& path, const std::string& root = "/");

}  // namespace seaworthy::volumes
