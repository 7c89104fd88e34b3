#include "modules/docker/engine_version.h"

#include <charconv>

#include "seaworthy/json/foreign_json.h"

namespace seaworthy::docker {

Result<EngineVersion> ParseEngineVersion(std::string_view text) {
  EngineVersion version;
  const char* at = text.data();
  const char* const end = text.data() + text.size();
  for (std::uint32_t* number : {&version.major, &version.minor, &version.patch}) {
    if (number != &version.major && (at == end || *at++ != '.')) at = nullptr;
    const auto [next, error] = at == nullptr
                                   ? std::from_chars_result{nullptr, std::errc::invalid_argument}
                                   : std::from_chars(at, end, *number);
    if (error != std::errc()) {
      return Fail(Code::kInvalidArgument, "ENGINE_VERSION",
                  Quoted(text) + " is no version of an engine: three numbers with dots");
    }
    at = next;
  }
  return version;
}

std::string ToText(const EngineVersion& version) {
  return std::to_string(version.major) + "." + std::to_string(version.minor) + "." +
         std::to_string(version.patch);
}

}  // namespace seaworthy::docker
