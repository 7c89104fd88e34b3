// Whether a LUKS2 header is the one that we left. Nothing in the format says so: a checksum is no
// signature. So what we find good is recorded in the header itself, as a token, under a MAC whose
// key only the holder of one of the volume's secrets can unwrap.
//
// Against one who writes to the disk and knows no secret of the volume:
// - he changes a segment, keyslot, its area, a digest, the config, or which keyslots a token is
// for:
//   the part's digest differs, and the MAC covers it;
// - he changes the record: the MAC differs; he makes one of his own: he cannot wrap his guard key
//   under a secret that he does not know;
// - he takes the record of another volume or keyslot: the UUID and the keyslot are in what the
//   wrapping key is made of;
// - he puts back header and record of an earlier day: the generation is below the TPM's counter;
// - he removes the record or one wrapped key: HEADER_UNGUARDED. A caller that knows the volume to
// be
//   guarded takes that as HEADER_TAMPERED, and makes a new record on an operator's word only;
// - he lets the header be changed by us and has his changes blessed along: RenewGuard takes only
// the
//   changes that it is told of.
// Not against one who knows a secret, now or formerly: he can unwrap the guard key, and it stays
// the same when he is put out. MakeGuard makes another (rotate.h): what he writes then is at best a
// volume of his own, with an older header. Against that, and against one who replaces the volume as
// a whole with a secret of his own that this TPM seals for him: CheckGuardKey compares `key_id`
// with what was noted outside of the disk.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "seaworthy/modules/volumes/luks2_header.h"
#include "seaworthy/modules/volumes/tokens.h"

namespace seaworthy::volumes {

// A secret of at least 16 random bytes, and the keyslot that it opens: what a token's TPM object
// gives back, or a recovery key.
struct WayIn {
  std::uint32_t keyslot = 0;
  ByteView secret;
};

// A counter of the TPM that only counts up. When a header is changed, the record is written with
// the next value, and then the counter is raised: a crash between leaves the record one ahead.
struct GuardCounter {
  std::uint32_t nv_index = 0;
  std::uint64_t value = 0;
};

// "keyslot 3", "keyslot area 3", "digest 0", "segment 0", "token 2", "config": SHA-256 of each.
// Of a token only type and keyslots count, and the record itself does not.
//
// While the volume is re-encrypted segments move, so "re-encryption" stands for what it was and
// will be; JudgeHeader holds the moving ones to it. What ends with it ("former keyslot 0",
// "former digest 0") may go, as it does piece by piece at the end; it may not change or come. What
// stays is there as it will be, too, where that differs ("afterwards: segment 0"): a record that
// has it is good for the header while it is re-encrypted and for the one at the end, so that a
// crash between the end and the next record locks nobody out. How far the re-encryption is it does
// not say. One who writes to the disk can move that, take away what was, or pretend the end: that
// destroys data, as he could by writing over them, and shows him none, since all of it stays under
// keys that he does not know.
using HeaderParts = std::map<std::string, Bytes>;
Result<HeaderParts> PartsOf(const Luks2Metadata& metadata, const KeyslotAreaDigests& areas);

// A header as it was read, with what lies in its areas.
struct ReadHeader {
  const Luks2Header& header;
  const KeyslotAreaDigests& areas;
};

// The record in the header. FAILED_PRECONDITION (HEADER_UNGUARDED) when there is none;
// PERMISSION_DENIED (HEADER_TAMPERED) when there are two, or one that cannot be read. Where it says
// that the counter is may be a lie: CheckGuard tells.
Result<GuardRecord> FindGuard(const Luks2Metadata& metadata);

// A record with a new guard key. `counter.value` is the generation to be. INVALID_ARGUMENT
// (GUARD_WAY_IN) for a short secret, a keyslot that is not there or no way in at all.
Result<GuardRecord> MakeGuard(const ReadHeader& now, const GuardCounter& counter,
                              std::span<const WayIn> ways_in);

// Whether it is of a header that is being re-encrypted, and so says what that will be.
bool AnnouncesReencryption(const GuardRecord& record);

struct GuardProof {
  GuardRecord record;
  // Names the guard key without telling it. The same as long as no other record was made from
  // nothing.
  std::string key_id;
};

// `counter` is what the TPM says of the index that the record names; nothing for a volume without
// counter. PERMISSION_DENIED: HEADER_TAMPERED, naming all parts that differ; HEADER_ROLLED_BACK;
// HEADER_COUNTER_BEHIND when the counter is not the one it was. FAILED_PRECONDITION
// (HEADER_UNGUARDED): no record, or none for this way in.
Result<GuardProof> CheckGuard(const ReadHeader& now, const WayIn& through,
                              const std::optional<GuardCounter>& counter);
// With the record that FindGuard found there.
Result<GuardProof> CheckGuard(const ReadHeader& now, GuardRecord record, const WayIn& through,
                              const std::optional<GuardCounter>& counter);

// Whether the record is under one of the guard keys whose names were noted; any, where none was.
// PERMISSION_DENIED (GUARD_KEY_CHANGED).
Status CheckGuardKey(const GuardProof& proof, std::span<const std::string> noted);

// The record for the header as it is now, after a change of ours to the header that CheckGuard
// found good: whatever `may_differ` does not accept has to be as `present` has it
// (HEADER_TAMPERED). The guard key stays; it is wrapped for `more` too, and no longer for keyslots
// that are gone. Errors as above; INVALID_ARGUMENT (GUARD_GENERATION) when the generation is not
// higher.
using MayDiffer = std::function<bool(const std::string& part)>;
Result<GuardRecord> RenewGuard(const GuardRecord& present, const ReadHeader& now,
                               const GuardCounter& counter, const WayIn& through,
                               std::span<const WayIn> more, const MayDiffer& may_differ);

}  // namespace seaworthy::volumes
