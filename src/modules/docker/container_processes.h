// The processes of containers, by their control groups: asking the engine would have it start "ps".
#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "seaworthy/status.h"

namespace seaworthy::docker {

// Names (comm) of the processes in each running container's own control group and those below it,
// so that one in the host's pid namespace has its own as well. By the containers' ids;
// `containers` is what the engine shows of each. `root` is "/".
std::map<std::string, Result<std::vector<std::string>>> ReadContainerProcesses(
    const std::string& root, const std::vector<nlohmann::json>& containers);

// Where /proc/PID/cgroup says that a process is, below /sys/fs/cgroup:
// "system.slice/docker-1.scope" of one hierarchy, "pids/docker/1" of many. Empty when it does not
// say so.
std::string ControlGroupOf(std::string_view text);

}  // namespace seaworthy::docker
