#include "verify/clock_judge.h"

namespace seaworthy::verify {
namespace {

constexpr std::uint64_t kMillisecondsInSecond = 1000;

std::string Text(const ClockInfo& clock) {
  return "reset " + std::to_string(clock.reset_count) + ", restart " +
         std::to_string(clock.restart_count) + ", clock " + std::to_string(clock.clock_ms) + " ms";
}

void CheckAtMost(const std::optional<std::uint32_t>& allowed, std::uint64_t found,
                 std::string_view code, const std::string& sentence, Report& report) {
  if (!allowed || found <= *allowed) return;
  report.Failed(code, sentence, "at most " + std::to_string(*allowed), std::to_string(found));
}

// What lies between two rounds of one node, of which nothing went back.
void JudgeBetween(const ClockPolicy& policy, const ClockInfo& before, const ClockInfo& now,
                  Report& report) {
  CheckAtMost(policy.max_resets, now.reset_count - before.reset_count, "RESETS_TOO_MANY",
              "The TPM was reset more often since the last round than the policy allows.", report);
  if (now.reset_count == before.reset_count) {
    CheckAtMost(policy.max_restarts, now.restart_count - before.restart_count, "RESTARTS_TOO_MANY",
                "The TPM was restarted more often since the last round, as by suspending the node, "
                "than the policy allows.",
                report);
  }
  // After a loss of power the clock may be behind, and says so by not being safe.
  if (now.clock_ms < before.clock_ms) return;
  CheckAtMost(policy.max_seconds_between_rounds,
              (now.clock_ms - before.clock_ms) / kMillisecondsInSecond, "ROUND_TOO_LATE",
              "By the TPM's clock the last round is more seconds ago than the policy allows.",
              report);
}

// How far a counter went, back when negative. To those in statements of a key outside the
// endorsement hierarchy the TPM adds a constant of the key, so that one may pass its end and begin
// at 0: only differences count.
std::int64_t Went(std::uint32_t before, std::uint32_t now) {
  return static_cast<std::int32_t>(now - before);
}

// Whether nothing went back.
bool CheckCounters(const ClockInfo& before, const ClockInfo& now, Report& report) {
  const std::int64_t resets = Went(before.reset_count, now.reset_count);
  const std::int64_t restarts = Went(before.restart_count, now.restart_count);
  if (resets > 0) {
    report.Passed("REBOOTED", "The node was booted again since the last round.");
    return true;
  }
  if (resets < 0) {
    report.Failed("EVIDENCE_FROM_EARLIER_BOOT",
                  "The evidence was made before the last boot that is known: the node, or its TPM, "
                  "was put back.",
                  Text(before), Text(now));
    return false;
  }
  if (restarts < 0 || (restarts == 0 && now.clock_ms < before.clock_ms)) {
    report.Failed("COUNTERS_WENT_BACK",
                  "The TPM's clock and counters are behind those of the last round.", Text(before),
                  Text(now));
    return false;
  }
  return true;
}

}  // namespace

bool JudgeClock(const ClockPolicy& policy, const std::optional<NodeState>& previous,
                const EnrolledKey& ak, const ClockInfo& now, Report& report) {
  if (policy.must_be_safe && !now.safe) {
    report.Failed(
        "CLOCK_NOT_SAFE",
        "The TPM says that its clock may be behind what it was: it lost its power without "
        "being shut down.");
  }
  if (!previous) {
    if (policy.max_resets || policy.max_restarts || policy.max_seconds_between_rounds) {
      report.Add({.code = "FIRST_ROUND",
                  .severity = Severity::kWarning,
                  .sentence = "No state of an earlier round came: what the policy allows between "
                              "two rounds was not judged."});
    }
    return false;
  }
  if (previous->ak_name != ak.name) {
    report.Failed("STATE_OF_ANOTHER_NODE",
                  "The state that was kept is one of another attestation key.", Hex(ak.name),
                  Hex(previous->ak_name));
    return false;
  }
  const ClockInfo before = {.clock_ms = previous->clock_ms,
                            .reset_count = previous->reset_count,
                            .restart_count = previous->restart_count};
  if (CheckCounters(before, now, report)) JudgeBetween(policy, before, now, report);
  return now.reset_count == before.reset_count;
}

void JudgeAge(const ClockPolicy& policy, std::optional<std::chrono::seconds> nonce_age,
              Report& report) {
  if (!policy.max_age_seconds) return;
  if (!nonce_age || nonce_age->count() < 0) {
    report.Failed(
        "AGE_UNKNOWN",
        "The policy limits the age of evidence, and nobody said when its nonce was made.");
    return;
  }
  CheckAtMost(policy.max_age_seconds, static_cast<std::uint64_t>(nonce_age->count()),
              "EVIDENCE_TOO_OLD",
              "The nonce was made more seconds before the verdict than the policy allows.", report);
}

}  // namespace seaworthy::verify
