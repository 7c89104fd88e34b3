// A header that is not as we left it, taken on the word of somebody who has a way in: an older one
// that was restored, one that stock tools changed.
#pragma once

#include <cstdint>
#include <vector>

#include "seaworthy/modules/volumes/header_change.h"
#include "seaworthy/modules/volumes/unlock.h"

namespace seaworthy::volumes {

struct Accepted {
  // What was said of the header until now: HEADER_ROLLED_BACK, HEADER_TAMPERED with the parts that
  // differ, HEADER_UNGUARDED, GUARD_KEY_CHANGED, ..., or OK.
  Status before;
  // Keyslots whose secrets check the record from now on.
  std::vector<std::uint32_t> guarded;
  // The others, whose secrets nobody gave: they still open the volume, and to us as
  // HEADER_UNGUARDED until they are enrolled anew. In an older header there may be some that had
  // been taken away since.
  std::vector<std::uint32_t> unguarded;
};

// Makes a record of the header as it is, with a guard key of its own, for the way in that was typed
// and for each token whose secret the TPM gives now; nothing else is changed. It goes on with the
// counter that the record names, where the TPM has that, or else gets one. Before it look what
// Unlock says of the header: whoever wrote to it is believed from then on. Errors of
// UnlockByRecoveryKey and ChangeHeader; PIN_WRONG, TPM_LOCKOUT: without a PIN the other tokens are
// asked. `options.unguarded` is not asked for, and `options.guard_keys` for `before` alone.
Result<Accepted> AcceptByRecoveryKey(tpm::Broker& broker, Deadline deadline, HeaderCopy& copy,
                                     const SecretBytes& typed, const UnlockOptions& options,
                                     const NoteGuardKey& note = nullptr);

// By a passphrase that a person chose, which guards nothing: INVALID_ARGUMENT (GUARD_WAY_IN) when
// the TPM gives the secret of no token.
Result<Accepted> AcceptByPassphrase(tpm::Broker& broker, Deadline deadline, HeaderCopy& copy,
                                    const SecretBytes& passphrase, const UnlockOptions& options,
                                    const NoteGuardKey& note = nullptr);

}  // namespace seaworthy::volumes
