#include "modules/volumes/volumes_state.h"

#include <algorithm>

#include "modules/volumes/volume_view.h"
#include "seaworthy/log.h"
#include "seaworthy/os/memory.h"
#include "seaworthy/status_macros.h"
#include "seaworthy/tpm/quote.h"

namespace seaworthy::volumes {
namespace {

Status Invalid(std::string_view reason, const std::string& message) {
  return Fail(Code::kInvalidArgument, reason, message);
}

// What is asked for in itself.
Status CheckPolicy(const NewTpmWayIn& wanted, const std::string& field) {
  const PolicyShown& policy = wanted.policy;
  if (policy.pcrs.mask == 0 && !policy.signed_pcrs.has_value() && !policy.pin) {
    return Invalid("POLICY_EMPTY", field + ".policy: would open in every state of the platform");
  }
  if (policy.pin == wanted.pin.empty()) {
    return Invalid(policy.pin ? "PIN_MISSING" : "PIN_UNEXPECTED",
                   field + ".pin: " + (policy.pin ? "is empty" : "the policy asks for none"));
  }
  if (policy.pcrs.mask == 0 && wanted.ahead.has_value()) {
    return Invalid("AHEAD_WITHOUT_PCRS", field + ".ahead: the policy has no PCRs to be predicted");
  }
  return {};
}

}  // namespace

Status Volumes::State::OpenRegistry() {
  ASSIGN_OR_RETURN(registry_, Registry::Open(options_.state_dir));
  return {};
}

Result<Registry*> Volumes::State::registry() const {
  if (registry_) return registry_.get();
  return Fail(Code::kFailedPrecondition, "VOLUMES_UNAVAILABLE",
              "the volumes' folder " + options_.state_dir + "/volumes is not open");
}

void Volumes::State::Tell(const std::string& what, const std::string& name,
                          const std::string& message) const {
  events_.Publish("volume." + what, name, message);
  Log(Level::kInfo, "volume " + name + ": " + what + (message.empty() ? "" : ": " + message));
}

Result<HeldVolume> Volumes::State::Hold(Deadline deadline, const std::string& name) const {
  ASSIGN_OR_RETURN(Registry * registry, this->registry());
  RETURN_IF_ERROR(CheckVolumeName(name));
  ASSIGN_OR_RETURN(Registry::Claim claim, registry->ClaimVolume(deadline, name));
  ASSIGN_OR_RETURN(VolumeEntry entry, registry->Read(name));
  return HeldVolume{std::move(claim), std::move(entry)};
}

Result<HeaderCopy> Volumes::State::Take(const VolumeEntry& entry, Reencryption reencryption) {
  ASSIGN_OR_RETURN(HeaderCopy copy, HeaderCopy::Take(entry.device, reencryption));
  if (copy.header().uuid == entry.uuid) return copy;
  return Fail(Code::kFailedPrecondition, "OTHER_VOLUME",
              entry.device + " has the volume " + copy.header().uuid + ", and " + entry.name +
                  " was enrolled as " + entry.uuid);
}

UnlockOptions Volumes::State::OptionsFor(const VolumeEntry& entry) const {
  UnlockOptions options;
  options.guard_keys = entry.guard_keys;
  options.memory = [this] { return os::MemoryLeft(options_.root); };
  return options;
}

Result<Unlocked> Volumes::State::UnlockBy(Deadline deadline, const HeaderCopy& copy,
                                          const VolumeEntry& entry,
                                          const VolumeSecret& secret) const {
  UnlockOptions options = OptionsFor(entry);
  options.unguarded = secret.unguarded;
  if (secret.kind == VolumeSecret::Kind::kPassphrase) {
    return UnlockByPassphrase(copy, secret.secret, options);
  }
  if (secret.kind == VolumeSecret::Kind::kRecoveryKey) {
    return UnlockByRecoveryKey(broker_, deadline, copy, secret.secret, options);
  }
  if (!secret.secret.empty()) options.pin = &secret.secret;
  ASSIGN_OR_RETURN(const Registry* registry, this->registry());
  ASSIGN_OR_RETURN(options.signatures, registry->ReadSignatures(entry.name));
  return Unlock(broker_, deadline, copy, options);
}

void Volumes::State::KeepGuardKey(VolumeEntry& entry, const std::string& key_id) const {
  if (entry.guard_keys == std::vector{key_id}) return;
  entry.guard_keys = {key_id};
  // What was noted until now has this key, or none: the volume opens all the same.
  const auto registry = this->registry();
  const Status kept = registry.ok() ? (*registry)->Write(entry) : registry.status();
  if (!kept.ok())
    Log(Level::kWarning, "noting the guard key of " + entry.name + ": " + Message(kept));
}

Result<Unlocked> Volumes::State::UnlockHeld(Deadline deadline, const HeaderCopy& copy,
                                            VolumeEntry& entry, const VolumeSecret& secret) const {
  ASSIGN_OR_RETURN(Unlocked unlocked, UnlockBy(deadline, copy, entry, secret));
  if (unlocked.guard.has_value()) KeepGuardKey(entry, unlocked.guard_key);
  return unlocked;
}

Status Volumes::State::UnderNewGuardKey(
    VolumeEntry& entry, const std::function<Status(const NoteGuardKey& note)>& change) const {
  std::string made;
  const auto note = [&](const std::string& key_id) -> Status {
    made = key_id;
    // Where none is noted any is good already.
    if (entry.guard_keys.empty()) return {};
    if (entry.guard_keys.size() >= kMaxGuardKeys) entry.guard_keys.erase(entry.guard_keys.begin());
    entry.guard_keys.push_back(key_id);
    ASSIGN_OR_RETURN(const Registry* registry, this->registry());
    return registry->Write(entry);
  };
  RETURN_IF_ERROR(change(note));
  if (!made.empty()) KeepGuardKey(entry, made);
  return {};
}

Result<std::vector<OpenWayIn>> Volumes::State::ChangeHeld(Deadline deadline, HeaderCopy& copy,
                                                          VolumeEntry& entry,
                                                          const Unlocked& through,
                                                          const Change& change) const {
  Result<std::vector<OpenWayIn>> added = std::vector<OpenWayIn>();
  RETURN_IF_ERROR(UnderNewGuardKey(entry, [&](const NoteGuardKey& note) {
    added = ChangeHeader(broker_, deadline, copy, through, change, {.guard_key = note});
    return added.status();
  }));
  return added;
}

Result<std::vector<OpenWayIn>> Volumes::State::ChangeBy(Deadline deadline, VolumeEntry& entry,
                                                        const VolumeSecret& secret,
                                                        const Change& change) const {
  ASSIGN_OR_RETURN(HeaderCopy copy, Take(entry));
  ASSIGN_OR_RETURN(const Unlocked unlocked, UnlockHeld(deadline, copy, entry, secret));
  return ChangeHeld(deadline, copy, entry, unlocked, change);
}

Result<std::vector<TpmWayIn>> Volumes::State::Prepare(Deadline deadline,
                                                      std::span<const NewTpmWayIn> wanted) const {
  if (wanted.size() > kMaxNewWaysIn) {
    return Invalid("TOO_MANY_WAYS_IN",
                   "ways_in: at most " + std::to_string(kMaxNewWaysIn) + " in one call");
  }
  std::vector<TpmWayIn> ways;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    const std::string field = "ways_in[" + std::to_string(i) + "]";
    RETURN_IF_ERROR(CheckPolicy(wanted[i], field));
    const PolicyShown& policy = wanted[i].policy;
    TpmWayIn& way = ways.emplace_back();
    way.legacy_parent = policy.legacy_parent;
    way.pin = policy.pin ? &wanted[i].pin : nullptr;
    way.policy.pin = policy.pin;
    way.policy.signed_pcrs = policy.signed_pcrs;
    if (policy.pcrs.mask != 0) {
      ASSIGN_OR_RETURN(way.policy.pcrs, PcrsOf(deadline, wanted[i]));
    }
    // What is wrong with a policy is found before anything is destroyed for it.
    RETURN_IF_ERROR(Wrap(tpm::PolicyDigest(way.policy).status(), field + ".policy"));
  }
  return ways;
}

