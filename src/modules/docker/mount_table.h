// /proc/PID/mountinfo.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "seaworthy/os/root_folder.h"
#include "seaworthy/status.h"

namespace seaworthy::docker {

inline constexpr std::size_t kMaxMountTable = std::size_t{32} << 20;

struct Mount {
  std::string device;  // "8:1"
  std::string folder;  // of the file system, that is seen at `point`: "/" is all of it
  std::string point;
  std::string type;  // "ext4"
};

// In the kernel's order, a later one lies above an earlier one. INVALID_ARGUMENT
// (MOUNTINFO_MALFORMED).
Result<std::vector<Mount>> ParseMountInfo(std::string_view text);

// As this process sees it.
Result<std::vector<Mount>> ReadMountTable(const os::RootFolder& root);

// Null when the table has none: no path is outside "/".
const Mount* MountOf(const std::vector<Mount>& mounts, std::string_view path);
// Of the folder that `path` is in, whatever is mounted at `path`.
const Mount* MountAround(const std::vector<Mount>& mounts, std::string_view path);

}  // namespace seaworthy::docker
