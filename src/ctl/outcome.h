// How a command ended. The exit codes are a contract with scripts (docs/seaworthyctl.md).
#pragma once

#include <string>
#include <utility>

#include "seaworthy/status.h"

namespace seaworthy::ctl {

enum class ExitCode {
  kDone = 0,         // done, or the answer is yes
  kNo = 1,           // the answer is no
  kUsage = 2,        // an option, argument or file that cannot be used
  kUnreachable = 3,  // no daemon could be asked
  kFailed = 4,       // the daemon refused or failed
};

struct [[nodiscard]] Outcome {
  ExitCode exit = ExitCode::kDone;
  Status status;           // not OK: is told on standard error
  std::string request_id;  // the daemon's, for finding the call in its audit trail; may be empty

  bool ok() const { return exit == ExitCode::kDone; }
};

inline Outcome Usage(Status status) { return {ExitCode::kUsage, std::move(status), ""}; }

inline Outcome Usage(std::string_view message) {
  return Usage(Fail(Code::kInvalidArgument, "USAGE", message));
}

}  // namespace seaworthy::ctl
