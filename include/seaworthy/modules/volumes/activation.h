// Volumes as block devices: /dev/mapper/NAME. Needs the kernel's device mapper and root; without it
// the calls fail with FAILED_PRECONDITION (DEVICE_MAPPER_MISSING).
#pragma once

#include <string>

#include "seaworthy/modules/volumes/luks.h"

namespace seaworthy::volumes {

struct ActivationOptions {
  bool read_only = false;
  // Tells the disk which blocks are free, and whoever sees the disk too.
  bool allow_discards = false;
  // Encrypt in the caller's thread: faster on fast disks.
  bool no_read_workqueue = false;
  bool no_write_workqueue = false;
};

// The keyslot it was opened with.
Result<int> Activate(const Luks& luks, const std::string& name, const SecretBytes& passphrase,
                     const ActivationOptions& options);
Status ActivateByVolumeKey(const Luks& luks, const std::string& name, const SecretBytes& volume_key,
                           const ActivationOptions& options);

enum class ActiveState {
  kInactive,
  kActive,
  kBusy,  // active and in use
};
Result<ActiveState> GetActiveState(const std::string& name);

// FAILED_PRECONDITION (DEVICE_IN_USE) unless `deferred`: then it goes when its last user does.
// NOT_FOUND (VOLUME_NOT_ACTIVE).
Status Deactivate(const std::string& name, bool deferred = false);

}  // namespace seaworthy::volumes
