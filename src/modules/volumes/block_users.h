// Who is on a block device, as far as the kernel tells.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace seaworthy::volumes {

// Names in a folder, none when it can't be read.
std::vector<std::string> NamesIn(const std::filesystem::path& folder);

// What the kernel built on the device "98:0" ("dm-0", "md127"), and where it is mounted. `root` is
// where /sys and /proc are.
std::vector<std::string> UsersOf(const std::string& device_number,
                                 const std::filesystem::path& root);

}  // namespace seaworthy::volumes
