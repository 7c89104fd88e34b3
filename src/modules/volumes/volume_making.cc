// Volumes made and taken in, and the counters that they get.
#include "modules/volumes/volumes_state.h"
#include "seaworthy/log.h"
#include "seaworthy/status_macros.h"

namespace seaworthy::volumes {

NoteGuardKey NoteIn(VolumeEntry& entry) {
  return [&entry](const std::string& key_id) -> Status {
    entry.guard_keys = {key_id};
    return {};
  };
}

// Whether a header of a volume that the node knows names it. An error where one cannot be read now.
Result<bool> Volumes::State::IsCounterOfAny(std::uint32_t nv_index) const {
  ASSIGN_OR_RETURN(const Registry* registry, this->registry());
  ASSIGN_OR_RETURN(const auto listed, registry->List());
  for (const Registry::Listed& one : listed) {
    RETURN_IF_ERROR(one.entry.status());
    ASSIGN_OR_RETURN(const bool named, NamesCounter(one.entry->device, nv_index));
    if (named) return true;
  }
  return false;
}

Status Volumes::State::SettleCounter(Deadline deadline, const CounterNote& note) {
  ASSIGN_OR_RETURN(const Registry* registry, this->registry());
  ASSIGN_OR_RETURN(bool named, NamesCounter(note.device, note.nv_index));
  if (!named) {
    ASSIGN_OR_RETURN(named, IsCounterOfAny(note.nv_index));
  }
  if (!named) {
    const Status deleted = broker_.Run(deadline, [&](tpm::Context& context) {
      return tpm::DeleteCounter(context, note.nv_index);
    });
    const bool none =
        Reason(deleted) == "COUNTER_UNDEFINED" || Reason(deleted) == "COUNTER_REPLACED";
    if (!deleted.ok() && !none) return deleted;
  }
  return counter_notes_.Remove(registry->folder(), note.nv_index);
}

Status Volumes::State::SettleCounters(Deadline deadline, const std::string& name) {
  ASSIGN_OR_RETURN(Registry * registry, this->registry());
  ASSIGN_OR_RETURN(const auto notes, counter_notes_.Read(registry->folder()));
  for (const CounterNote& note : notes) {
    std::optional<Registry::Claim> claim;
    if (note.volume != name) {
      // Somebody is at work on it, and will settle it himself.
      Result<Registry::Claim> other = registry->ClaimVolume(Deadline::clock::now(), note.volume);
      if (!other.ok()) continue;
      claim.emplace(*std::move(other));
    }
    const Status settled = SettleCounter(deadline, note);
    // It stays noted.
    if (!settled.ok()) Log(Level::kWarning, "a counter in the TPM is left: " + Message(settled));
  }
  return {};
}

tpm::BeforeCounter Volumes::State::NotesCounter(const VolumeEntry& entry) {
  return [this, name = entry.name, device = entry.device](std::uint32_t nv_index) -> Status {
    ASSIGN_OR_RETURN(const Registry* registry, this->registry());
    return counter_notes_.Add(registry->folder(), {name, device, nv_index});
  };
}

Result<std::vector<OpenWayIn>> Volumes::State::Make(Deadline deadline, const NewVolume& wanted,
                                                    const SecretBytes& volume_key,
                                                    std::span<const TpmWayIn> ways,
                                                    VolumeEntry& entry) {
  const std::string& device = entry.device;
  const Notes notes = {NoteIn(entry), NotesCounter(entry)};
  // With the header that is there goes what tells of its counter.
  const std::uint32_t former = wanted.destroy ? NamedCounter(device) : 0;
  if (tpm::IsCounterIndex(former)) RETURN_IF_ERROR(notes.counter(former));
  FormatOptions options;
  options.label = wanted.label;
  options.sector_size = wanted.sector_size;
  options.destroy = wanted.destroy;
  RETURN_IF_ERROR(Luks::Format(device, volume_key, options).status());
  ASSIGN_OR_RETURN(HeaderCopy copy, HeaderCopy::Take(device));
  entry.uuid = copy.header().uuid;
  return FirstWaysIn(broker_, deadline, copy, volume_key, AddWays(broker_, deadline, ways, true),
                     notes);
}

}  // namespace seaworthy::volumes
