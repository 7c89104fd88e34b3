// Who may speak to the engine over the network.
#pragma once

#include "modules/docker/facts.h"
#include "seaworthy/modules/docker/finding.h"

namespace seaworthy::docker {

// 2.7, by what the engine's TCP listeners answered.
void JudgeTcpListeners(const Facts& facts, Findings& findings);

}  // namespace seaworthy::docker
