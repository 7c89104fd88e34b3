// Two daemons must not work on the same state.
#pragma once

#include "seaworthy/handle.h"
#include "seaworthy/status.h"

namespace seaworthy::app {

// Locks "<state_dir>/lock" for as long as the descriptor is open; the kernel lets go of it
// with the process. FAILED_PRECONDITION (STATE_DIR_IN_USE) names the process that has it.
Result<UniqueFd> LockStateDirectory(const std::string& state_dir);

}  // namespace seaworthy::app
