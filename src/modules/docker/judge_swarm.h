// What the checks of other sections ask about the swarm.
#pragma once

#include <cstdint>
#include <set>

#include "modules/docker/facts.h"

namespace seaworthy::docker {

// Whether the engine is in a swarm, or on its way in or out. Only where facts.info is ok.
bool InSwarm(const Facts& facts);

// At which this engine's swarm listens, for its managers and for gossip; empty out of one.
std::set<std::uint16_t> SwarmPorts(const Facts& facts);

}  // namespace seaworthy::docker
