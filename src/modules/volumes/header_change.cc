#include "seaworthy/modules/volumes/header_change.h"

#include <algorithm>
#include <optional>

#include "modules/volumes/metadata_edit.h"
#include "modules/volumes/recorded_change.h"
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

Result<GuardCounter> CaughtUp(tpm::Context& context, const GuardRecord& record) {
  ASSIGN_OR_RETURN(GuardCounter counter, ReadGuardCounter(context, record.nv_index));
  if (counter.value < record.generation) {
    ASSIGN_OR_RETURN(counter.value, tpm::IncrementCounter(context, record.nv_index));
  }
  return counter;
}

Result<GuardCounter> NewCounter(tpm::Context& context, const tpm::BeforeCounter& before) {
  ASSIGN_OR_RETURN(const std::uint32_t index, tpm::DefineCounter(context, before));
  return ReadGuardCounter(context, index);
}

bool IsNone(const Status& status) {
  return Reason(status) == "COUNTER_UNDEFINED" || Reason(status) == "COUNTER_REPLACED";
}

// Who opens the header that is recorded, and what was recorded before.
struct Present {
  std::optional<WayIn> through;
  std::optional<GuardRecord> record;
};

// Under a guard key of its own.
Result<GuardRecord> RecordAnew(const ReadHeader& now, const GuardCounter& next,
                               const std::vector<WayIn>& ways, const NoteGuardKey& note) {
  ASSIGN_OR_RETURN(GuardRecord record, MakeGuard(now, next, ways));
  if (!note) return record;
  ASSIGN_OR_RETURN(const GuardProof proof, CheckGuard(now, record, ways.front(), next));
  RETURN_IF_ERROR(note(proof.key_id));
  return record;
}

Result<GuardRecord> Record(const ReadHeader& now, const GuardCounter& next, const Present& present,
                           std::vector<WayIn> ways, const NoteGuardKey& note) {
  if (present.record.has_value()) {
    return RenewGuard(*present.record, now, next, *present.through, ways, MayDiffer);
  }
  // The way in that opened a volume without record may be gone by now.
  if (present.through.has_value() &&
      now.header.metadata.keyslots.contains(present.through->keyslot)) {
    ways.push_back(*present.through);
  }
  return RecordAnew(now, next, ways, note);
}

Result<std::vector<OpenWayIn>> ChangeCopy(tpm::Broker& broker, Deadline deadline, HeaderCopy& copy,
                                          Luks& luks, const SecretBytes& volume_key,
                                          const Present& present, const Change& change,
                                          const Notes& notes) {
  ASSIGN_OR_RETURN(std::vector<OpenWayIn> added, change(luks, volume_key));
  ASSIGN_OR_RETURN(const GuardCounter counter,
                   CounterOfVolume(broker, deadline, copy, present.record, notes.counter));
  ASSIGN_OR_RETURN(const PresentHeader now, ReadPresent(copy));
  ASSIGN_OR_RETURN(const GuardRecord record,
                   Record(now.read(), Next(counter), present, WaysIn(added), notes.guard_key));
  RETURN_IF_ERROR(PutBackWith(record, broker, deadline, copy, luks, Reencryption::kUnexpected));
  return added;
}

Result<SecretBytes> VolumeKeyOf(const Luks& luks, const OpenWayIn& way) {
  return luks.VolumeKey(way.passphrase, static_cast<int>(way.keyslot));
}

// The header that the change begins with is the one that is recorded.
Status CheckBefore(tpm::Broker& broker, Deadline deadline, const HeaderCopy& copy,
                   const Unlocked& through) {
  if (!through.guard.has_value()) return {};
  ASSIGN_OR_RETURN(const PresentHeader before, ReadPresent(copy));
  std::optional<GuardCounter> counted;
  if (through.guard->nv_index != 0) {
    ASSIGN_OR_RETURN(counted, CounterOfVolume(broker, deadline, copy, through.guard));
  }
  return CheckGuard(before.read(), through.way.way_in(), counted).status();
}

Status NobodyElse(const Luks2Metadata& metadata, const std::vector<OpenWayIn>& made) {
  for (const auto& [number, keyslot] : metadata.keyslots) {
    if (keyslot.type != "luks2") continue;
    if (std::ranges::find(made, number, &OpenWayIn::keyslot) != made.end()) continue;
    return Fail(Code::kInvalidArgument, "WAY_IN_LEFT",
                "keyslot " + std::to_string(number) + " would go on opening the volume");
  }
  return {};
}

