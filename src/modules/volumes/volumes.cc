#include "seaworthy/modules/volumes.h"

#include <algorithm>

#include "modules/volumes/pcr_indices.h"
#include "modules/volumes/token_policy.h"
#include "modules/volumes/volume_view.h"
#include "modules/volumes/volumes_state.h"
#include "seaworthy/log.h"
#include "seaworthy/modules/volumes/tokens.h"
#include "seaworthy/status_macros.h"
#include "seaworthy/tpm/seal.h"

namespace seaworthy::volumes {
namespace {

constexpr std::size_t kVolumeKeyRandomness = 64;

// Neither the name nor the device is another volume's.
Status CheckNew(const Registry& registry, const VolumeEntry& entry) {
  ASSIGN_OR_RETURN(const auto listed, registry.List());
  if (listed.size() >= Volumes::kMaxVolumes) {
    return Fail(Code::kResourceExhausted, "TOO_MANY_VOLUMES",
                "there are " + std::to_string(listed.size()) + " volumes");
  }
  for (const Registry::Listed& other : listed) {
    if (other.name == entry.name) {
      return Fail(Code::kAlreadyExists, "VOLUME_EXISTS",
                  "there is a volume named " + entry.name + ": forget it first");
    }
    if (other.entry.ok() && other.entry->device == entry.device) {
      return Fail(Code::kAlreadyExists, "DEVICE_ENROLLED",
                  entry.device + " is the volume " + other.name);
    }
  }
  return {};
}

// What is left of the recovery key that was made last.
SecretBytes RecoveryKeyIn(std::vector<OpenWayIn>& made, bool asked) {
  return asked ? std::move(made.back().passphrase) : SecretBytes();
}

std::vector<std::uint32_t> ClevisKeyslots(const Luks2Metadata& metadata) {
  std::vector<std::uint32_t> keyslots;
  for (const auto& [number, token] : metadata.tokens) {
    if (token.type != kClevis) continue;
    keyslots.insert(keyslots.end(), token.keyslots.begin(), token.keyslots.end());
  }
  return keyslots;
}

// For the same PCRs as Clevis' tokens.
Result<std::vector<NewTpmWayIn>> LikeClevis(const Luks2Metadata& metadata) {
  std::vector<NewTpmWayIn> ways;
  for (const auto& [number, token] : metadata.tokens) {
    if (token.type != kClevis) continue;
    ASSIGN_OR_RETURN(const ClevisToken parsed, ParseClevisToken(token.json));
    ASSIGN_OR_RETURN(const tpm::HashAlgorithm bank, PcrBank(parsed.pcr_bank));
    ways.emplace_back().policy.pcrs = {bank, Mask(parsed.pcrs)};
  }
  return ways;
}

}  // namespace

Volumes::Volumes(tpm::Broker& broker, Events& events, Options options)
    : state_(std::make_unique<State>(broker, events, std::move(options))) {}

Volumes::~Volumes() { Stop(); }

Volume Volumes::State::Look(Deadline deadline, const VolumeEntry& entry) const {
  Volume volume = ViewOf(entry, Present(deadline));
  if (volume.problem.ok()) volume.problem = problem(entry.name);
  return volume;
}

Result<std::vector<Volume>> Volumes::List(Deadline deadline) const {
  ASSIGN_OR_RETURN(const Registry* registry, state_->registry());
  ASSIGN_OR_RETURN(const auto listed, registry->List());
  const Platform platform = state_->Present(deadline);
  std::vector<Volume> volumes;
  for (const Registry::Listed& one : listed) {
    Volume& volume = volumes.emplace_back();
    if (one.entry.ok()) {
      volume = ViewOf(*one.entry, platform);
      if (volume.problem.ok()) volume.problem = state_->problem(one.name);
    } else {
      volume.entry.name = one.name;
      volume.problem = one.entry.status();
    }
  }
  return volumes;
}

Result<Volume> Volumes::Get(Deadline deadline, const std::string& name) const {
  ASSIGN_OR_RETURN(const Registry* registry, state_->registry());
  ASSIGN_OR_RETURN(const VolumeEntry entry, registry->Read(name));
  return state_->Look(deadline, entry);
}

Result<EnrolledVolume> Volumes::Format(Deadline deadline, const NewVolume& wanted) {
  VolumeEntry entry = wanted.entry;
  RETURN_IF_ERROR(CheckVolumeName(entry.name));
  RETURN_IF_ERROR(CheckDevicePath(entry.device));
  ASSIGN_OR_RETURN(Registry * registry, state_->registry());
  ASSIGN_OR_RETURN(const Registry::Claim claim, registry->ClaimVolume(deadline, entry.name));
  RETURN_IF_ERROR(CheckNew(*registry, entry));
  RETURN_IF_ERROR(state_->SettleCounters(deadline, entry.name));
  const NewTpmWayIn usual;
  const std::span<const NewTpmWayIn> asked =
      wanted.ways_in.empty() ? std::span(&usual, 1) : std::span(wanted.ways_in);
  ASSIGN_OR_RETURN(const std::vector<TpmWayIn> ways, state_->Prepare(deadline, asked));
  const Result<SecretBytes> randomness = state_->broker().Run(
      deadline, [](tpm::Context& context) { return tpm::Random(context, kVolumeKeyRandomness); });
  if (!randomness.ok()) return randomness.status();
  ASSIGN_OR_RETURN(const SecretBytes volume_key, MakeVolumeKey(randomness->view()));

  // What the node has no room for is found before anything is destroyed.
  ASSIGN_OR_RETURN(const BootState boot, state_->ReadBoot(deadline));
  RETURN_IF_ERROR(state_->RecordBoot(entry.name, boot));
  Result<std::vector<OpenWayIn>> formatted =
      state_->Make(deadline, wanted, volume_key, ways, entry);
  RETURN_IF_ERROR(state_->SettleCounters(deadline, entry.name));
  RETURN_IF_ERROR(formatted.status());
  std::vector<OpenWayIn>& made = *formatted;
  RETURN_IF_ERROR(registry->Write(entry));
  state_->Tell("formatted", entry.name, entry.device);
  const std::uint32_t keyslot = made.back().keyslot;
  return EnrolledVolume{state_->Look(deadline, entry), RecoveryKeyIn(made, true), keyslot};
}

Result<EnrolledVolume> Volumes::Enrol(Deadline deadline, const Enrolment& wanted,
                                      const VolumeSecret& secret) {
  VolumeEntry entry = wanted.entry;
  RETURN_IF_ERROR(CheckVolumeName(entry.name));
  RETURN_IF_ERROR(CheckDevicePath(entry.device));
  ASSIGN_OR_RETURN(Registry * registry, state_->registry());
  ASSIGN_OR_RETURN(const Registry::Claim claim, registry->ClaimVolume(deadline, entry.name));
  RETURN_IF_ERROR(CheckNew(*registry, entry));
  RETURN_IF_ERROR(state_->SettleCounters(deadline, entry.name));
  ASSIGN_OR_RETURN(HeaderCopy copy, HeaderCopy::Take(entry.device));
  const bool moved = wanted.replace_clevis && wanted.ways_in.empty();
  std::vector<NewTpmWayIn> like_clevis;
  if (moved) {
    ASSIGN_OR_RETURN(like_clevis, LikeClevis(copy.header().metadata));
  }
  ASSIGN_OR_RETURN(const std::vector<TpmWayIn> ways,
                   state_->Prepare(deadline, moved ? like_clevis : wanted.ways_in));
  entry.uuid = copy.header().uuid;
  VolumeSecret through{secret.kind, SecretBytes::Copy(secret.secret.view()), secret.unguarded};
  // Nobody has left a record in what others made; one that is there is held to it.
  if (Reason(FindGuard(copy.header().metadata).status()) == "HEADER_UNGUARDED") {
    through.unguarded = true;
  }
  ASSIGN_OR_RETURN(const Unlocked unlocked, state_->UnlockBy(deadline, copy, entry, through));
  if (unlocked.guard.has_value()) entry.guard_keys = {unlocked.guard_key};
  ASSIGN_OR_RETURN(const BootState boot, state_->ReadBoot(deadline));
  RETURN_IF_ERROR(state_->RecordBoot(entry.name, boot));
  const Change add = AddWays(state_->broker(), deadline, ways, wanted.add_recovery_key);
  const auto change = [&](Luks& luks, const SecretBytes& key) -> Result<std::vector<OpenWayIn>> {
    ASSIGN_OR_RETURN(std::vector<OpenWayIn> added, add(luks, key));
    if (!wanted.replace_clevis) return added;
    for (const std::uint32_t keyslot : ClevisKeyslots(copy.header().metadata)) {
      RETURN_IF_ERROR(RemoveWayIn(luks, keyslot));
    }
    return added;
  };
  Result<std::vector<OpenWayIn>> changed =
      ChangeHeader(state_->broker(), deadline, copy, unlocked, change,
                   {NoteIn(entry), state_->NotesCounter(entry)});
  RETURN_IF_ERROR(state_->SettleCounters(deadline, entry.name));
  RETURN_IF_ERROR(changed.status());
  std::vector<OpenWayIn>& made = *changed;
  RETURN_IF_ERROR(registry->Write(entry));
  state_->Tell("enrolled", entry.name, entry.device);
  const std::uint32_t keyslot = made.empty() ? 0 : made.back().keyslot;
  return EnrolledVolume{state_->Look(deadline, entry), RecoveryKeyIn(made, wanted.add_recovery_key),
                        keyslot};
}

Result<std::vector<tpm::PcrValue>> Volumes::Predict(Deadline deadline,
                                                    const tpm::PcrSelection& pcrs,
                                                    const ExpectedBoot& boot) const {
  ASSIGN_OR_RETURN(PredictedPcrs predicted, state_->Predict(deadline, pcrs, boot));
  return std::move(predicted.values);
}

Status Volumes::Forget(Deadline deadline, const std::string& name) {
  ASSIGN_OR_RETURN(Registry * registry, state_->registry());
  RETURN_IF_ERROR(CheckVolumeName(name));
  ASSIGN_OR_RETURN(const Registry::Claim claim, registry->ClaimVolume(deadline, name));
  const Result<VolumeEntry> entry = registry->Read(name);
  if (entry.status().code() == Code::kNotFound) return entry.status();
  // One whose entry is damaged can be forgotten, too.
  if (entry.ok()) {
    RETURN_IF_ERROR(CheckClosed(*entry));
  }
  RETURN_IF_ERROR(registry->Remove(name));
  state_->NoteProblem(name, {});
  state_->Tell("forgotten", name, "");
  return {};
}

Health Volumes::Check() const {
  const std::map<std::string, Status> problems = state_->problems();
  if (problems.empty()) return {};
  std::string detail;
  for (const auto& [name, status] : problems) {
    detail += (detail.empty() ? "" : "; ") + name + ": " + Reason(status) + ": " + Message(status);
  }
  return {Health::Level::kDegraded, detail};
}

}  // namespace seaworthy::volumes
