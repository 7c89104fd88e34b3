// The command line of dockerd.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "modules/docker/daemon_json.h"
#include "modules/docker/engine_version.h"

namespace seaworthy::docker {

struct EngineFlags {
  // By the flags' names without dashes, in the order given. A flag without a value says "true".
  std::map<std::string, std::vector<std::string>, std::less<>> values;
  // ENGINE_FLAG_UNKNOWN, ENGINE_FLAG_WITHOUT_VALUE, ENGINE_ARGUMENT: dockerd does not start.
  std::vector<ConfigProblem> problems;

  bool has(std::string_view flag) const { return values.contains(flag); }
  // Where dockerd looks for daemon.json.
  std::string config_file() const;
};

// `arguments` without the program's name, as in /proc/PID/cmdline. Read as the engine's own library
// does: "--name=value", "--name value" where the flag takes one, "-H value", "-Hvalue", "-DH
// value".
EngineFlags ParseEngineFlags(const std::vector<std::string>& arguments,
                             const EngineVersion& version);

}  // namespace seaworthy::docker
