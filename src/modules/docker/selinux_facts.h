// SELinux's state, collected by libselinux.
#pragma once

#include "modules/docker/facts.h"
#include "seaworthy/modules/docker/selinux_state.h"

namespace seaworthy::docker {

// INTERNAL (SELINUX) where the library and the kernel contradict each other, and what reading files
// below facts.root says.
Result<SelinuxState> CollectSelinuxState(const Facts& facts);

}  // namespace seaworthy::docker
