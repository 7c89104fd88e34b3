// 1.1.3 to 1.1.18: whether the kernel's audit writes down who changes what the engine is made of.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "modules/docker/facts.h"
#include "seaworthy/modules/docker/finding.h"

namespace seaworthy::docker {

// Says something about each of them.
void JudgeWatches(const Facts& facts, Findings& findings);

// Why not every write to what is at `path`, real, and every change of its attributes is recorded;
// empty when they are. Of a folder: to all that is in it. Watches are taken by the real paths of
// their folders.
std::string WhyUnwatched(const std::vector<AuditWatch>& watches, std::string_view path,
                         bool folder);

}  // namespace seaworthy::docker
