// Whether the engine is well with what it was told.
#pragma once

#include <string>
#include <vector>

#include "modules/docker/engine_api.h"
#include "modules/docker/hardening/canary.h"
#include "modules/docker/hardening/journal.h"

namespace seaworthy::docker {

// Of containers as `inspect` shows them.
std::vector<RunningContainer> RunningContainers(const std::vector<nlohmann::json>& containers);

// What /info and the networks show of the settings is as it is wanted. FAILED_PRECONDITION
// (SETTING_NOT_TAKEN) naming the key.
Status CheckSettings(Deadline deadline, EngineApi& engine, const Settings& wanted);

// Each of them runs, and is the same process. FAILED_PRECONDITION (CONTAINER_LOST) naming it.
Status CheckContainers(Deadline deadline, EngineApi& engine,
                       const std::vector<RunningContainer>& containers);

}  // namespace seaworthy::docker
