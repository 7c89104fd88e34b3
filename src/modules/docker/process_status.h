// What the kernel says of a container's first process.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "seaworthy/os/root_folder.h"

namespace seaworthy::docker {

// A field of /proc/PID/status, as "NoNewPrivs"; empty where it cannot be had.
std::string ProcessStatus(const os::RootFolder& root, const nlohmann::json& container,
                          std::string_view field);

}  // namespace seaworthy::docker
