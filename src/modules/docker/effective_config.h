// What an engine runs with: its flags, daemon.json, and its own defaults for what neither says.
#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "modules/docker/daemon_json.h"
#include "modules/docker/engine_flags.h"
#include "modules/docker/engine_version.h"

namespace seaworthy::docker {

enum class Origin : std::uint8_t { kDefault, kFile, kCommandLine };

struct Setting {
  nlohmann::json value;  // null where the engine chooses, as for storage-driver
  Origin origin = Origin::kDefault;
};

struct EffectiveConfig {
  // By the keys of daemon.json.
  std::map<std::string, Setting, std::less<>> settings;
  // Those of the file and of the command line, and what is wrong with both together:
  //   DOCKER_CONFIG_CONFLICT  in the file and on the command line: the engine does not start
  //   ENGINE_FLAG_VALUE       the flag's value is none of its type: the engine does not start
  std::vector<ConfigProblem> problems;

  // Null for what nobody said and has no default.
  const nlohmann::json& Value(std::string_view key) const;
  bool Flag(std::string_view key) const;
};

EffectiveConfig MakeEffectiveConfig(const EngineFlags& flags, const DaemonJson& file,
                                    const EngineVersion& version);

}  // namespace seaworthy::docker
