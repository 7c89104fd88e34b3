#include "modules/docker/hardening/course.h"

#include <algorithm>
#include <array>

#include "modules/docker/daemon_json.h"
#include "modules/docker/daemon_key.h"
#include "modules/docker/effective_config.h"
#include "modules/docker/engine_json.h"
#include "seaworthy/status_macros.h"

namespace seaworthy::docker {
namespace {

using nlohmann::json;

constexpr const char* kLiveRestore = "live-restore";
constexpr int kIndent = 4;

constexpr std::array<std::string_view, 9> kLoseContainers = {
    "bridge",    "containerd", "containerd-namespace", "data-root",   "default-address-pools",
    "exec-root", "graph",      "storage-driver",       "userns-remap"};

// An engine reads no empty file.
std::string TextOf(const json& file) { return file.dump(kIndent) + "\n"; }

Result<DaemonJson> Read(const std::optional<std::string>& text, const EngineVersion& version) {
  if (!text) return DaemonJson();
  return ParseDaemonJson(*text, version);
}

std::optional<std::string> With(const DaemonJson& file, const char* key, const json& value) {
  json changed = file.file;
  changed[key] = value;
  return TextOf(changed);
}

// SIGHUP leaves a key as it is that is no longer in the file: it is given what it had before
// anybody said it.
void GiveDefaults(const EffectiveConfig& defaults, const DaemonJson& from, const DaemonJson& to,
                  json& taken) {
  for (const auto& [key, value] : from.settings) {
    if (to.settings.contains(key)) continue;
    const json& otherwise = defaults.Value(key);
    if (!otherwise.is_null()) {
      taken[key] = otherwise;
    } else if (value.is_array()) {
      taken[key] = json::array();
    } else if (value.is_object()) {
      taken[key] = json::object();
    }
  }
}

struct Difference {
  Effect effect = Effect::kNone;
  bool ends_containers = false;
};

Difference Compare(const DaemonJson& from, const DaemonJson& to, const EngineVersion& version) {
  Difference difference;
  std::map<std::string, std::pair<json, json>, std::less<>> both;
  for (const auto& [key, value] : from.settings) both[key].first = value;
  for (const auto& [key, value] : to.settings) both[key].second = value;
  for (const auto& [key, values] : both) {
    if (values.first == values.second) continue;
    const DaemonKey* const known = FindKey(key, version);
    const bool reloads = known != nullptr && known->reloadable;
    difference.effect = std::max(difference.effect, reloads ? Effect::kReload : Effect::kRestart);
    difference.ends_containers |= LosesContainers(key, values.first, values.second);
  }
  return difference;
}

// On the way over a restart: live-restore for both engines, and back to what is wanted.
void KeepContainers(const DaemonJson& from, const DaemonJson& to, const EngineSituation& situation,
                    Course& course) {
  const bool flag = situation.flags.has(kLiveRestore);
  const auto restores = [&](const DaemonJson& file) {
    const auto found = file.settings.find(kLiveRestore);
    if (found != file.settings.end()) return found->second == true;
    return flag && situation.flags.values.find(kLiveRestore)->second.back() == "true";
  };
  const bool before = restores(from);
  const bool after = restores(to);
  // A key that is on the command line as well keeps the engine from starting.
  course.keeps_containers =
      !situation.swarm && !course.ends_containers && (!flag || (before && after));
  if (!course.keeps_containers) return;
  if (!before) course.ready = With(from, kLiveRestore, true);
  if (after) return;
  course.taken = With(to, kLiveRestore, true);
  course.settled = With(to, kLiveRestore, false);
}

}  // namespace

bool LosesContainers(std::string_view key, const json& before, const json& after) {
  if (before == after) return false;
  if (key != "features") {
    return std::ranges::find(kLoseContainers, key) != kLoseContainers.end();
  }
  const auto store = [](const json& features) { return At(features, {"containerd-snapshotter"}); };
  return store(before) != store(after);
}

Result<Course> PlotCourse(const std::optional<std::string>& from,
                          const std::optional<std::string>& to, Effect least,
                          const EngineSituation& situation) {
  ASSIGN_OR_RETURN(const DaemonJson before, Read(from, situation.version));
  ASSIGN_OR_RETURN(const DaemonJson after, Read(to, situation.version));
  Course course;
  const Difference difference = Compare(before, after, situation.version);
  course.effect = std::max(least, difference.effect);
  course.ends_containers = difference.ends_containers;
  course.taken = to;
  course.last = to;
  if (course.effect == Effect::kRestart) {
    KeepContainers(before, after, situation, course);
  } else if (course.effect == Effect::kReload) {
    json taken = after.file;
    GiveDefaults(MakeEffectiveConfig({}, {}, situation.version), before, after, taken);
    if (taken != after.file || !to) course.taken = TextOf(taken);
  }
  return course;
}

ConfigTexts TextsOf(const std::vector<FileChange>& files, const std::string& config_file) {
  ConfigTexts texts;
  for (const FileChange& file : files) {
    if (file.path == config_file) {
      texts.before = file.before;
      texts.after = file.after;
    } else {
      texts.other_files = true;
    }
  }
  return texts;
}

}  // namespace seaworthy::docker
