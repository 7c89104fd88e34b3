#include "seaworthy/status.h"

#include "absl/strings/cord.h"

namespace seaworthy {
namespace {

constexpr char kReasonPayload[] = "seaworthy/reason";

absl::string_view ToAbsl(std::string_view text) { return {text.data(), text.size()}; }

}  // namespace

Status Fail(Code code, std::string_view reason, std::string_view message) {
  Status status(code, ToAbsl(message));
  status.SetPayload(kReasonPayload, absl::Cord(ToAbsl(reason)));
  return status;
}

Status Wrap(const Status& status, std::string_view context) {
  if (status.ok()) return status;
  return Fail(status.code(), Reason(status), std::string(context) + ": " + Message(status));
}

std::string Reason(const Status& status) {
  if (auto payload = status.GetPayload(kReasonPayload)) return std::string(*payload);
  return absl::StatusCodeToString(status.code());
}

std::string Message(const Status& status) {
  return {status.message().data(), status.message().size()};
}

}  // namespace seaworthy
