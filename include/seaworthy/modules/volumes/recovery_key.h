// Recovery keys as systemd-cryptenroll makes and reads them: 256 bits in "modhex", whose letters
// are in the same place on most keyboards, in eight groups: "htnutitr-ivbneuud-...". The text is
// the passphrase.
#pragma once

#include <string_view>

#include "seaworthy/secret_bytes.h"

namespace seaworthy::volumes {

inline constexpr std::size_t kRecoveryKeyBytes = 32;

// INVALID_ARGUMENT (RECOVERY_KEY_SIZE) when `random` has not 32 bytes.
Result<SecretBytes> MakeRecoveryKey(const SecretBytes& random);

// The passphrase of what a human typed: in any case, with dashes and blanks or without.
// INVALID_ARGUMENT (RECOVERY_KEY_MALFORMED), saying at which character; never what it is.
Result<SecretBytes> ParseRecoveryKey(const SecretBytes& typed);

}  // namespace seaworthy::volumes
