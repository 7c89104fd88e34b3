// Another volume key for a guarded volume, with the record of its header in step: for when somebody
// who must not read it any more has had the volume key, or a secret and the disk. reencryption.h
// has the work on the data alone.
//
// Meanwhile each secret has two keyslots, for the volume key before and the one after, and its
// token is for both, so that the TPM, or the recovery key, resumes it after a crash (a HeaderCopy
// taken with Reencryption::kExpected), and stock tools do. The record binds what the volume was and
// will be, all keyslots, keys and tokens, and the header as it will be at the end; segments move as
// they like within that. So one who writes to the disk meanwhile can have data destroyed, which he
// could by himself; he gets none of them in the clear, none under a key of his, and no way in. At
// the end the record is renewed, from when on a header from before or from the midst is refused.
#pragma once

#include <chrono>
#include <span>
#include <vector>

#include "seaworthy/modules/volumes/reencryption.h"
#include "seaworthy/modules/volumes/rotate.h"

namespace seaworthy::volumes {

// Begins, as one change of the header: no data are touched yet. All ways in end but these and a new
// recovery key, which comes last in what is returned, as with Rekey: nobody has the other secrets,
// to wrap the new volume key with them. Errors are Rekey's and StartReencryption's.
Result<std::vector<OpenWayIn>> BeginReencryption(tpm::Broker& broker, Deadline deadline,
                                                 HeaderCopy& copy, const Unlocked& through,
                                                 std::span<const TpmWayIn> ways,
                                                 const Announce& announce = nullptr,
                                                 const NoteGuardKey& note = nullptr);

// Goes on to the end, from wherever a crash or a pause has left it, and renews the record; also
// where that alone was left to do. `copy` was taken with Reencryption::kExpected, `through` opens
// it; each wait for the TPM lasts `tpm_wait` at most, as no deadline of a caller's outlives this.
// CANCELLED (REENCRYPTION_PAUSED) when `progress` said so; FAILED_PRECONDITION
// (REENCRYPTION_NOT_STARTED), and HEADER_UNGUARDED for what others have begun; ABORTED
// (HEADER_CHANGED).
Status ContinueReencryption(tpm::Broker& broker, std::chrono::milliseconds tpm_wait,
                            HeaderCopy& copy, const Unlocked& through,
                            const ReencryptionProgress& progress);

}  // namespace seaworthy::volumes
