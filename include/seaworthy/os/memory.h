// How much memory the process may still take before the kernel ends it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace seaworthy::os {

// Bytes: what is left to the process's control group (v2: `MemoryMax=` of a unit) and to the groups
// above it, and what the machine has available. What the kernel gives back at need, as its copies
// of files, counts as left. Nothing where nobody tells. `root` is where proc and sys are looked
// for.
std::optional<std::uint64_t> MemoryLeft(const std::string& root = "/");

}  // namespace seaworthy::os
