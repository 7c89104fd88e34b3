// Status and Result: the one error type. The code says what the caller can do next and is
// chosen once, where the failing library returned; the reason is a stable word for programs;
// the message is for a person and gains context on the way up. Only this header and status.cc
// spell absl.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace seaworthy {

using Status = absl::Status;
template <class T>
using Result = absl::StatusOr<T>;
// Same values as grpc::StatusCode.
using Code = absl::StatusCode;

// `reason` is UPPER_SNAKE_CASE, for example "TPM_REPLACED"; `message` has no secret in it.
Status Fail(Code code, std::string_view reason, std::string_view message);

// `status` with "context: " before its message; code and reason stay.
Status Wrap(const Status& status, std::string_view context);

// The reason given to Fail; for statuses made elsewhere, the name of the code.
std::string Reason(const Status& status);

std::string Message(const Status& status);

}  // namespace seaworthy
