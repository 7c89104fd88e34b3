// A question to seaworthy-hardener and its answer, for a process that has no privilege.
#pragma once

#include <functional>
#include <string>

#include "modules/docker/hardener_protocol.h"
#include "seaworthy/deadline.h"
#include "seaworthy/status.h"

namespace seaworthy::docker {

struct HardenerListener {
  // A step or an event as it comes, JSON. An error ends the waiting.
  std::function<Status(const std::string& json)> step;
  // Whether anybody waits for the answer still; empty: yes.
  std::function<bool()> wanted;
};

// The answer, JSON. Errors are the hardener's, as if the work had been done here; and UNAVAILABLE
// (HARDENER_MISSING, HARDENER_GONE), DEADLINE_EXCEEDED (HARDENER_TIMEOUT), CANCELLED (CLIENT_GONE),
// INTERNAL (HARDENER_ANSWER_MALFORMED). After these, but for HARDENER_MISSING, what was asked for
// may or may not be done: HardeningHistory tells.
Result<std::string> AskHardener(const std::string& socket, Deadline deadline,
                                const HardenerRequest& request,
                                const HardenerListener& listener = {});

}  // namespace seaworthy::docker
