// What the engine is configured with, as one who changes it needs to know it.
#pragma once

#include <optional>
#include <string>

#include "modules/docker/effective_config.h"
#include "modules/docker/facts.h"

namespace seaworthy::docker {

struct ConfiguredEngine {
  EngineVersion version;
  std::string path;                 // of daemon.json
  std::optional<std::string> text;  // nothing: there is no file
  bool wrong_mode = false;          // the file has bits beyond 0644
  EngineFlags flags;
  DaemonJson file;
  EffectiveConfig config;
};

// Of a rootful engine that answers, with a daemon.json that root alone can have written and that
// the engine starts with. Else FAILED_PRECONDITION and the like, as PlanHardening says. The file is
// read anew: what is planned stands on the text that is to be replaced.
Result<ConfiguredEngine> ReadConfiguredEngine(const Facts& facts);

}  // namespace seaworthy::docker
