// One call as a point where the fault may strike; for what catches system calls.
#pragma once

#include <signal.h>
#include <unistd.h>

#include <cerrno>

#include "support/fault_points.h"

namespace seaworthy::testing {

enum class Strike { kNone, kFull, kKillBefore, kKillAfter };

// What happens to the call that is about to be made; counts it.
Strike NextStrike(bool needs_room);

template <class Call>
auto AtPoint(bool needs_room, Call call) -> decltype(call()) {
  const Strike strike = NextStrike(needs_room);
  if (strike == Strike::kNone) return call();
  if (strike == Strike::kFull) {
    errno = ENOSPC;
    return -1;
  }
  if (strike == Strike::kKillAfter) call();
  kill(getpid(), SIGKILL);
  return -1;
}

}  // namespace seaworthy::testing
