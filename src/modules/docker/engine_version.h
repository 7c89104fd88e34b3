#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "seaworthy/status.h"

namespace seaworthy::docker {

// Of Docker's engine (GET /version), for what its versions take differently.
struct EngineVersion {
  std::uint32_t major = 0;
  std::uint32_t minor = 0;
  std::uint32_t patch = 0;

  auto operator<=>(const EngineVersion&) const = default;
};

// "20.10.24+dfsg1", "29.0.0-rc.1": what follows the numbers is not looked at. INVALID_ARGUMENT
// (ENGINE_VERSION) for what does not begin with three numbers.
Result<EngineVersion> ParseEngineVersion(std::string_view text);

// "20.10.24"
std::string ToText(const EngineVersion& version);

}  // namespace seaworthy::docker