Status PutRecord(const GuardRecord& record, const Luks2Metadata& metadata, Luks& luks) {
  const std::optional<int> present = GuardToken(luks);
  if (!IsReencrypting(metadata)) return luks.SetToken(ToJson(record), present).status();
  std::uint32_t free = 0;
  while (metadata.tokens.contains(free)) ++free;
  return WriteToken(luks, present.value_or(static_cast<int>(free)), ToJson(record));
}

}  // namespace

Result<PresentHeader> ReadPresent(const HeaderCopy& copy) {
  PresentHeader present;
  ASSIGN_OR_RETURN(present.header, copy.Now());
  ASSIGN_OR_RETURN(present.areas, DigestKeyslotAreas(copy.fd(), present.header.metadata));
  return present;
}

std::vector<WayIn> WaysIn(const std::vector<OpenWayIn>& open) {
  std::vector<WayIn> ways;
  for (const OpenWayIn& way : open) ways.push_back(way.way_in());
  return ways;
}

Result<GuardCounter> CounterOfVolume(tpm::Broker& broker, Deadline deadline, const HeaderCopy& copy,
                                     const std::optional<GuardRecord>& checked,
                                     const tpm::BeforeCounter& before) {
  return broker.Run(deadline, [&](tpm::Context& context) -> Result<GuardCounter> {
    if (checked.has_value() && checked->nv_index != 0) return CaughtUp(context, *checked);
    const auto named = FindGuard(copy.header().metadata);
    if (!named.ok() || named->nv_index == 0) return NewCounter(context, before);
    Result<GuardCounter> counter = ReadGuardCounter(context, named->nv_index);
    return IsNone(counter.status()) ? NewCounter(context, before) : counter;
  });
}

Status PutBackWith(const GuardRecord& record, tpm::Broker& broker, Deadline deadline,
                   HeaderCopy& copy, Luks& luks, Reencryption reencryption) {
  ASSIGN_OR_RETURN(const Luks2Header now, copy.Now());
  RETURN_IF_ERROR(PutRecord(record, now.metadata, luks));
  RETURN_IF_ERROR(copy.PutBack(reencryption));
  return broker
      .Run(deadline,
           [&](tpm::Context& context) { return tpm::IncrementCounter(context, record.nv_index); })
      .status();
}

Result<std::vector<OpenWayIn>> ChangeHeader(tpm::Broker& broker, Deadline deadline,
                                            HeaderCopy& copy, const Unlocked& through,
                                            const Change& change, const Notes& notes) {
  ASSIGN_OR_RETURN(Luks luks, copy.OpenAlone());
  ASSIGN_OR_RETURN(const SecretBytes volume_key, VolumeKeyOf(luks, through.way));
  Present present{std::nullopt, through.guard};
  if (through.way.random) present.through = through.way.way_in();
  return ChangeCopy(broker, deadline, copy, luks, volume_key, present, change, notes);
}

Result<std::vector<OpenWayIn>> ReplaceWaysIn(tpm::Broker& broker, Deadline deadline,
                                             HeaderCopy& copy, const Unlocked& through,
                                             const Change& change, Reencryption reencryption,
                                             const NoteGuardKey& note) {
  RETURN_IF_ERROR(CheckBefore(broker, deadline, copy, through));
  // A re-encryption looks how large the data are.
  ASSIGN_OR_RETURN(Luks luks,
                   reencryption == Reencryption::kExpected ? copy.OpenVolume() : copy.OpenAlone());
  ASSIGN_OR_RETURN(const SecretBytes volume_key, VolumeKeyOf(luks, through.way));
  ASSIGN_OR_RETURN(std::vector<OpenWayIn> made, change(luks, volume_key));
  ASSIGN_OR_RETURN(const PresentHeader now, ReadPresent(copy));
  RETURN_IF_ERROR(NobodyElse(now.header.metadata, made));
  ASSIGN_OR_RETURN(const GuardCounter counter,
                   CounterOfVolume(broker, deadline, copy, through.guard));
  ASSIGN_OR_RETURN(const GuardRecord record,
                   RecordAnew(now.read(), Next(counter), WaysIn(made), note));
  RETURN_IF_ERROR(PutBackWith(record, broker, deadline, copy, luks, reencryption));
  return made;
}

Result<std::vector<OpenWayIn>> FirstWaysIn(tpm::Broker& broker, Deadline deadline, HeaderCopy& copy,
                                           const SecretBytes& volume_key, const Change& change,
                                           const Notes& notes) {
  ASSIGN_OR_RETURN(Luks luks, copy.OpenAlone());
  return ChangeCopy(broker, deadline, copy, luks, volume_key, {}, change, notes);
}

}  // namespace seaworthy::volumes
