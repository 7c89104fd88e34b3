// A container of our own that only waits: whether the engine still starts one, and with what.
#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <string>

#include "modules/docker/engine_api.h"
#include "seaworthy/deadline.h"

namespace seaworthy::docker {

// By the keys of daemon.json.
using Settings = std::map<std::string, nlohmann::json, std::less<>>;

// Imports an image with one program of some hundred bytes, starts it without a network, looks at
// its process, and takes both away again. FAILED_PRECONDITION (CANARY_FAILED): it did not start, or
// has not what daemon.json says that a container gets.
Status RunCanary(Deadline deadline, EngineApi& engine, const std::string& proc,
                 const Settings& wanted);

// What a killed one left.
Status RemoveCanaries(Deadline deadline, EngineApi& engine);

}  // namespace seaworthy::docker
