// What an engine does not start with although each of its settings is right, or starts with and
// then can start no container.
#pragma once

#include "modules/docker/hardening/configured_engine.h"
#include "seaworthy/status.h"

namespace seaworthy::docker {

// Of the configuration that is to be, and of the host it is for: FAILED_PRECONDITION (CONFIG_CLASH)
// naming the settings. `facts` are those of the engine as it runs now.
Status CheckClashes(const Facts& facts, const ConfiguredEngine& after);

}  // namespace seaworthy::docker
