// What a change does to others than the engine: consents that it needs, and warnings.
#pragma once

#include "modules/docker/hardening/configured_engine.h"
#include "seaworthy/modules/docker/hardening.h"

namespace seaworthy::docker {

// Adds to `plan`, whose changes and effect are known.
void TellConsequences(const Facts& facts, const ConfiguredEngine& before,
                      const ConfiguredEngine& after, Plan& plan);

}  // namespace seaworthy::docker
