#include "modules/docker/hardening/merge.h"

#include <algorithm>
#include <array>
#include <charconv>

namespace seaworthy::docker {
namespace {

using nlohmann::json;

constexpr std::array<const char*, 3> kProxies = {"http-proxy", "https-proxy", "no-proxy"};

// Lists of which the profile has the whole: each further entry would be a hole, or another's turn.
constexpr std::array<std::string_view, 8> kWholeLists = {"allow-nondistributable-artifacts",
                                                         "default-address-pools",
                                                         "dns",
                                                         "dns-opts",
                                                         "dns-search",
                                                         "host-gateway-ips",
                                                         "hosts",
                                                         "insecure-registries"};
// Lists of NAME=VALUE.
constexpr std::array<std::string_view, 3> kNamedLists = {"exec-opts", "labels", "storage-opts"};

template <class Names>
bool Has(const Names& names, std::string_view name) {
  return std::ranges::find(names, name) != names.end();
}

// "64" or "64:128"; what is no number is left as it is, for the engine to refuse.
json Ulimit(const std::string& name, const std::string& text) {
  const std::size_t colon = text.find(':');
  const std::string soft_text = text.substr(0, colon);
  const std::string hard_text = colon == std::string::npos ? soft_text : text.substr(colon + 1);
  std::int64_t soft = 0;
  std::int64_t hard = 0;
  const auto read = [](const std::string& from, std::int64_t& into) {
    const auto [end, error] = std::from_chars(from.data(), from.data() + from.size(), into);
    return error == std::errc() && end == from.data() + from.size();
  };
  if (!read(soft_text, soft) || !read(hard_text, hard)) return text;
  return {{"Name", name}, {"Soft", soft}, {"Hard", hard}};
}

json MapOfFlags(std::string_view key, const std::vector<std::string>& values) {
  json map = json::object();
  for (const std::string& value : values) {
    const std::size_t equals = value.find('=');
    const std::string name = value.substr(0, equals);
    const std::string rest = equals == std::string::npos ? "" : value.substr(equals + 1);
    if (key == "default-ulimits") {
      map[name] = Ulimit(name, rest);
    } else if (key == "runtimes") {
      map[name] = {{"path", rest}};
    } else if (key == "default-network-opts") {
      const std::size_t inner = rest.find('=');
      map[name][rest.substr(0, inner)] =
          inner == std::string::npos ? std::string() : rest.substr(inner + 1);
    } else {
      map[name] = rest;
    }
  }
  return map;
}

std::string_view NameOf(const json& entry) {
  const std::string_view text = entry.get_ref<const std::string&>();
  return text.substr(0, text.find('='));
}

json MergeLists(std::string_view key, const json& current, const json& wanted) {
  if (Has(kWholeLists, key) || !current.is_array()) return wanted;
  const bool named = Has(kNamedLists, key);
  json merged = wanted;
  json others = json::array();
  for (const json& entry : current) {
    const bool taken = std::ranges::any_of(wanted, [&](const json& ours) {
      if (!ours.is_string() || !entry.is_string()) return ours == entry;
      return named ? NameOf(ours) == NameOf(entry) : ours == entry;
    });
    if (!taken) others.push_back(entry);
  }
  // Nothing of the profile's that is not there: the order that is there is as good.
  const bool all_there = std::ranges::all_of(
      wanted, [&](const json& ours) { return std::ranges::find(current, ours) != current.end(); });
  if (all_there && others.size() + wanted.size() == current.size()) return current;
  for (json& entry : others) merged.push_back(std::move(entry));
  return merged;
}

json MergeMaps(std::string_view key, const json& current, const json& wanted) {
  json merged = current.is_object() ? current : json::object();
  for (const auto& [name, value] : wanted.items()) {
    // By network driver, and there by option.
    const bool deeper = key == "default-network-opts" && value.is_object() &&
                        merged.contains(name) && merged[name].is_object();
    if (deeper) {
      merged[name].update(value);
    } else {
      merged[name] = value;
    }
  }
  return merged;
}

}  // namespace

std::vector<std::string> FlagsOf(const DaemonKey& key) {
  if (key.type == KeyType::kGroup) return {kProxies.begin(), kProxies.end()};
  if (key.flag.empty()) return {};
  return {std::string(key.flag)};
}

json CurrentValue(const DaemonKey& key, const EngineFlags& flags, const DaemonJson& file,
                  const EffectiveConfig& config) {
  if (key.type == KeyType::kGroup) {
    json group = json::object();
    for (const char* const name : kProxies) {
      const json& value = config.Value(name);
      if (!value.is_null()) group[name] = value;
    }
    return group.empty() ? json() : group;
  }
  const auto said = flags.values.find(key.flag);
  if (key.type != KeyType::kMap || key.flag.empty() || said == flags.values.end()) {
    return config.Value(key.name);
  }
  const auto in_file = file.settings.find(key.name);
  json map = in_file == file.settings.end() ? json::object() : in_file->second;
  map.update(MapOfFlags(key.name, said->second));
  return map;
}

Origin OriginOf(const DaemonKey& key, const EffectiveConfig& config) {
  const auto origin = [&](std::string_view name) {
    const auto found = config.settings.find(name);
    return found == config.settings.end() ? Origin::kDefault : found->second.origin;
  };
  if (key.type != KeyType::kGroup) return origin(key.name);
  Origin strongest = Origin::kDefault;
  for (const char* const name : kProxies) strongest = std::max(strongest, origin(name));
  return strongest;
}

json Merge(const DaemonKey& key, const json& current, const json& wanted) {
  switch (key.type) {
    case KeyType::kMap:
    case KeyType::kGroup:
      return MergeMaps(key.name, current, wanted);
    case KeyType::kTexts:
    case KeyType::kObjects:
      return MergeLists(key.name, current, wanted);
    case KeyType::kFlag:
    case KeyType::kText:
    case KeyType::kNumber:
      break;
  }
  return wanted;
}

std::string WriteDaemonJson(const json& file, std::string_view before) {
  const std::size_t line = before.find('\n');
  const bool by_two =
      line != std::string_view::npos && before.find_first_not_of(' ', line + 1) == line + 3;
  return file.dump(by_two ? 2 : 4, ' ', false, json::error_handler_t::replace) + "\n";
}

}  // namespace seaworthy::docker
