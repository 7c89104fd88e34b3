// The engine's transactions as a baseline's drift is traced to them.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "seaworthy/modules/integrity/accepted_change.h"

namespace seaworthy::ctl {

// What was applied and rolled back, the oldest first, up to the transaction `last`; empty: all of
// it. `state` is below `root`. NOT_FOUND (TRANSACTION_UNKNOWN), and errors of HardeningHistory.
Result<std::vector<integrity::KnownChange>> ReadChanges(const std::string& root,
                                                        const std::string& state,
                                                        const std::string& last);

void AddHistoryState(CLI::App& command, std::string& state);

}  // namespace seaworthy::ctl
