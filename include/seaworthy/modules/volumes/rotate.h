// Secrets of a volume that are to be others from now on. The volume key stays: whoever had it, or a
// secret and the disk, is shut out by a re-encryption alone (guarded_reencryption.h).
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "seaworthy/modules/volumes/header_change.h"

namespace seaworthy::volumes {

// Adds the ways in, which must live on, and a recovery key last where it is asked for.
Change AddWays(tpm::Broker& broker, Deadline deadline, std::span<const TpmWayIn> ways,
               bool recovery_key);
// Adds the new ones, and then takes the old ones away.
Change ReplaceWays(tpm::Broker& broker, Deadline deadline, std::span<const TpmWayIn> ways,
                   std::vector<std::uint32_t> old);

// A new secret under `way`, whose policy is normally the one that the keyslot had, and a keyslot
// for it; the old keyslot goes with its tokens. Who knew the old secret and had the disk can still
// forge records of the header (header_guard.h): against him take Rekey. NOT_FOUND
// (KEYSLOT_NOT_FOUND); FAILED_PRECONDITION (NOT_A_TPM_WAY_IN) when no token of a TPM has the secret
// of the keyslot.
Result<OpenWayIn> RotateTpmWayIn(tpm::Broker& broker, Deadline deadline, HeaderCopy& copy,
                                 const Unlocked& through, std::uint32_t keyslot,
                                 const TpmWayIn& way);

// Called with all ways in before anything of them is on the disk, so that no crash leaves a volume
// with a recovery key which nobody has seen. An error ends it, and nothing was done.
using Announce = std::function<Status(const std::vector<OpenWayIn>& ways)>;

// All ways in are replaced by these and by one recovery key, which comes last in what is returned:
// everybody else is put out. The record gets a guard key of its own, on the same counter. What is
// left to one who knew a secret and kept a copy of the disk is to put back all of it, with a record
// that he forged: CheckGuardKey tells (header_guard.h). INVALID_ARGUMENT (NO_TPM_WAY_IN) without
// any.
Result<std::vector<OpenWayIn>> Rekey(tpm::Broker& broker, Deadline deadline, HeaderCopy& copy,
                                     const Unlocked& through, std::span<const TpmWayIn> ways,
                                     const Announce& announce = nullptr,
                                     const NoteGuardKey& note = nullptr);

}  // namespace seaworthy::volumes
