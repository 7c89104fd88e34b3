#include "modules/docker/hardening/health.h"

#include <array>

#include "modules/docker/engine_json.h"
#include "modules/docker/running_config.h"
#include "seaworthy/json/foreign_json.h"
#include "seaworthy/status_macros.h"

namespace seaworthy::docker {
namespace {

using nlohmann::json;

// What /info shows as it is configured.
constexpr std::array<std::pair<std::string_view, std::string_view>, 7> kShown = {
    {{"debug", "Debug"},
     {"default-runtime", "DefaultRuntime"},
     {"experimental", "ExperimentalBuild"},
     {"labels", "Labels"},
     {"live-restore", "LiveRestoreEnabled"},
     {"log-driver", "LoggingDriver"},
     {"storage-driver", "Driver"}}};

Status NotTaken(std::string_view key, const json& wanted, const std::string& shown) {
  return Fail(Code::kFailedPrecondition, "SETTING_NOT_TAKEN",
              Quoted(key) + " should be " + ShowValue(wanted) + ", and the engine shows " + shown);
}

// True or a name: the engine has that option of its security; false or "": it has not.
Status CheckOption(const json& info, const Settings& wanted, std::string_view key,
                   std::string_view option) {
  const auto found = wanted.find(key);
  if (found == wanted.end()) return {};
  const bool on = found->second.is_string() ? !Text(found->second).empty() : IsTrue(found->second);
  if (on == SecurityOption(info, option).has_value()) return {};
  return NotTaken(key, found->second,
                  "SecurityOptions " + ShowValue(At(info, {"SecurityOptions"})));
}

Status CheckRegistries(const json& info, const Settings& wanted) {
  const auto mirrors = wanted.find("registry-mirrors");
  if (mirrors == wanted.end()) return {};
  const std::vector<std::string> shown = Texts(At(info, {"RegistryConfig", "Mirrors"}));
  for (std::string mirror : Texts(mirrors->second)) {
    if (!mirror.ends_with('/')) mirror += '/';  // as the engine writes them
    if (std::ranges::find(shown, mirror) == shown.end()) {
      return NotTaken("registry-mirrors", mirrors->second, ShowValue(shown));
    }
  }
  return {};
}

// /info does not show it; the bridge of the containers that name no network does, where there is
// one.
Status CheckBridge(Deadline deadline, EngineApi& engine, const Settings& wanted) {
  const auto icc = wanted.find("icc");
  if (icc == wanted.end()) return {};
  const Result<json> bridge = engine.Get(deadline, "/networks/bridge");
  if (bridge.status().code() == Code::kNotFound) return {};
  RETURN_IF_ERROR(bridge.status());
  const json& shown = At(*bridge, {"Options", "com.docker.network.bridge.enable_icc"});
  if (shown.is_null() || (Text(shown) == "true") == IsTrue(icc->second)) return {};
  return NotTaken("icc", icc->second, "the bridge's enable_icc = " + ShowValue(shown));
}

}  // namespace

std::vector<RunningContainer> RunningContainers(const std::vector<json>& containers) {
  std::vector<RunningContainer> running;
  for (const json& container : containers) {
    const auto pid = static_cast<pid_t>(Number(At(container, {"State", "Pid"})));
    // One that is being started again by the engine is nobody yet.
    if (pid > 0 && !IsTrue(At(container, {"State", "Restarting"}))) {
      running.push_back({Text(At(container, {"Id"})), ContainerName(container), pid});
    }
  }
  return running;
}

Status CheckSettings(Deadline deadline, EngineApi& engine, const Settings& wanted) {
  ASSIGN_OR_RETURN(const json info, engine.Get(deadline, "/info"));
  for (const auto& [key, member] : kShown) {
    const auto found = wanted.find(key);
    if (found == wanted.end()) continue;
    const json& shown = At(info, {member});
    // An empty list is shown as none.
    if (shown == found->second || (shown.is_null() && found->second.empty())) continue;
    return NotTaken(key, found->second, ShowValue(shown));
  }
  RETURN_IF_ERROR(CheckOption(info, wanted, "userns-remap", "userns"));
  RETURN_IF_ERROR(CheckOption(info, wanted, "selinux-enabled", "selinux"));
  RETURN_IF_ERROR(CheckRegistries(info, wanted));
  return CheckBridge(deadline, engine, wanted);
}

Status CheckContainers(Deadline deadline, EngineApi& engine,
                       const std::vector<RunningContainer>& containers) {
  for (const RunningContainer& container : containers) {
    const Result<json> shown = engine.Get(deadline, "/containers/" + container.id + "/json");
    if (!shown.ok() && shown.status().code() != Code::kNotFound) return shown.status();
    const auto pid = shown.ok() ? Number(At(*shown, {"State", "Pid"})) : 0;
    if (pid == container.pid) continue;
    return Fail(Code::kFailedPrecondition, "CONTAINER_LOST",
                "container " + Quoted(container.name) + " no longer runs as it did before" +
                    (pid > 0 ? ": it is another process" : ""));
  }
  return {};
}

}  // namespace seaworthy::docker
