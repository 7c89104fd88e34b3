#include "modules/volumes/volume_view.h"

#include <algorithm>

#include "seaworthy/modules/volumes/active_volume.h"
#include "seaworthy/modules/volumes/header_copy.h"
#include "seaworthy/modules/volumes/header_guard.h"
#include "seaworthy/modules/volumes/ways.h"

namespace seaworthy::volumes {
namespace {

WayInKind KindOf(const Luks2Token& token) {
  if (token.type == kSystemdTpm2) return WayInKind::kByTpm;
  if (token.type == kSystemdRecovery) return WayInKind::kByRecoveryKey;
  if (token.type == kClevis) return WayInKind::kByClevis;
  return WayInKind::kByOtherToken;
}

void FillPolicy(const Luks2Token& token, const TpmWay& tpm_way, WayInShown& way) {
  way.policy.pcrs = tpm_way.pcrs;
  way.policy.pin = tpm_way.pin;
  way.policy.legacy_parent = tpm_way.parent != tpm::SealParent::kStorageRootKey;
  if (tpm_way.signed_pcrs.mask != 0) {
    const auto parsed = ParseSystemdTpm2Token(token.json);
    way.policy.signed_pcrs =
        tpm::SignedPcrs{parsed.ok() ? parsed->public_key : "", tpm_way.signed_pcrs};
  }
  if (tpm_way.fit != PcrFit::kUnknown) way.fits = tpm_way.fit == PcrFit::kFits;
}

void FillState(const HeaderCopy& copy, Volume& volume) {
  const Luks2Header& header = copy.header();
  const Result<ActiveVolume> active = FindActive(header.uuid);
  if (active.ok()) {
    volume.state = VolumeState::kOpen;
    volume.mapping = "/dev/mapper/" + active->name;
  } else {
    volume.state =
        IsReencrypting(header.metadata) ? VolumeState::kReencrypting : VolumeState::kClosed;
  }
}

}  // namespace

std::vector<WayInShown> WaysInOf(const Luks2Metadata& metadata, const Platform& platform) {
  const std::vector<TpmWay> tpm_ways = DescribeTpmWays(metadata, platform.pcrs);
  std::vector<WayInShown> ways;
  for (const auto& [number, keyslot] : metadata.keyslots) {
    if (keyslot.type != "luks2") continue;
    WayInShown& way = ways.emplace_back();
    way.keyslot = number;
    way.kind = WayInKind::kByPassphrase;
    for (const auto& [token_number, token] : metadata.tokens) {
      if (std::ranges::find(token.keyslots, number) == token.keyslots.end()) continue;
      way.kind = KindOf(token);
      way.token = token_number;
      break;
    }
    if (way.kind != WayInKind::kByTpm) continue;
    const auto found = std::ranges::find(tpm_ways, *way.token, &TpmWay::token);
    if (found == tpm_ways.end()) continue;
    FillPolicy(metadata.tokens.at(*way.token), *found, way);
    const bool foreign = !found->srk_name.empty() && !platform.srk_name.empty() &&
                         found->srk_name != platform.srk_name;
    if (foreign) way.fits = false;
  }
  return ways;
}

Volume ViewOf(const VolumeEntry& entry, const Platform& platform) {
  Volume volume;
  volume.entry = entry;
  const Result<HeaderCopy> copy = HeaderCopy::Take(entry.device, Reencryption::kExpected);
  if (!copy.ok()) {
    volume.problem = copy.status();
    return volume;
  }
  const Luks2Header& header = copy->header();
  if (header.uuid != entry.uuid) {
    volume.problem = Fail(Code::kFailedPrecondition, "OTHER_VOLUME",
                          entry.device + " has another volume, " + header.uuid);
    return volume;
  }
  volume.label = header.label;
  volume.ways_in = WaysInOf(header.metadata, platform);
  const auto guard = FindGuard(header.metadata);
  if (guard.ok()) volume.generation = guard->generation;
  FillState(*copy, volume);
  return volume;
}

}  // namespace seaworthy::volumes
