// Another volume key for a volume that is not active: every sector is read and written again. It
// may be interrupted at any moment, by a crash too, and resumed; until it is done the volume
// can't be activated, but keyslots of both keys open it for the resumption. Only one process at a
// time: libcryptsetup takes a lock in /run/cryptsetup, which has to be writable.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "seaworthy/modules/volumes/luks.h"

namespace seaworthy::volumes {

enum class ReencryptionState {
  kNone,
  kPaused,   // begun; RunReencryption goes on
  kCrashed,  // as kPaused; the part it was at is mended first
};
Result<ReencryptionState> GetReencryptionState(const Luks& luks);

struct NextKeyslot {
  const SecretBytes& passphrase;
  KeyslotCost cost;
};

// Begins, without touching data yet. `passphrase` opens the volume now and from then on under
// both keys, at `cost`; so do the further passphrases under the new one. The numbers of the
// new keyslots, in that order: tokens have to be moved to them. The old ones go at the end. A crash
// may leave keyslots that are not bound; they can be destroyed.
Result<std::vector<int>> StartReencryption(Luks& luks, const SecretBytes& passphrase,
                                           const KeyslotCost& cost,
                                           const SecretBytes& new_volume_key,
                                           std::span<const NextKeyslot> further = {});

// Called now and then with bytes done and bytes in all; false interrupts.
using ReencryptionProgress = std::function<bool(std::uint64_t done, std::uint64_t bytes)>;

// Goes on to the end. CANCELLED (REENCRYPTION_PAUSED) when `progress` said so; FAILED_PRECONDITION
// (REENCRYPTION_NOT_STARTED, REENCRYPTION_UNSUPPORTED: encryption or decryption in place).
Status RunReencryption(Luks& luks, const SecretBytes& passphrase,
                       const ReencryptionProgress& progress);

}  // namespace seaworthy::volumes
