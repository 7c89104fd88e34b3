// What the engine itself says of a configuration before it has it.
#pragma once

#include <string>

#include "modules/docker/engine_process.h"
#include "seaworthy/deadline.h"
#include "seaworthy/status.h"

namespace seaworthy::docker {

// `dockerd --validate` with the arguments that the engine would be started with, on a file of that
// text, which is put into `folder` for the time. INVALID_ARGUMENT (ENGINE_REFUSES_CONFIG) with its
// words. For engines from 23.0.0 on; it looks at less than the start does.
Status ValidateByEngine(Deadline deadline, const EngineProcess& engine, const std::string& text,
                        const std::string& folder);

}  // namespace seaworthy::docker
