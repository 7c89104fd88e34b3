#include "modules/docker/effective_config.h"

#include <charconv>
#include <optional>
#include <utility>

#include "modules/docker/daemon_key.h"
#include "seaworthy/json/foreign_json.h"

namespace seaworthy::docker {
namespace {

using nlohmann::json;

constexpr EngineVersion kIp6tablesByDefault = {27, 0, 0};

// Of what an engine decides by itself when nobody says it; only what something here asks for.
std::map<std::string, json, std::less<>> Defaults(const EngineVersion& version) {
  return {{"allow-direct-routing", false},
          {"data-root", "/var/lib/docker"},
          {"debug", false},
          {"default-ipc-mode", "private"},
          {"default-runtime", "runc"},
          {"exec-root", "/var/run/docker"},
          {"experimental", false},
          {"group", "docker"},
          {"icc", true},
          {"ip", "0.0.0.0"},
          {"ip-forward", true},
          {"ip-forward-no-drop", false},
          {"ip-masq", true},
          {"ip6tables", version >= kIp6tablesByDefault},
          {"iptables", true},
          {"live-restore", false},
          {"log-driver", "json-file"},
          {"log-level", "info"},
          {"no-new-privileges", false},
          {"pidfile", "/var/run/docker.pid"},
          {"selinux-enabled", false},
          {"tls", false},
          {"tlsverify", false},
          {"userland-proxy", true}};
}

// As the engine's library for flags takes them.
std::optional<bool> ParseBool(std::string_view text) {
  for (const std::string_view word : {"1", "t", "T", "true", "TRUE", "True"}) {
    if (text == word) return true;
  }
  for (const std::string_view word : {"0", "f", "F", "false", "FALSE", "False"}) {
    if (text == word) return false;
  }
  return std::nullopt;
}

std::optional<json> FlagValue(const DaemonKey& key, const std::vector<std::string>& values) {
  switch (key.type) {
    case KeyType::kFlag: {
      const std::optional<bool> value = ParseBool(values.back());
      return value ? std::optional<json>(*value) : std::nullopt;
    }
    case KeyType::kNumber: {
      const std::string& text = values.back();
      std::int64_t number = 0;
      const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
      const bool whole = error == std::errc() && end == text.data() + text.size();
      return whole ? std::optional<json>(number) : std::nullopt;
    }
    case KeyType::kText:
      return values.back();
    case KeyType::kTexts:
    case KeyType::kObjects:
      return values;
    case KeyType::kMap:
    case KeyType::kGroup: {
      json map = json::object();
      for (const std::string& value : values) {
        const std::size_t equals = value.find('=');
        map[value.substr(0, equals)] =
            equals == std::string::npos ? std::string() : value.substr(equals + 1);
      }
      return map;
    }
  }
  return std::nullopt;
}

// To every engine, `tlsverify` means TLS whatever it says, and `tls` without it means both.
void SettleTls(EffectiveConfig& config) {
  Setting& tls = config.settings["tls"];
  Setting& verify = config.settings["tlsverify"];
  if (verify.origin != Origin::kDefault) {
    tls = {true, verify.origin};
  } else if (tls.origin != Origin::kDefault) {
    verify = tls;
  }
}

// Runtimes are put together from both.
bool MayBeInBoth(std::string_view key) { return key == "runtimes"; }

}  // namespace

const json& EffectiveConfig::Value(std::string_view key) const {
  static const json kNothing;
  const auto found = settings.find(key);
  return found == settings.end() ? kNothing : found->second.value;
}

bool EffectiveConfig::Flag(std::string_view key) const { return Value(key) == true; }

EffectiveConfig MakeEffectiveConfig(const EngineFlags& flags, const DaemonJson& file,
                                    const EngineVersion& version) {
  EffectiveConfig config;
  config.problems = file.problems;
  config.problems.insert(config.problems.end(), flags.problems.begin(), flags.problems.end());
  for (auto& [name, value] : Defaults(version)) {
    config.settings[name] = {value, Origin::kDefault};
  }
  for (const auto& [name, value] : file.settings) config.settings[name] = {value, Origin::kFile};
  for (const auto& [flag, values] : flags.values) {
    const DaemonKey* key = FindFlag(flag, version);
    if (key == nullptr || key->name.empty()) continue;
    const std::string name(key->name);
    if (file.settings.contains(name) && !MayBeInBoth(name)) {
      config.problems.push_back({Quoted("/" + name), "DOCKER_CONFIG_CONFLICT",
                                 "the engine does not start: --" + flag +
                                     " is on its command line as well, and it takes one of them"});
    }
    std::optional<json> value = FlagValue(*key, values);
    if (!value) {
      config.problems.push_back(
          {Quoted("--" + flag), "ENGINE_FLAG_VALUE",
           "the engine does not start: " + Quoted(values.back()) + " is no value for it"});
      continue;
    }
    if (MayBeInBoth(name) && config.settings.contains(name)) {
      config.settings[name].value.update(*value);
    } else {
      config.settings[name] = {*std::move(value), Origin::kCommandLine};
    }
  }
  // The former name of data-root.
  if (const auto graph = config.settings.find("graph"); graph != config.settings.end()) {
    config.settings["data-root"] = graph->second;
  }
  SettleTls(config);
  return config;
}

}  // namespace seaworthy::docker
