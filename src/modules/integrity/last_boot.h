// What is known of the boot that the daemon last ran in, to tell what the one now is.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "seaworthy/directory.h"

namespace seaworthy::integrity {

struct LastBoot {
  std::string boot_id;            // the kernel's, /proc/sys/kernel/random/boot_id
  std::uint32_t reset_count = 0;  // of the TPM
  // Another kernel started this one by kexec, without a reset of the TPM.
  bool kexec = false;
  // Of /etc/ima/ima-policy when its policy was first seen to be loaded, hex, and the boot in which
  // that was; empty when none ever was.
  std::string policy_sha256;
  std::string policy_boot_id;
  bool operator==(const LastBoot&) const = default;
};

// Nothing when there is no such file yet. FAILED_PRECONDITION (LAST_BOOT_DAMAGED) names the field.
Result<std::optional<LastBoot>> ReadLastBoot(const Directory& directory);
Status WriteLastBoot(const Directory& directory, const LastBoot& boot);

}  // namespace seaworthy::integrity
