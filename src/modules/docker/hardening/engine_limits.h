// What the engine's own limits (setrlimit(2)) leave to containers.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "modules/docker/facts.h"

namespace seaworthy::docker {

// Whether the engine may give containers more than it has itself (CAP_SYS_RESOURCE). True where
// nobody tells: it is the rule, and engines within containers are the exception.
bool MayRaiseLimits(const Facts& facts);

// Its own hard limit, by the name that default-ulimits has for it; nothing where it has none or
// nobody tells.
std::optional<std::int64_t> HardLimit(const Facts& facts, std::string_view name);

}  // namespace seaworthy::docker
