// What a log driver takes of log-opts: an option that it does not know, or a value that is none,
// keeps no engine from starting and each container.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "seaworthy/status.h"

namespace seaworthy::docker {

// Whether the options of the driver are known here: those of json-file, local, journald and syslog.
bool KnowsLogDriver(std::string_view driver);

// Whether the driver takes the option; of a driver that is not known, whether all of them do.
bool TakesLogOption(std::string_view driver, std::string_view option);

// FAILED_PRECONDITION (CONFIG_CLASH) naming the option.
Status CheckLogOptions(std::string_view driver, const nlohmann::json& options);

}  // namespace seaworthy::docker
