// From what the engine runs with and what a profile wants to what has to be done.
#pragma once

#include <string>

#include "modules/docker/facts.h"
#include "modules/docker/hardening/profile.h"
#include "seaworthy/modules/docker/hardening.h"

namespace seaworthy::docker {

// `unit` is the systemd unit that the engine runs in, "docker.service"; empty: none, then the flags
// on its command line cannot be changed. Looks at facts and at files, asks nobody.
Result<Plan> MakePlan(const Profile& profile, const Facts& facts, const std::string& unit);

// Sets `digest` from the rest.
void Seal(Plan& plan);

}  // namespace seaworthy::docker
