// The way from one configuration of a running engine to another, without its containers noticing
// where that is possible. The same both ways: undoing is a course back.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "modules/docker/engine_flags.h"
#include "modules/docker/engine_version.h"
#include "seaworthy/modules/docker/hardening.h"

namespace seaworthy::docker {

// What the engine is found in, as far as it decides the way.
struct EngineSituation {
  EngineVersion version;
  EngineFlags flags;  // of the engine as it runs
  bool swarm = false;
};

// Texts of daemon.json, in the order in which the engine gets them.
struct Course {
  Effect effect = Effect::kNone;
  // Containers go on running: the engine is told to leave them alone before it is stopped.
  bool keeps_containers = true;
  // The engine would not find them again: they are stopped before.
  bool ends_containers = false;
  std::optional<std::string> ready;  // taken over by SIGHUP, before a restart
  // That of the reload or restart itself; nothing: without a daemon.json.
  std::optional<std::string> taken;
  std::optional<std::string> settled;  // taken over by SIGHUP, after a restart
  std::optional<std::string> last;     // what stays; nothing: no daemon.json
};

// Whether an engine with that value of the setting does not find the containers again that it had
// with the other, live-restore or not.
bool LosesContainers(std::string_view key, const nlohmann::json& before,
                     const nlohmann::json& after);

// INVALID_ARGUMENT (DAEMON_JSON_MALFORMED) for a text that is none.
// `least` is what it takes beside what the texts say: a restart for a drop-in.
Result<Course> PlotCourse(const std::optional<std::string>& from,
                          const std::optional<std::string>& to, Effect least,
                          const EngineSituation& situation);

// The texts of daemon.json among the files that a transaction replaces: it is one of them always.
struct ConfigTexts {
  std::optional<std::string> before;
  std::optional<std::string> after;
  bool other_files = false;  // there are drop-ins among them
};
ConfigTexts TextsOf(const std::vector<FileChange>& files, const std::string& config_file);

}  // namespace seaworthy::docker
