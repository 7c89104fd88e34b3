// What changes to a header copy have in common: how far the counter is, and the end of each.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "seaworthy/modules/volumes/header_change.h"
#include "seaworthy/modules/volumes/header_guard.h"

namespace seaworthy::volumes {

// A copy as it is at the moment.
struct PresentHeader {
  Luks2Header header;
  KeyslotAreaDigests areas;

  ReadHeader read() const { return {header, areas}; }
};
Result<PresentHeader> ReadPresent(const HeaderCopy& copy);

std::vector<WayIn> WaysIn(const std::vector<OpenWayIn>& open);

// The counter for the next record of the volume, where it ought to be: a change that was broken off
// leaves it one behind the record. `checked` is the record, where the way in could check it. Of one
// that nobody could check, the counter that it names is gone on with all the same, if it is one:
// with a new one that record and its header would be good for ever. `before` is told of a new one.
Result<GuardCounter> CounterOfVolume(tpm::Broker& broker, Deadline deadline, const HeaderCopy& copy,
                                     const std::optional<GuardRecord>& checked,
                                     const tpm::BeforeCounter& before = nullptr);

// The value is the generation to be.
inline GuardCounter Next(const GuardCounter& counter) {
  return {counter.nv_index, counter.value + 1};
}

// Puts the record into the copy, the copy back, and counts the counter up, from when on what was
// before is refused. Broken off before that, it is made up for by the next change.
Status PutBackWith(const GuardRecord& record, tpm::Broker& broker, Deadline deadline,
                   HeaderCopy& copy, Luks& luks, Reencryption reencryption);

}  // namespace seaworthy::volumes
