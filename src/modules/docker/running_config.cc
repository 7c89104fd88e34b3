#include "modules/docker/running_config.h"

#include <algorithm>
#include <array>

#include "modules/docker/daemon_key.h"
#include "modules/docker/engine_json.h"

namespace seaworthy::docker {
namespace {

using nlohmann::json;

constexpr std::size_t kMaxShown = 200;

// What /info shows as it is configured.
struct ShownSetting {
  std::string_view key;
  std::string_view member;
};
constexpr std::array<ShownSetting, 4> kShown = {{{"debug", "Debug"},
                                                 {"experimental", "ExperimentalBuild"},
                                                 {"live-restore", "LiveRestoreEnabled"},
                                                 {"log-driver", "LoggingDriver"}}};

constexpr std::array<std::string_view, 4> kNoStart = {"DAEMON_JSON_UNKNOWN_KEY",
                                                      "DAEMON_JSON_WRONG_TYPE", "DAEMON_JSON_EMPTY",
                                                      "DOCKER_CONFIG_CONFLICT"};

bool Contradicts(const Facts& facts, std::string_view member, std::string_view key) {
  if (!facts.info.ok() || !facts.config.ok()) return false;
  const json& runs = At(*facts.info, {member});
  return !runs.is_null() && runs != facts.config->Value(key);
}

}  // namespace

std::string ShowValue(const json& value) {
  std::string text = value.dump(-1, ' ', true, json::error_handler_t::replace);
  if (text.size() > kMaxShown) text = text.substr(0, kMaxShown) + "...";
  return text;
}

std::string ShowSetting(const Facts& facts, std::string_view key) {
  const std::string name(key);
  const auto found = facts.config->settings.find(key);
  if (found == facts.config->settings.end()) return name + " is not set";
  const std::string value = " = " + ShowValue(found->second.value);
  switch (found->second.origin) {
    case Origin::kFile:
      return facts.config_file.path + ": " + name + value;
    case Origin::kCommandLine: {
      const DaemonKey* const known = FindKey(key, facts.engine_version);
      return "dockerd --" + (known == nullptr ? name : std::string(known->flag)) + value;
    }
    case Origin::kDefault:
      break;
  }
  return name + value + ", the engine's default";
}

std::string ShowInfo(const Facts& facts, std::string_view member, std::string_view key) {
  std::string shown =
      "GET /info: " + std::string(member) + " = " + ShowValue(At(*facts.info, {member}));
  if (!key.empty() && Contradicts(facts, member, key)) {
    shown += "; " + ShowSetting(facts, key) +
             ": the file has changed since the engine's start, and it is judged by what runs";
  }
  return shown;
}

const json& RunningValue(const Facts& facts, std::string_view key) {
  static const json kNothing;
  const auto* const shown = std::ranges::find(kShown, key, &ShownSetting::key);
  if (shown == kShown.end() || !facts.info.ok()) return kNothing;
  return At(*facts.info, {shown->member});
}

std::string ChangedSinceStart(const Facts& facts) {
  if (!facts.config.ok()) return "";
  for (const ConfigProblem& problem : facts.config->problems) {
    if (std::ranges::find(kNoStart, problem.reason) != kNoStart.end()) {
      return facts.config_file.path +
             " has changed since the engine's start, as it is now the engine does not start (" +
             problem.where + ")";
    }
  }
  for (const ShownSetting& shown : kShown) {
    if (Contradicts(facts, shown.member, shown.key)) {
      return facts.config_file.path + " has changed since the engine's start (" +
             ShowSetting(facts, shown.key) + ", and GET /info: " + std::string(shown.member) +
             " = " + ShowValue(At(*facts.info, {shown.member})) + ")";
    }
  }
  return "";
}

}  // namespace seaworthy::docker
