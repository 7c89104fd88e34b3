// Changes of a guarded volume that are interrupted everywhere: by the TPM, without asking.
#pragma once

#include <string>

#include "seaworthy/directory.h"
#include "seaworthy/modules/volumes/guarded_reencryption.h"
#include "seaworthy/status_macros.h"
#include "seaworthy/tpm/quote.h"

namespace seaworthy::testing {

inline constexpr tpm::PcrSelection kGuardedPcrs = {tpm::HashAlgorithm::kSha256, 1U << 7 | 1U << 14};

inline bool IsUnderWay(const volumes::HeaderCopy& copy, const volumes::Unlocked& unlocked) {
  return volumes::IsReencrypting(copy.header().metadata) ||
         volumes::AnnouncesReencryption(*unlocked.guard);
}

// `file`: for the new recovery key, before anything is on the disk.
inline Status MakeGuardedChange(tpm::Broker& broker, const std::string& volume,
                                const std::string& change, const std::string& file) {
  const Deadline soon = DeadlineIn(std::chrono::seconds(30));
  const auto take = [&] {
    return volumes::HeaderCopy::Take(volume, volumes::Reencryption::kExpected);
  };
  const auto announce = [&](const std::vector<volumes::OpenWayIn>& ways) {
    return ReplaceFile(file, ways.back().passphrase.view(), 0600);
  };
  ASSIGN_OR_RETURN(volumes::HeaderCopy copy, take());
  ASSIGN_OR_RETURN(volumes::Unlocked unlocked, volumes::Unlock(broker, soon, copy, {}));
  const auto values = broker.Run(
      soon, [](tpm::Context& context) { return tpm::ReadPcrs(context, {kGuardedPcrs}); });
  RETURN_IF_ERROR(values.status());
  const std::vector<volumes::TpmWayIn> ways = {
      {.policy = {.pcrs = {kGuardedPcrs, tpm::PcrDigest(*values)}}}};
  if (change == "rotate") {
    return volumes::RotateTpmWayIn(broker, soon, copy, unlocked, unlocked.way.keyslot, ways[0])
        .status();
  }
  if (change == "rekey") {
    return volumes::Rekey(broker, soon, copy, unlocked, ways, announce).status();
  }
  if (!IsUnderWay(copy, unlocked)) {
    RETURN_IF_ERROR(
        volumes::BeginReencryption(broker, soon, copy, unlocked, ways, announce).status());
    ASSIGN_OR_RETURN(copy, take());
    ASSIGN_OR_RETURN(unlocked, volumes::Unlock(broker, soon, copy, {}));
  }
  return volumes::ContinueReencryption(broker, std::chrono::seconds(30), copy, unlocked, nullptr);
}

}  // namespace seaworthy::testing
