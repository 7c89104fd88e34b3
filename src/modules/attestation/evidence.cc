// Attest: a quote with the logs that explain it.
#include <algorithm>

#include "modules/attestation/ima_follower.h"
#include "seaworthy/modules/attestation.h"
#include "seaworthy/os/boot_log_file.h"
#include "seaworthy/status_macros.h"
#include "seaworthy/verifier.h"

namespace seaworthy::attestation {
namespace {

// PCR 10 of one quoted bank, SHA-256 rather than another: what tells where the quote is in the
// list.
const verify::PcrValue* QuotedPcr10(const std::vector<verify::PcrValue>& pcrs) {
  constexpr auto kSha256 = static_cast<std::uint16_t>(tpm::HashAlgorithm::kSha256);
  const verify::PcrValue* found = nullptr;
  for (const verify::PcrValue& value : pcrs) {
    if (value.index != verify::kImaPcr) continue;
    if (found == nullptr || value.bank == kSha256) found = &value;
  }
  return found;
}

}  // namespace

Status Attestation::Attest(Deadline deadline, const AttestRequest& request,
                           const TakeEvidence& take) {
  if (request.keys.size() > verify::kMaxKeys) {
    return Fail(Code::kInvalidArgument, "TOO_MANY_KEYS",
                "keys: has " + std::to_string(request.keys.size()) + " names, takes " +
                    std::to_string(verify::kMaxKeys));
  }
  // Not in the turn of the quote: what a key is does not change.
  std::vector<verify::KeyCertification> keys;
  for (const std::string& name : request.keys) {
    ASSIGN_OR_RETURN(keys.emplace_back(), options_.certify(deadline, name, request.nonce));
  }
  ASSIGN_OR_RETURN(Quoted quoted, MakeQuote(deadline, request.nonce, request.selections));
  verify::Evidence& part = quoted.evidence;
  part.keys = std::move(keys);
  ASSIGN_OR_RETURN(part.boot_log, os::ReadBootLogFile(options_.boot_log));
  if (request.reset_count == quoted.reset_count) part.ima_first = request.ima_first;
  return SendWithImaList(deadline, std::move(part), take);
}

// The list is read after the quote. The kernel puts an entry into its list before it extends the
// PCR, so that the list has at least what is quoted; what it has beyond, is left for the next
// round.
Status Attestation::SendWithImaList(Deadline deadline, verify::Evidence part,
                                    const TakeEvidence& take) {
  const verify::PcrValue* quoted = QuotedPcr10(part.pcrs);
  if (quoted == nullptr || options_.ima_list.empty()) return take(part);
  const verify::PcrValue pcr10 = *quoted;
  std::unique_ptr<ImaFollower> follower;
  {
    const std::lock_guard lock(mutex_);
    follower = std::move(follower_);
  }
  const ImaFollower::Take send = [&](ByteView entries) -> Status {
    part.ima_list.assign(entries.begin(), entries.end());
    RETURN_IF_ERROR(take(part));
    part = {};
    return {};
  };
  const auto follow = [&]() -> Result<bool> {
    const bool goes_on = follower != nullptr && follower->bank() == pcr10.bank &&
                         follower->oldest() <= part.ima_first;
    if (!goes_on) {
      ASSIGN_OR_RETURN(ImaFollower opened, ImaFollower::Open(options_.ima_list, pcr10.bank));
      follower = std::make_unique<ImaFollower>(std::move(opened));
    }
    return follower->FollowTo(pcr10.digest, part.ima_first, deadline, send);
  };
  Result<bool> reached = follow();
  if (reached.status().code() == Code::kOutOfRange) {
    part.ima_first = 0;
    reached = follow();
  }
  if (reached.status().code() == Code::kNotFound) return take(part);
  RETURN_IF_ERROR(reached.status());
  // A list that does not fit the quote has no place to go on from.
  if (*reached) {
    const std::lock_guard lock(mutex_);
    follower_ = std::move(follower);
  }
  return {};
}

}  // namespace seaworthy::attestation
