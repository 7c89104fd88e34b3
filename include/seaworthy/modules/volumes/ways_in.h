// Ways into a volume: a keyslot, and the token that says how its passphrase is come by.
#pragma once

#include <string>
#include <vector>

#include "seaworthy/deadline.h"
#include "seaworthy/modules/volumes/header_guard.h"
#include "seaworthy/modules/volumes/luks.h"
#include "seaworthy/secret_bytes.h"
#include "seaworthy/tpm/seal.h"

namespace seaworthy::volumes {

struct OpenWayIn {
  std::uint32_t keyslot = 0;
  std::uint32_t token = 0;
  SecretBytes passphrase;  // of the keyslot
  // It has 256 random bits, and so may wrap the guard key. A person's passphrase may not: the
  // record would show each guess at it faster than the keyslot does.
  bool random = true;

  // As the guard takes it (header_guard.h).
  WayIn way_in() const { return {keyslot, passphrase.view()}; }
};

// By the TPM, in a token that stock systemd reads, too.
struct TpmWayIn {
  tpm::SealPolicy policy;            // with the digest of the PCRs that are to open it
  const SecretBytes* pin = nullptr;  // where the policy asks for one
  // Under the parent key of systemd before 254, which stock systemd of Debian 12 needs. Where a
  // volume has such tokens they come before all others, as that systemd stops at one that is not.
  bool legacy_parent = false;
};
// The secret is of the TPM's randomness and the kernel's. Errors are Seal's and Luks'.
Result<OpenWayIn> AddTpmWayIn(tpm::Broker& broker, Deadline deadline, Luks& luks,
                              const SecretBytes& volume_key, const TpmWayIn& way);

// By a recovery key as systemd-cryptenroll makes them, which is the passphrase: to be shown once.
Result<OpenWayIn> AddRecoveryKey(tpm::Broker& broker, Deadline deadline, Luks& luks,
                                 const SecretBytes& volume_key);

// The keyslot with all tokens that are for it alone. NOT_FOUND (KEYSLOT_NOT_FOUND);
// FAILED_PRECONDITION (LAST_WAY_IN).
Status RemoveWayIn(Luks& luks, std::uint32_t keyslot);

}  // namespace seaworthy::volumes
