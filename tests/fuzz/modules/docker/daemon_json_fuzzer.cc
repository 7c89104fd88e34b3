// daemon.json and a command line, whoever wrote them. First byte: which version of the engine; then
// the command line, its arguments ended by NULs and the whole by an empty one; then the file.
#include "modules/docker/daemon_json.h"

#include <cstdlib>

#include "modules/docker/daemon_key.h"
#include "modules/docker/effective_config.h"
#include "seaworthy/bytes.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  namespace docker = seaworthy::docker;
  if (size == 0) return 0;
  const docker::EngineVersion version = {data[0] % 32U, 10, 24};
  std::string_view text = seaworthy::AsText({data + 1, size - 1});
  std::vector<std::string> arguments;
  while (!text.empty()) {
    const std::string_view argument = text.substr(0, text.find('\0'));
    text.remove_prefix(std::min(argument.size() + 1, text.size()));
    if (argument.empty()) break;
    arguments.emplace_back(argument);
  }
  const auto flags = docker::ParseEngineFlags(arguments, version);
  const auto file = docker::ParseDaemonJson(text, version);
  if (!file.ok()) return 0;
  // What was taken without a word stands in the file where it is looked for.
  if (file->problems.empty()) {
    for (const auto& [name, value] : file->settings) {
      const bool grouped = name.ends_with("-proxy");
      if (!grouped && file->file.at(name) != value) std::abort();
      if (docker::FindKey(name, version) == nullptr) std::abort();
    }
  }
  const auto config = docker::MakeEffectiveConfig(flags, *file, version);
  for (const auto& [name, setting] : config.settings) {
    if (setting.origin == docker::Origin::kFile && !file->settings.contains(name) &&
        name != "tls" && name != "data-root") {
      std::abort();
    }
  }
  return 0;
}