Result<tpm::PcrPolicy> Volumes::State::PcrsOf(Deadline deadline, const NewTpmWayIn& wanted) const {
  if (wanted.ahead.has_value()) {
    ASSIGN_OR_RETURN(const PredictedPcrs predicted,
                     Predict(deadline, wanted.policy.pcrs, *wanted.ahead));
    return predicted.policy;
  }
  return broker_.Run(deadline, [&](tpm::Context& context) -> Result<tpm::PcrPolicy> {
    ASSIGN_OR_RETURN(const auto values, tpm::ReadPcrs(context, {wanted.policy.pcrs}));
    return tpm::PcrPolicy{wanted.policy.pcrs, tpm::PcrDigest(values)};
  });
}

Result<PredictedPcrs> Volumes::State::Predict(Deadline deadline, const tpm::PcrSelection& pcrs,
                                              const ExpectedBoot& boot) const {
  ASSIGN_OR_RETURN(const BootState now, ReadBoot(deadline));
  return PredictUpdate(now, pcrs, boot.update, boot.phases);
}

void Volumes::State::NoteProblem(const std::string& name, const Status& status) {
  const std::lock_guard lock(mutex_);
  if (status.ok()) {
    problems_.erase(name);
  } else {
    problems_[name] = status;
  }
}

Status Volumes::State::problem(const std::string& name) const {
  const std::lock_guard lock(mutex_);
  const auto found = problems_.find(name);
  return found == problems_.end() ? Status() : found->second;
}

std::map<std::string, Status> Volumes::State::problems() const {
  const std::lock_guard lock(mutex_);
  return problems_;
}

void Volumes::State::StopOpening() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  stopped_.notify_all();
  if (opener_.joinable()) opener_.join();
}

bool Volumes::State::Rest(std::chrono::milliseconds time) {
  std::unique_lock lock(mutex_);
  return !stopped_.wait_for(lock, time, [&] { return stop_; });
}

void Volumes::State::StartOpening(std::function<void()> work) {
  opener_ = std::thread(std::move(work));
}

}  // namespace seaworthy::volumes
