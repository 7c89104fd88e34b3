#include "seaworthy/modules/volumes/rotate.h"

#include <algorithm>

#include "modules/volumes/replaced_ways.h"
#include "seaworthy/modules/volumes/tokens.h"
#include "seaworthy/status_macros.h"

namespace seaworthy::volumes {
namespace {

Status CheckTpmWayIn(const Luks2Metadata& metadata, std::uint32_t keyslot) {
  if (!metadata.keyslots.contains(keyslot)) {
    return Fail(Code::kNotFound, "KEYSLOT_NOT_FOUND",
                "there is no keyslot " + std::to_string(keyslot));
  }
  const bool by_tpm = std::ranges::any_of(metadata.tokens, [&](const auto& entry) {
    const Luks2Token& token = entry.second;
    return (token.type == kSystemdTpm2 || token.type == kClevis) &&
           token.keyslots == std::vector{keyslot};
  });
  if (by_tpm) return {};
  return Fail(Code::kFailedPrecondition, "NOT_A_TPM_WAY_IN",
              "keyslot " + std::to_string(keyslot) + " is of no token for a TPM");
}

// Tokens move while others are added.
void NumberTokens(const Luks& luks, std::vector<OpenWayIn>& ways) {
  for (const Token& token : luks.Tokens()) {
    for (OpenWayIn& way : ways) {
      if (token.keyslots != std::vector{static_cast<int>(way.keyslot)}) continue;
      way.token = static_cast<std::uint32_t>(token.id);
    }
  }
}

}  // namespace

Change AddWays(tpm::Broker& broker, Deadline deadline, std::span<const TpmWayIn> ways,
               bool recovery_key) {
  return [&broker, deadline, ways, recovery_key](
             Luks& luks, const SecretBytes& volume_key) -> Result<std::vector<OpenWayIn>> {
    std::vector<OpenWayIn> added;
    for (const TpmWayIn& way : ways) {
      ASSIGN_OR_RETURN(added.emplace_back(), AddTpmWayIn(broker, deadline, luks, volume_key, way));
    }
    if (recovery_key) {
      ASSIGN_OR_RETURN(added.emplace_back(), AddRecoveryKey(broker, deadline, luks, volume_key));
    }
    return added;
  };
}

Change ReplaceWays(tpm::Broker& broker, Deadline deadline, std::span<const TpmWayIn> ways,
                   std::vector<std::uint32_t> old) {
  return [add = AddWays(broker, deadline, ways, false), old = std::move(old)](
             Luks& luks, const SecretBytes& volume_key) -> Result<std::vector<OpenWayIn>> {
    ASSIGN_OR_RETURN(std::vector<OpenWayIn> added, add(luks, volume_key));
    for (const std::uint32_t keyslot : old) RETURN_IF_ERROR(RemoveWayIn(luks, keyslot));
    return added;
  };
}

Result<std::vector<OpenWayIn>> AddInPlaceOfAll(tpm::Broker& broker, Deadline deadline, Luks& luks,
                                               const SecretBytes& volume_key,
                                               std::span<const TpmWayIn> ways,
                                               std::vector<int>& former) {
  if (ways.empty()) {
    return Fail(Code::kInvalidArgument, "NO_TPM_WAY_IN",
                "ways: the recovery key would be the only way in");
  }
  for (const Keyslot& keyslot : luks.Keyslots()) former.push_back(keyslot.id);
  for (const Token& token : luks.Tokens()) RETURN_IF_ERROR(luks.RemoveToken(token.id));
  ASSIGN_OR_RETURN(std::vector<OpenWayIn> added,
                   AddWays(broker, deadline, ways, true)(luks, volume_key));
  NumberTokens(luks, added);
  return added;
}

Status DestroyKeyslots(Luks& luks, const std::vector<int>& keyslots) {
  for (const int keyslot : keyslots) RETURN_IF_ERROR(luks.DestroyKeyslot(keyslot));
  return {};
}

Result<OpenWayIn> RotateTpmWayIn(tpm::Broker& broker, Deadline deadline, HeaderCopy& copy,
                                 const Unlocked& through, std::uint32_t keyslot,
                                 const TpmWayIn& way) {
  RETURN_IF_ERROR(CheckTpmWayIn(copy.header().metadata, keyslot));
  ASSIGN_OR_RETURN(std::vector<OpenWayIn> added,
                   ChangeHeader(broker, deadline, copy, through,
                                ReplaceWays(broker, deadline, std::span(&way, 1), {keyslot})));
  return std::move(added.front());
}

Result<std::vector<OpenWayIn>> Rekey(tpm::Broker& broker, Deadline deadline, HeaderCopy& copy,
                                     const Unlocked& through, std::span<const TpmWayIn> ways,
                                     const Announce& announce, const NoteGuardKey& note) {
  const Change replace = [&](Luks& luks,
                             const SecretBytes& volume_key) -> Result<std::vector<OpenWayIn>> {
    std::vector<int> former;
    ASSIGN_OR_RETURN(std::vector<OpenWayIn> added,
                     AddInPlaceOfAll(broker, deadline, luks, volume_key, ways, former));
    RETURN_IF_ERROR(DestroyKeyslots(luks, former));
    if (announce) RETURN_IF_ERROR(announce(added));
    return added;
  };
  return ReplaceWaysIn(broker, deadline, copy, through, replace, Reencryption::kUnexpected, note);
}

}  // namespace seaworthy::volumes
