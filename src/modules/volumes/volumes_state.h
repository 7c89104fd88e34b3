// What the calls of the module stand on.
#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "modules/volumes/counter_notes.h"
#include "modules/volumes/registry.h"
#include "modules/volumes/volume_view.h"
#include "seaworthy/modules/volumes.h"
#include "seaworthy/modules/volumes/boot_state.h"
#include "seaworthy/modules/volumes/header_change.h"
#include "seaworthy/modules/volumes/rotate.h"
#include "seaworthy/tpm/counter.h"

namespace seaworthy::volumes {

// Its name in /dev/mapper; nothing when it is not open.
Result<std::optional<std::string>> MappingOf(const VolumeEntry& entry);
// FAILED_PRECONDITION (VOLUME_OPEN).
Status CheckClosed(const VolumeEntry& entry);

// The right to work on a volume, and what is known of it.
struct HeldVolume {
  Registry::Claim claim;
  VolumeEntry entry;
};

// What of the PCRs that the ways in are sealed to is not as it was recorded, one line each.
std::vector<std::string> DifferencesSince(const std::optional<BootState>& recorded,
                                          const BootState& now, const Luks2Metadata& metadata);

// Ways in by the TPM that are to be made anew, as they are.
struct WaysAnew {
  std::vector<std::uint32_t> keyslots;
  std::vector<NewTpmWayIn> wanted;
};

// Notes the guard key in the entry, which outlives it, of a volume that is not registered yet.
NoteGuardKey NoteIn(VolumeEntry& entry);

class Volumes::State {
 public:
  State(tpm::Broker& broker, Events& events, Options options)
      : broker_(broker), events_(events), options_(std::move(options)) {}

  tpm::Broker& broker() const { return broker_; }
  const Options& options() const { return options_; }
  Status OpenRegistry();
  // FAILED_PRECONDITION (VOLUMES_UNAVAILABLE) when Start failed.
  Result<Registry*> registry() const;
  // The event "volume.<what>".
  void Tell(const std::string& what, const std::string& name, const std::string& message) const;

  Result<HeldVolume> Hold(Deadline deadline, const std::string& name) const;
  // Of the volume that was enrolled. FAILED_PRECONDITION (OTHER_VOLUME).
  static Result<HeaderCopy> Take(const VolumeEntry& entry,
                                 Reencryption reencryption = Reencryption::kUnexpected);
  // With the guard keys that are noted, and the memory that there is.
  UnlockOptions OptionsFor(const VolumeEntry& entry) const;
  Result<Unlocked> UnlockBy(Deadline deadline, const HeaderCopy& copy, const VolumeEntry& entry,
                            const VolumeSecret& secret) const;
  // And notes the one that it is, where none was, or a change was broken off.
  Result<Unlocked> UnlockHeld(Deadline deadline, const HeaderCopy& copy, VolumeEntry& entry,
                              const VolumeSecret& secret) const;
  // A change that may put the header under another guard key. That is noted beside the ones before
  // while the header is put back: wherever it is broken off, what is on the disk then opens.
  Status UnderNewGuardKey(VolumeEntry& entry,
                          const std::function<Status(const NoteGuardKey& note)>& change) const;
  // ChangeHeader, as such a change.
  Result<std::vector<OpenWayIn>> ChangeHeld(Deadline deadline, HeaderCopy& copy, VolumeEntry& entry,
                                            const Unlocked& through, const Change& change) const;
  // Unlocks and changes.
  Result<std::vector<OpenWayIn>> ChangeBy(Deadline deadline, VolumeEntry& entry,
                                          const VolumeSecret& secret, const Change& change) const;

  // Formats the device; the recovery key comes last. The entry gets the volume's UUID and guard
  // key.
  Result<std::vector<OpenWayIn>> Make(Deadline deadline, const NewVolume& wanted,
                                      const SecretBytes& volume_key, std::span<const TpmWayIn> ways,
                                      VolumeEntry& entry);
  // Notes the counter that the volume is about to be given.
  tpm::BeforeCounter NotesCounter(const VolumeEntry& entry);
  // Deletes counters that were noted and that no header names, whoever left them. `name` is the
  // volume that the caller is at work on. What cannot be settled now stays noted.
  Status SettleCounters(Deadline deadline, const std::string& name);

  // With PCRs as they are, or as they were predicted. INVALID_ARGUMENT naming the field.
  Result<std::vector<TpmWayIn>> Prepare(Deadline deadline,
                                        std::span<const NewTpmWayIn> wanted) const;

  Result<PredictedPcrs> Predict(Deadline deadline, const tpm::PcrSelection& pcrs,
                                const ExpectedBoot& boot) const;

  Result<Platform> PlatformOf(Deadline deadline, std::vector<verify::PcrValue> pcrs) const;
  // For who only looks: without the TPM nothing is known, and all else is shown.
  Platform Present(Deadline deadline) const;
  Result<BootState> ReadBoot(Deadline deadline) const;
  // What was measured at this boot, to tell some day what is not as it was.
  Status RecordBoot(const std::string& name, const BootState& now) const;
  // Nothing where none was recorded, or it is damaged.
  std::optional<BootState> RecordedBoot(const std::string& name) const;

  // DifferencesSince now.
  std::vector<std::string> Differences(Deadline deadline, const std::string& name,
                                       const Luks2Metadata& metadata) const;
  // Unlocks the volume, which is not open, and has it mapped. Why not, with all that differs.
  Status Map(Deadline deadline, VolumeEntry& entry, const VolumeSecret& secret) const;

  // Those that fit the PCRs now, and need no PIN but the one in `secret`. FAILED_PRECONDITION
  // (NOTHING_TO_ROTATE).
  Result<WaysAnew> Anew(Deadline deadline, const Luks2Metadata& metadata,
                        const VolumeSecret& secret) const;

  Result<AcceptedHeader> AcceptHeld(Deadline deadline, VolumeEntry& entry,
                                    const VolumeSecret& secret, const SecretBytes& pin) const;

  // What the volume looks like, whatever is wrong with it.
  Volume Look(Deadline deadline, const VolumeEntry& entry) const;

  // The last try to open at the start.
  void NoteProblem(const std::string& name, const Status& status);
  Status problem(const std::string& name) const;
  std::map<std::string, Status> problems() const;

  void StartOpening(std::function<void()> work);
  void StopOpening();
  // False when stopped.
  bool Rest(std::chrono::milliseconds time);

 private:
  void KeepGuardKey(VolumeEntry& entry, const std::string& key_id) const;
  // As they are, or as they will be.
  Result<tpm::PcrPolicy> PcrsOf(Deadline deadline, const NewTpmWayIn& wanted) const;

  Result<bool> IsCounterOfAny(std::uint32_t nv_index) const;
  Status SettleCounter(Deadline deadline, const CounterNote& note);

  tpm::Broker& broker_;
  Events& events_;
  const Options options_;
  std::unique_ptr<Registry> registry_;  // set in Start
  CounterNotes counter_notes_;
  mutable std::mutex mutex_;
  std::condition_variable stopped_;
  bool stop_ = false;                       // guarded by mutex_
  std::map<std::string, Status> problems_;  // guarded by mutex_
  std::thread opener_;
};

}  // namespace seaworthy::volumes
