// What opens a volume now: the first of its tokens whose secret the TPM gives.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "seaworthy/deadline.h"
#include "seaworthy/modules/volumes/header_copy.h"
#include "seaworthy/modules/volumes/policy_signature.h"
#include "seaworthy/modules/volumes/ways_in.h"

namespace seaworthy::volumes {

struct UnlockOptions {
  const SecretBytes* pin = nullptr;
  // For policies that ask for a signature over the PCRs.
  std::vector<SignedPolicy> signatures;
  // A header of which we have no record, as of a volume that others enrolled, is taken as well.
  bool unguarded = false;
  // Names of guard keys that were noted for the volume (CheckGuardKey). Where there are any it had
  // a record, and is not taken without one, `unguarded` or not.
  std::vector<std::string> guard_keys;
  // Asked how many bytes deriving the key of a keyslot may take, where one takes any, as those of
  // Argon2id take a gigabyte; without it, or an answer: as many as it wants. RESOURCE_EXHAUSTED
  // (KEYSLOT_MEMORY) where only more would tell.
  std::function<std::optional<std::uint64_t>()> memory;
};

struct TokenTried {
  std::uint32_t token = 0;
  std::uint32_t keyslot = 0;
  std::string type;
  Status status;
};

struct Unlocked {
  OpenWayIn way;
  std::optional<GuardRecord> guard;  // none: the header is not guarded
  std::string guard_key;             // of `guard`, its name (GuardProof::key_id)
  std::vector<TokenTried> tried;     // the one that opens it last
};

// The volume key, once and whole: the keyslot opened, and what came of it compared with the digest.
// libcryptsetup is asked for keyslots alone that are not of PBKDF2; it takes twice as long. Its
// header and the way in are as Unlock found them good. PERMISSION_DENIED (PASSPHRASE_WRONG).
Result<SecretBytes> OpenKeyslot(const HeaderCopy& header, const OpenWayIn& way);

// The counter of the TPM that a record belongs to.
Result<GuardCounter> ReadGuardCounter(tpm::Context& context, std::uint32_t nv_index);

// Tokens under this TPM's storage root key first, then those under the legacy parent, then Clevis'.
// One that is not understood, or whose policy does not fit, is passed over; a wrong PIN ends it, as
// the TPM counts them. What the TPM gave is not told before the record of the header fits (see
// header_guard.h). When none opens it the status is that of the first that was tried, with all of
// them in its message.
Result<Unlocked> Unlock(tpm::Broker& broker, Deadline deadline, const HeaderCopy& header,
                        const UnlockOptions& options);

// By a passphrase that a person chose, as volumes have that others made. It tells nothing of the
// record, so that a header which has one is taken with `options.unguarded` alone. PERMISSION_DENIED
// (PASSPHRASE_WRONG).
Result<Unlocked> UnlockByPassphrase(const HeaderCopy& header, const SecretBytes& passphrase,
                                    const UnlockOptions& options);

// By a recovery key as it was typed. INVALID_ARGUMENT (RECOVERY_KEY_MALFORMED); PERMISSION_DENIED
// (PASSPHRASE_WRONG).
Result<Unlocked> UnlockByRecoveryKey(tpm::Broker& broker, Deadline deadline,
                                     const HeaderCopy& header, const SecretBytes& typed,
                                     const UnlockOptions& options);

}  // namespace seaworthy::volumes
