// Ways into a volume added, taken away, rotated and refreshed.
#include <algorithm>

#include "modules/volumes/pcr_indices.h"
#include "modules/volumes/volume_view.h"
#include "modules/volumes/volumes_state.h"
#include "seaworthy/status_macros.h"

namespace seaworthy::volumes {
namespace {

using WaysShown = std::vector<WayInShown>;

// By the TPM, and sealed to values of PCRs.
bool IsSealedToPcrs(const WayInShown& way) {
  return way.kind == WayInKind::kByTpm && way.policy.pcrs.mask != 0;
}

bool Fits(const WayInShown& way) { return way.fits.value_or(false); }

bool SamePolicy(const PolicyShown& one, const PolicyShown& other) {
  const auto key = [](const PolicyShown& policy) {
    return policy.signed_pcrs.has_value()
               ? std::pair(policy.signed_pcrs->public_key, policy.signed_pcrs->selection.mask)
               : std::pair(std::string(), std::uint32_t{0});
  };
  return one.pcrs == other.pcrs && one.pin == other.pin &&
         one.legacy_parent == other.legacy_parent && key(one) == key(other);
}

NewTpmWayIn LikeThis(const WayInShown& way, const SecretBytes& pin) {
  return {way.policy, way.policy.pin ? SecretBytes::Copy(pin.view()) : SecretBytes(), {}};
}

// Those of a state of the platform that is gone. One that merely does not fit may be for an update
// to come; where nothing was recorded that cannot be told apart.
WaysShown StaleWays(WaysShown ways, const Luks2Metadata& metadata,
                    const std::optional<BootState>& recorded, const Platform& now) {
  std::erase_if(
      ways, [](const WayInShown& way) { return !IsSealedToPcrs(way) || way.fits.value_or(true); });
  if (!recorded.has_value()) return ways;
  const WaysShown then = WaysInOf(metadata, {recorded->pcrs, now.srk_name});
  std::erase_if(ways, [&](const WayInShown& way) {
    return std::ranges::none_of(
        then, [&](const WayInShown& other) { return other.keyslot == way.keyslot && Fits(other); });
  });
  return ways;
}

// Like the stale ones, where none that fits is there already.
std::vector<NewTpmWayIn> Successors(const WaysShown& stale, const WaysShown& all,
                                    const SecretBytes& pin) {
  std::vector<NewTpmWayIn> successors;
  for (const WayInShown& way : stale) {
    const bool there = std::ranges::any_of(all,
                                           [&](const WayInShown& other) {
                                             return IsSealedToPcrs(other) && Fits(other) &&
                                                    SamePolicy(other.policy, way.policy);
                                           }) ||
                       std::ranges::any_of(successors, [&](const NewTpmWayIn& other) {
                         return SamePolicy(other.policy, way.policy);
                       });
    if (!there) successors.push_back(LikeThis(way, pin));
  }
  return successors;
}

std::vector<std::uint32_t> KeyslotsOf(const WaysShown& ways) {
  std::vector<std::uint32_t> keyslots;
  for (const WayInShown& way : ways) keyslots.push_back(way.keyslot);
  return keyslots;
}

Status Unexplained(const std::vector<std::string>& differences) {
  std::string all;
  for (const std::string& line : differences) all += " " + line;
  return Fail(Code::kFailedPrecondition, "CHANGE_NOT_EXPLAINED",
              "the boot log does not explain all that is not as it was when the volume was sealed" +
                  (all.empty() ? std::string(": nothing was recorded then") : ":" + all));
}

}  // namespace

Result<EnrolledVolume> Volumes::AddTpm(Deadline deadline, const std::string& name,
                                       const VolumeSecret& secret, const NewTpmWayIn& wanted) {
  ASSIGN_OR_RETURN(HeldVolume held, state_->Hold(deadline, name));
  ASSIGN_OR_RETURN(const std::vector<TpmWayIn> ways,
                   state_->Prepare(deadline, std::span(&wanted, 1)));
  ASSIGN_OR_RETURN(const std::vector<OpenWayIn> added,
                   state_->ChangeBy(deadline, held.entry, secret,
                                    AddWays(state_->broker(), deadline, ways, false)));
  state_->Tell("way_in_added", name, "keyslot " + std::to_string(added.front().keyslot));
  return EnrolledVolume{state_->Look(deadline, held.entry), {}, added.front().keyslot};
}

Result<EnrolledVolume> Volumes::AddRecovery(Deadline deadline, const std::string& name,
                                            const VolumeSecret& secret) {
  ASSIGN_OR_RETURN(HeldVolume held, state_->Hold(deadline, name));
  ASSIGN_OR_RETURN(std::vector<OpenWayIn> added,
                   state_->ChangeBy(deadline, held.entry, secret,
                                    AddWays(state_->broker(), deadline, {}, true)));
  const std::uint32_t keyslot = added.front().keyslot;
  state_->Tell("way_in_added", name, "keyslot " + std::to_string(keyslot));
  return EnrolledVolume{state_->Look(deadline, held.entry), std::move(added.front().passphrase),
                        keyslot};
}

Result<Volume> Volumes::Remove(Deadline deadline, const std::string& name,
                               const VolumeSecret& secret, std::uint32_t keyslot) {
  ASSIGN_OR_RETURN(HeldVolume held, state_->Hold(deadline, name));
  const Change remove = [&](Luks& luks, const SecretBytes&) -> Result<std::vector<OpenWayIn>> {
    RETURN_IF_ERROR(RemoveWayIn(luks, keyslot));
    return std::vector<OpenWayIn>();
  };
  RETURN_IF_ERROR(state_->ChangeBy(deadline, held.entry, secret, remove).status());
  state_->Tell("way_in_removed", name, "keyslot " + std::to_string(keyslot));
  return state_->Look(deadline, held.entry);
}

Result<WaysAnew> Volumes::State::Anew(Deadline deadline, const Luks2Metadata& metadata,
                                      const VolumeSecret& secret) const {
  ASSIGN_OR_RETURN(BootState now, ReadBootState(broker_, deadline, ""));
  ASSIGN_OR_RETURN(const Platform platform, PlatformOf(deadline, std::move(now.pcrs)));
  WaysShown old = WaysInOf(metadata, platform);
  const bool has_pin = secret.kind == VolumeSecret::Kind::kTpm && !secret.secret.empty();
  std::erase_if(old, [&](const WayInShown& way) {
    return way.kind != WayInKind::kByTpm || !Fits(way) || (way.policy.pin && !has_pin);
  });
  if (old.empty()) {
    return Fail(Code::kFailedPrecondition, "NOTHING_TO_ROTATE",
                "no way in by the TPM fits the PCRs as they are" +
                    std::string(has_pin ? "" : " and needs no PIN"));
  }
  WaysAnew anew;
  anew.keyslots = KeyslotsOf(old);
  for (const WayInShown& way : old) anew.wanted.push_back(LikeThis(way, secret.secret));
  return anew;
}

Result<Volume> Volumes::Rotate(Deadline deadline, const std::string& name,
                               const VolumeSecret& secret) {
  ASSIGN_OR_RETURN(HeldVolume held, state_->Hold(deadline, name));
  ASSIGN_OR_RETURN(HeaderCopy copy, State::Take(held.entry));
  ASSIGN_OR_RETURN(const WaysAnew anew, state_->Anew(deadline, copy.header().metadata, secret));
  ASSIGN_OR_RETURN(const std::vector<TpmWayIn> ways, state_->Prepare(deadline, anew.wanted));
  ASSIGN_OR_RETURN(const Unlocked unlocked, state_->UnlockHeld(deadline, copy, held.entry, secret));
  RETURN_IF_ERROR(state_
                      ->ChangeHeld(deadline, copy, held.entry, unlocked,
                                   ReplaceWays(state_->broker(), deadline, ways, anew.keyslots))
                      .status());
  state_->Tell("rotated", name, std::to_string(ways.size()) + " ways in");
  return state_->Look(deadline, held.entry);
}

Result<Refresh> Volumes::RefreshPolicy(Deadline deadline, const std::string& name,
                                       const VolumeSecret& secret, const RefreshOptions& options) {
  ASSIGN_OR_RETURN(HeldVolume held, state_->Hold(deadline, name));
  ASSIGN_OR_RETURN(HeaderCopy copy, State::Take(held.entry));
  const Luks2Metadata metadata = copy.header().metadata;
  ASSIGN_OR_RETURN(const BootState now, state_->ReadBoot(deadline));
  const std::optional<BootState> recorded = state_->RecordedBoot(name);
  ASSIGN_OR_RETURN(const Platform platform, state_->PlatformOf(deadline, now.pcrs));
  const WaysShown all = WaysInOf(metadata, platform);
  const WaysShown stale = StaleWays(all, metadata, recorded, platform);
  Refresh refresh;
  refresh.differences = DifferencesSince(recorded, now, metadata);
  const std::vector<NewTpmWayIn> wanted = Successors(stale, all, options.pin);
  std::uint32_t mask = 0;
  for (const NewTpmWayIn& way : wanted) mask |= way.policy.pcrs.mask;
  const bool explained =
      recorded.has_value() && ExplainedByLog(Compare(*recorded, now, Indices(mask)));
  if (!wanted.empty() && !explained && !options.unexplained) {
    return Unexplained(refresh.differences);
  }
  ASSIGN_OR_RETURN(const std::vector<TpmWayIn> ways, state_->Prepare(deadline, wanted));
  ASSIGN_OR_RETURN(const Unlocked unlocked, state_->UnlockHeld(deadline, copy, held.entry, secret));
  if (!options.keep_old) refresh.removed = KeyslotsOf(stale);
  if (!ways.empty() || !refresh.removed.empty()) {
    ASSIGN_OR_RETURN(
        const std::vector<OpenWayIn> added,
        state_->ChangeHeld(deadline, copy, held.entry, unlocked,
                           ReplaceWays(state_->broker(), deadline, ways, refresh.removed)));
    for (const OpenWayIn& way : added) refresh.added.push_back(way.keyslot);
  }
  RETURN_IF_ERROR(state_->RecordBoot(name, now));
  state_->NoteProblem(name, {});
  state_->Tell("refreshed", name,
               std::to_string(refresh.added.size()) + " ways in added, " +
                   std::to_string(refresh.removed.size()) + " taken away");
  refresh.volume = state_->Look(deadline, held.entry);
  return refresh;
}

Result<std::size_t> Volumes::InstallSignatures(Deadline deadline, const std::string& name,
                                               std::string_view json) {
  ASSIGN_OR_RETURN(const HeldVolume held, state_->Hold(deadline, name));
  ASSIGN_OR_RETURN(const std::vector<SignedPolicy> more, ParsePolicySignatures(json));
  ASSIGN_OR_RETURN(const HeaderCopy copy, State::Take(held.entry, Reencryption::kExpected));
  const WaysShown ways = WaysInOf(copy.header().metadata, {});
  for (std::size_t i = 0; i < more.size(); ++i) {
    Status status = Fail(Code::kInvalidArgument, "POLICY_KEY_UNKNOWN",
                         "no way into " + name + " is for the key that made it");
    for (const WayInShown& way : ways) {
      if (!way.policy.signed_pcrs.has_value()) continue;
      const std::string& pem = way.policy.signed_pcrs->public_key;
      const Result<Bytes> fingerprint = PolicyKeyFingerprint(pem);
      if (!fingerprint.ok() || *fingerprint != more[i].key) continue;
      status = CheckPolicySignature(more[i], pem);
      break;
    }
    if (!status.ok()) return Wrap(status, "json: signature " + std::to_string(i));
  }
  ASSIGN_OR_RETURN(const Registry* registry, state_->registry());
  ASSIGN_OR_RETURN(std::vector<SignedPolicy> signatures, registry->ReadSignatures(name));
  RETURN_IF_ERROR(MergePolicySignatures(more, signatures));
  RETURN_IF_ERROR(registry->WriteSignatures(name, signatures));
  state_->Tell("signatures_installed", name, std::to_string(more.size()) + " signatures");
  return signatures.size();
}

}  // namespace seaworthy::volumes
