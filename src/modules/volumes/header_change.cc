#include "seaworthy/modules/volumes/header_change.h"

#include <optional>

#include "seaworthy/modules/volumes/header_guard.h"
#include "seaworthy/modules/volumes/tokens.h"
#include "seaworthy/status_macros.h"
#include "seaworthy/tpm/counter.h"

namespace seaworthy::volumes {
namespace {

// What a change of keyslots and tokens touches. The copy is ours alone, so all else is as it was;
// that is looked at all the same.
bool MayDiffer(const std::string& part) {
  return !part.starts_with("segment") && part != "config" && part != "re-encryption";
}

std::optional<int> GuardToken(const Luks& luks) {
  for (const Token& token : luks.Tokens()) {
    if (token.type == kGuard) return token.id;
  }
  return std::nullopt;
}

// The counter where it ought to be: a change that was broken off leaves it one behind the record.
Result<GuardCounter> CaughtUp(tpm::Context& context, const GuardRecord& record) {
  ASSIGN_OR_RETURN(GuardCounter counter, ReadGuardCounter(context, record.nv_index));
  if (counter.value < record.generation) {
    ASSIGN_OR_RETURN(counter.value, tpm::IncrementCounter(context, record.nv_index));
  }
  return counter;
}

Result<GuardCounter> NewCounter(tpm::Context& context) {
  ASSIGN_OR_RETURN(const std::uint32_t index, tpm::DefineCounter(context));
  return ReadGuardCounter(context, index);
}

std::vector<WayIn> WaysIn(const std::vector<OpenWayIn>& open) {
  std::vector<WayIn> ways;
  for (const OpenWayIn& way : open) ways.push_back(way.way_in());
  return ways;
}

// Who opens the header that is recorded, and what was recorded before.
struct Present {
  std::optional<WayIn> through;
  std::optional<GuardRecord> record;
};

Result<GuardRecord> Record(const ReadHeader& now, const GuardCounter& next, const Present& present,
                           std::vector<WayIn> ways) {
  if (present.record.has_value()) {
    return RenewGuard(*present.record, now, next, *present.through, ways, MayDiffer);
  }
  // The way in that opened a volume without record may be gone by now.
  if (present.through.has_value() &&
      now.header.metadata.keyslots.contains(present.through->keyslot)) {
    ways.push_back(*present.through);
  }
  return MakeGuard(now, next, ways);
}

Status RecordAndPutBack(tpm::Broker& broker, Deadline deadline, HeaderCopy& copy, Luks& luks,
                        const Present& present, const std::vector<OpenWayIn>& added) {
  Result<GuardCounter> counter = broker.Run(deadline, [&](tpm::Context& context) {
    return present.record.has_value() && present.record->nv_index != 0
               ? CaughtUp(context, *present.record)
               : NewCounter(context);
  });
  if (!counter.ok()) return counter.status();
  ASSIGN_OR_RETURN(const Luks2Header header, copy.Now());
  ASSIGN_OR_RETURN(const KeyslotAreaDigests areas, DigestKeyslotAreas(copy.fd(), header.metadata));
  const GuardCounter next = {counter->nv_index, counter->value + 1};
  ASSIGN_OR_RETURN(const GuardRecord record, Record({header, areas}, next, present, WaysIn(added)));
  RETURN_IF_ERROR(luks.SetToken(ToJson(record), GuardToken(luks)).status());
  RETURN_IF_ERROR(copy.PutBack());
  // From here on what was before is refused.
  return broker
      .Run(deadline,
           [&](tpm::Context& context) { return tpm::IncrementCounter(context, next.nv_index); })
      .status();
}

Result<std::vector<OpenWayIn>> ChangeCopy(tpm::Broker& broker, Deadline deadline, HeaderCopy& copy,
                                          Luks& luks, const SecretBytes& volume_key,
                                          const Present& present, const Change& change) {
  ASSIGN_OR_RETURN(std::vector<OpenWayIn> added, change(luks, volume_key));
  RETURN_IF_ERROR(RecordAndPutBack(broker, deadline, copy, luks, present, added));
  return added;
}

}  // namespace

Result<std::vector<OpenWayIn>> ChangeHeader(tpm::Broker& broker, Deadline deadline,
                                            HeaderCopy& copy, const Unlocked& through,
                                            const Change& change) {
  ASSIGN_OR_RETURN(Luks luks, copy.OpenAlone());
  ASSIGN_OR_RETURN(const SecretBytes volume_key,
                   luks.VolumeKey(through.way.passphrase, static_cast<int>(through.way.keyslot)));
  Present present{std::nullopt, through.guard};
  if (through.way.random) present.through = through.way.way_in();
  return ChangeCopy(broker, deadline, copy, luks, volume_key, present, change);
}

Result<std::vector<OpenWayIn>> FirstWaysIn(tpm::Broker& broker, Deadline deadline, HeaderCopy& copy,
                                           const SecretBytes& volume_key, const Change& change) {
  ASSIGN_OR_RETURN(Luks luks, copy.OpenAlone());
  return ChangeCopy(broker, deadline, copy, luks, volume_key, {}, change);
}

}  // namespace seaworthy::volumes
