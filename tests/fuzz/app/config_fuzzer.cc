// A configuration file that somebody wrote wrong.
#include <cstdlib>

#include "app/config.h"
#include "seaworthy/bytes.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto config = seaworthy::app::ParseConfig(seaworthy::AsText({data, size}), "fuzzed.toml");
  // Every refusal names the file.
  if (!config.ok() &&
      seaworthy::Message(config.status()).find("fuzzed.toml") == std::string::npos) {
    std::abort();
  }
  return 0;
}
