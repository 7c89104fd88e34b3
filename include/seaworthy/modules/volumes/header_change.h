// Changes to a volume's header by one who has a way in: all of it or nothing, and recorded.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "seaworthy/modules/volumes/unlock.h"
#include "seaworthy/tpm/counter.h"

namespace seaworthy::volumes {

// Changes the header in a copy that nobody else sees. Returns the ways in that it made.
using Change =
    std::function<Result<std::vector<OpenWayIn>>(Luks& luks, const SecretBytes& volume_key)>;

// Called with the name of a new guard key (GuardProof::key_id) before a header under it is on the
// disk, for who notes such names; an error ends it, and nothing was done.
using NoteGuardKey = std::function<Status(const std::string& key_id)>;

// What the node has to have on its own disk before the header has it, and of a counter before the
// TPM has it: a crash may leave it in no record.
struct Notes {
  NoteGuardKey guard_key = nullptr;
  tpm::BeforeCounter counter = nullptr;
};

// The copy is put back with a record of the header as `change` left it, one generation further.
// `through` is what opened the volume; where its header had no record it gets the first one, with a
// counter of its own in the TPM. Whatever happens, the volume has the header before or the one
// after; after an error the copy may be neither, and has to be taken anew.
Result<std::vector<OpenWayIn>> ChangeHeader(tpm::Broker& broker, Deadline deadline,
                                            HeaderCopy& copy, const Unlocked& through,
                                            const Change& change, const Notes& notes = {});

// As ChangeHeader, for a change after which nobody else has a way in: the record gets a guard key
// of its own, wrapped for what `change` made alone, so that who knew a secret before can neither
// read nor forge it. The counter stays. INVALID_ARGUMENT (WAY_IN_LEFT) when there is a keyslot that
// `change` did not make. `reencryption` is expected of one that begins a re-encryption.
Result<std::vector<OpenWayIn>> ReplaceWaysIn(tpm::Broker& broker, Deadline deadline,
                                             HeaderCopy& copy, const Unlocked& through,
                                             const Change& change,
                                             Reencryption reencryption = Reencryption::kUnexpected,
                                             const NoteGuardKey& note = nullptr);

// The same for a volume that has no keyslot yet, as Luks::Format leaves it.
Result<std::vector<OpenWayIn>> FirstWaysIn(tpm::Broker& broker, Deadline deadline, HeaderCopy& copy,
                                           const SecretBytes& volume_key, const Change& change,
                                           const Notes& notes = {});

}  // namespace seaworthy::volumes
