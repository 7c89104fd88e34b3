// The TPM's clock and counters of one round: against the last round's, and against the policy.
#pragma once

#include <chrono>
#include <optional>

#include "seaworthy/verifier.h"
#include "verify/report.h"

namespace seaworthy::verify {

// Judges what a quote says of clock and counters. Returns whether the node is in the same boot as
// in `previous`.
bool JudgeClock(const ClockPolicy& policy, const std::optional<NodeState>& previous,
                const EnrolledKey& ak, const ClockInfo& now, Report& report);

// `nonce_age` is the time from making the nonce to the verdict, by the backend's clock.
void JudgeAge(const ClockPolicy& policy, std::optional<std::chrono::seconds> nonce_age,
              Report& report);

}  // namespace seaworthy::verify
