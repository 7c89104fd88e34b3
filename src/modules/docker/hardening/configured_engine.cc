#include "modules/docker/hardening/configured_engine.h"

#include "modules/docker/engine_json.h"
#include "modules/docker/hardening/roots_file.h"
#include "seaworthy/status_macros.h"

namespace seaworthy::docker {
namespace {

constexpr std::string_view kUnsafe = "DAEMON_JSON_UNSAFE";
constexpr mode_t kMode = 0644;

Status CheckEngine(const Facts& facts) {
  RETURN_IF_ERROR(facts.process.status());
  if (facts.process->uid != 0) {
    return Fail(Code::kFailedPrecondition, "ENGINE_ROOTLESS",
                "the engine is rootless, of uid " + std::to_string(facts.process->uid) +
                    ": its configuration is its user's");
  }
  RETURN_IF_ERROR(facts.version.status());
  RETURN_IF_ERROR(facts.info.status());
  return facts.containers.status();
}

Status ReadFile(const Facts& facts, ConfiguredEngine& engine) {
  ASSIGN_OR_RETURN(const std::optional<os::Place> place,
                   FindRootsFile(facts.root, engine.path, kUnsafe));
  if (!place) return {};
  engine.wrong_mode = (place->stat.st_mode & 07777 & ~kMode) != 0;
  ASSIGN_OR_RETURN(engine.text,
                   ReadRootsFile(*place, engine.path, kMaxDaemonJson, "DAEMON_JSON_MALFORMED"));
  Result<DaemonJson> parsed = ParseDaemonJson(*engine.text, engine.version);
  if (!parsed.ok()) return Wrap(parsed.status(), engine.path);
  engine.file = *std::move(parsed);
  return {};
}

}  // namespace

Result<ConfiguredEngine> ReadConfiguredEngine(const Facts& facts) {
  RETURN_IF_ERROR(CheckEngine(facts));
  ConfiguredEngine engine;
  ASSIGN_OR_RETURN(engine.version, ParseEngineVersion(Text(At(*facts.version, {"Version"}))));
  engine.path = facts.config_file.path;
  engine.flags = ParseEngineFlags(facts.process->arguments, engine.version);
  RETURN_IF_ERROR(ReadFile(facts, engine));
  engine.config = MakeEffectiveConfig(engine.flags, engine.file, engine.version);
  for (const ConfigProblem& problem : engine.config.problems) {
    // Without effect, and somebody's mistake: it is told, and stays.
    if (problem.reason == "DAEMON_JSON_NO_KEY") continue;
    return Fail(Code::kFailedPrecondition, problem.reason,
                engine.path + ": " + problem.where + ": " + problem.text);
  }
  RETURN_IF_ERROR(facts.config.status());
  return engine;
}

}  // namespace seaworthy::docker
