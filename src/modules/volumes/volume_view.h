// What a volume looks like from outside: what is on the disk says it, and nothing is unlocked.
#pragma once

#include <vector>

#include "seaworthy/modules/volumes.h"

namespace seaworthy::volumes {

// What decides which ways in fit. Empty where it is not known.
struct Platform {
  std::vector<verify::PcrValue> pcrs;  // of the SHA-256 bank
  Bytes srk_name;                      // of the TPM's storage root key
};

// Policies and keyslots as the header has them; which of them fit the platform. What another TPM
// has sealed does not.
std::vector<WayInShown> WaysInOf(const Luks2Metadata& metadata, const Platform& platform);

// Whatever is wrong with the device or its header is in `problem`.
Volume ViewOf(const VolumeEntry& entry, const Platform& platform);

}  // namespace seaworthy::volumes
