#include "modules/docker/hardener_protocol.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "seaworthy/json/foreign_json.h"
#include "seaworthy/status_macros.h"

namespace seaworthy::docker {
namespace {

using nlohmann::json;

constexpr std::string_view kRequestMalformed = "HARDENER_REQUEST_MALFORMED";
constexpr std::string_view kAnswerMalformed = "HARDENER_ANSWER_MALFORMED";
constexpr std::size_t kMaxName = 64;
constexpr std::size_t kDigest = 64;
constexpr std::size_t kMaxReason = 64;
constexpr std::size_t kMaxMessage = 4096;
constexpr std::array kCalls = {HardenerCall::kAudit,    HardenerCall::kWatch,
                               HardenerCall::kPlan,     HardenerCall::kApply,
                               HardenerCall::kRollBack, HardenerCall::kHistory};

Status Invalid(std::string_view reason, const std::string& what) {
  return Fail(Code::kInvalidArgument, reason, what);
}

Status MalformedAnswer(std::string_view what) {
  return Fail(Code::kInternal, kAnswerMalformed, "the hardener's answer " + std::string(what));
}

bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsLower(char c) { return c >= 'a' && c <= 'z'; }
bool IsUpper(char c) { return c >= 'A' && c <= 'Z'; }

Status CheckProfile(const std::string& name) {
  const bool good =
      !name.empty() && name.size() <= kMaxName &&
      std::ranges::all_of(name, [](char c) { return IsLower(c) || IsDigit(c) || c == '-'; });
  if (good) return {};
  return Invalid("PROFILE_NAME",
                 "profile: " + Quoted(name) + " is not 1 to 64 of a-z, 0-9 and '-'");
}

Status CheckDigest(const std::string& digest) {
  const bool good = digest.size() == kDigest && std::ranges::all_of(digest, [](char c) {
                      return IsDigit(c) || (c >= 'a' && c <= 'f');
                    });
  if (good) return {};
  return Invalid("PLAN_DIGEST_INVALID", "plan_digest: is not that of a plan, 64 of 0-9 and a-f");
}

Status CheckTransaction(const std::string& id) {
  const bool good =
      id.size() <= kMaxName && !id.starts_with('.') && std::ranges::all_of(id, [](char c) {
        return IsDigit(c) || IsLower(c) || IsUpper(c) || c == '-' || c == '.';
      });
  if (good) return {};
  return Invalid("TRANSACTION_ID_INVALID", "transaction: " + Quoted(id) + " is no id of one");
}

Status CheckFields(const HardenerRequest& request) {
  switch (request.call) {
    case HardenerCall::kPlan:
      return CheckProfile(request.profile);
    case HardenerCall::kApply:
      RETURN_IF_ERROR(CheckProfile(request.profile));
      return CheckDigest(request.digest);
    case HardenerCall::kRollBack:
      return CheckTransaction(request.transaction);
    case HardenerCall::kAudit:
    case HardenerCall::kWatch:
    case HardenerCall::kHistory:
      break;
  }
  return {};
}

Result<HardenerCall> CallNamed(const std::string& name) {
  for (const HardenerCall call : kCalls) {
    if (Name(call) == name) return call;
  }
  return Invalid(kRequestMalformed, "call: " + Quoted(name) + " is not known");
}

bool HasProfile(HardenerCall call) {
  return call == HardenerCall::kPlan || call == HardenerCall::kApply;
}

bool IsChange(HardenerCall call) {
  return call == HardenerCall::kApply || call == HardenerCall::kRollBack;
}

Status ReadChange(ObjectReader& reader, HardenerRequest& request) {
  std::vector<std::string> consents;
  bool canary = false;
  reader.Texts("consents", consents);
  if (reader.Flag("canary", canary, ObjectReader::kOptional)) request.canary = canary;
  for (const std::string& name : consents) {
    ASSIGN_OR_RETURN(const Consent consent, ParseConsent(name));
    request.consents.insert(consent);
  }
  return {};
}

// The names of gRPC's codes; none that is OK.
Result<Code> CodeNamed(const std::string& name) {
  for (int code = 1; code <= static_cast<int>(Code::kUnauthenticated); ++code) {
    if (Reason(Status(static_cast<Code>(code), "")) == name) return static_cast<Code>(code);
  }
  return MalformedAnswer("has an unknown code");
}

// As it may stand in a log; so no cut is within a character.
std::string Plain(std::string text) {
  std::ranges::replace_if(text, [](char c) { return c < 0x20 || c > 0x7e; }, '?');
  return text;
}

bool IsReason(std::string_view text) {
  return !text.empty() && text.size() <= kMaxReason &&
         std::ranges::all_of(text, [](char c) { return IsUpper(c) || IsDigit(c) || c == '_'; });
}

Status ReadError(const json& body, Status& told) {
  FirstError error(kAnswerMalformed);
  ObjectReader reader(body, "/error", error);
  std::string code;
  std::string reason;
  std::string message;
  reader.Text("code", code);
  reader.Text("reason", reason);
  reader.Text("message", message);
  if (!error.status().ok() || !IsReason(reason) || message.size() > kMaxMessage) {
    return MalformedAnswer("has an error that is none");
  }
  ASSIGN_OR_RETURN(const Code known, CodeNamed(code));
  told = Fail(known, reason, Plain(message));
  return {};
}

std::string Line(std::string_view name, std::string json_text) {
  // Within a text there is none.
  std::erase(json_text, '\n');
  return "{\"" + std::string(name) + "\":" + json_text + "}";
}

std::string Dump(const json& value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

}  // namespace

std::string_view Name(HardenerCall call) {
  switch (call) {
    case HardenerCall::kWatch:
      return "watch";
    case HardenerCall::kPlan:
      return "plan";
    case HardenerCall::kApply:
      return "apply";
    case HardenerCall::kRollBack:
      return "roll-back";
    case HardenerCall::kHistory:
      return "history";
    case HardenerCall::kAudit:
      break;
  }
  return "audit";
}

Result<HardenerRequest> ParseHardenerRequest(std::string_view line) {
  ASSIGN_OR_RETURN(const json parsed,
                   ParseForeignJson(line, kMaxHardenerRequest, kRequestMalformed));
  FirstError error(kRequestMalformed);
  ObjectReader reader(parsed, "", error);
  std::string call;
  reader.Text("call", call);
  RETURN_IF_ERROR(error.status());
  HardenerRequest request;
  ASSIGN_OR_RETURN(request.call, CallNamed(call));
  if (HasProfile(request.call)) reader.Text("profile", request.profile);
  if (request.call == HardenerCall::kApply) reader.Text("digest", request.digest);
  if (IsChange(request.call)) RETURN_IF_ERROR(ReadChange(reader, request));
  if (request.call == HardenerCall::kRollBack) reader.Text("transaction", request.transaction);
  RETURN_IF_ERROR(error.status());
  if (const json rest = reader.Rest(); !rest.empty()) {
    return Invalid(kRequestMalformed, Quoted(rest.begin().key()) + ": " +
                                          std::string(Name(request.call)) + " has no such field");
  }
  RETURN_IF_ERROR(CheckFields(request));
  return request;
}

Result<std::string> ToLine(const HardenerRequest& request) {
  RETURN_IF_ERROR(CheckFields(request));
  json out = {{"call", Name(request.call)}};
  if (HasProfile(request.call)) out["profile"] = request.profile;
  if (request.call == HardenerCall::kApply) out["digest"] = request.digest;
  if (IsChange(request.call)) {
    out["consents"] = json::array();
    for (const Consent consent : request.consents) out["consents"].push_back(Name(consent));
    if (request.canary) out["canary"] = *request.canary;
  }
  if (request.call == HardenerCall::kRollBack) out["transaction"] = request.transaction;
  return Dump(out);
}

Result<HardenerMessage> ParseHardenerMessage(std::string_view line) {
  Result<json> parsed = ParseForeignJson(line, kMaxHardenerAnswer, kAnswerMalformed);
  if (!parsed.ok()) return MalformedAnswer("is none: " + Message(parsed.status()));
  if (parsed->size() != 1 || !parsed->begin()->is_object()) {
    return MalformedAnswer("is not one object of one name");
  }
  const std::string& name = parsed->begin().key();
  HardenerMessage message;
  if (name == "error") {
    message.kind = HardenerMessage::Kind::kError;
    RETURN_IF_ERROR(ReadError(*parsed->begin(), message.error));
    return message;
  }
  if (name == "step") {
    message.kind = HardenerMessage::Kind::kStep;
  } else if (name == "event") {
    message.kind = HardenerMessage::Kind::kEvent;
  } else if (name != "answer") {
    return MalformedAnswer("has a name that is not known: " + Quoted(name));
  }
  message.json = Dump(*parsed->begin());
  return message;
}

std::string StepLine(std::string json_text) { return Line("step", std::move(json_text)); }

std::string EventLine(std::string json_text) { return Line("event", std::move(json_text)); }

std::string AnswerLine(std::string json_text) { return Line("answer", std::move(json_text)); }

std::string ErrorLine(const Status& error) {
  return Dump({{"error",
                {{"code", Reason(Status(error.code(), ""))},
                 {"reason", Reason(error).substr(0, kMaxReason)},
                 {"message", Plain(Message(error)).substr(0, kMaxMessage)}}}});
}

}  // namespace seaworthy::docker
