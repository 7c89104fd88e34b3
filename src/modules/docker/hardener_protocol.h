// What the daemon asks of seaworthy-hardener, a JSON object on one line, and what it answers: JSON
// objects, each on a line, up to the one that is the last. Neither side believes the other; both
// are parsed as foreign.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "seaworthy/modules/docker/hardening.h"

namespace seaworthy::docker {

inline constexpr std::size_t kMaxHardenerRequest = std::size_t{64} << 10;
// An audit of a thousand containers; the daemon has it in memory three times.
inline constexpr std::size_t kMaxHardenerAnswer = std::size_t{16} << 20;

enum class HardenerCall : std::uint8_t { kAudit, kWatch, kPlan, kApply, kRollBack, kHistory };
// "audit", "watch", "plan", "apply", "roll-back", "history".
std::string_view Name(HardenerCall call);

// There is nothing in it that could become a file's content or path.
struct HardenerRequest {
  HardenerCall call = HardenerCall::kAudit;
  // To plan and to apply: 1 to 64 of a-z, 0-9 and '-'.
  std::string profile;
  // To apply: hex SHA-256.
  std::string digest;
  // To roll back: an id; empty: the last.
  std::string transaction;
  // To apply and to roll back.
  std::set<Consent> consents;
  std::optional<bool> canary;
};

// INVALID_ARGUMENT: HARDENER_REQUEST_MALFORMED, PROFILE_NAME, CONSENT_UNKNOWN,
// PLAN_DIGEST_INVALID, TRANSACTION_ID_INVALID. A field that the call does not have is malformed.
Result<HardenerRequest> ParseHardenerRequest(std::string_view line);
// One line, without its end. Refuses what would not be parsed.
Result<std::string> ToLine(const HardenerRequest& request);

// What comes on one line.
struct HardenerMessage {
  enum class Kind : std::uint8_t { kStep, kEvent, kAnswer, kError };
  Kind kind = Kind::kAnswer;
  std::string json;  // of all but an error: one object
  Status error;      // which is not OK
};

// INTERNAL (HARDENER_ANSWER_MALFORMED).
Result<HardenerMessage> ParseHardenerMessage(std::string_view line);
// `json` is one object, and may be indented.
std::string StepLine(std::string json);
std::string EventLine(std::string json);
std::string AnswerLine(std::string json);
// What is too long is cut.
std::string ErrorLine(const Status& error);

}  // namespace seaworthy::docker
