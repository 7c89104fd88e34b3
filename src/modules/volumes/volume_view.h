// What a volume looks like from outside: what is on the disk says it, and nothing is unlocked.
#pragma once

#include <vector>

#include "seaworthy/modules/volumes.h"

namespace seaworthy::volumes {

// Policies and keyslots as the header has them; which of them fit `pcrs`, where these are known.
std::vector<WayInShown> WaysInOf(const Luks2Metadata& metadata,
                                 const std::vector<verify::PcrValue>& pcrs);

// Whatever is wrong with the device or its header is in `problem`.
Volume ViewOf(const VolumeEntry& entry, const std::vector<verify::PcrValue>& pcrs);

}  // namespace seaworthy::volumes
