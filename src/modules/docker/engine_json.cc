#include "modules/docker/engine_json.h"

#include <limits>

namespace seaworthy::docker {

using nlohmann::json;

const json& At(const json& value, std::initializer_list<std::string_view> names) {
  static const json kNothing;
  const json* at = &value;
  for (const std::string_view name : names) {
    if (!at->is_object()) return kNothing;
    const auto found = at->find(name);
    if (found == at->end()) return kNothing;
    at = &*found;
  }
  return *at;
}

std::string Text(const json& value) { return value.is_string() ? value.get<std::string>() : ""; }

bool IsTrue(const json& value) { return value.is_boolean() && value.get<bool>(); }

std::int64_t Number(const json& value, std::int64_t otherwise) {
  if (value.is_number_unsigned()) {
    const auto number = value.get<std::uint64_t>();
    constexpr auto kMax = std::numeric_limits<std::int64_t>::max();
    return number > static_cast<std::uint64_t>(kMax) ? kMax : static_cast<std::int64_t>(number);
  }
  return value.is_number_integer() ? value.get<std::int64_t>() : otherwise;
}

std::vector<std::string> Texts(const json& value) {
  std::vector<std::string> texts;
  if (!value.is_array()) return texts;
  for (const json& element : value) {
    if (element.is_string()) texts.push_back(element.get<std::string>());
  }
  return texts;
}

std::optional<std::string> SecurityOption(const json& info, std::string_view name) {
  const std::string start = "name=" + std::string(name);
  for (const std::string& option : Texts(At(info, {"SecurityOptions"}))) {
    if (option == start) return "";
    if (option.starts_with(start + ",")) return option.substr(start.size() + 1);
  }
  return std::nullopt;
}

std::string ContainerName(const json& container) {
  const std::string name = Text(At(container, {"Name"}));
  return name.starts_with('/') ? name.substr(1) : name;
}

bool IsRootUser(std::string_view user) {
  std::string_view name = user.substr(0, user.find(':'));
  if (name.empty() || name == "root") return true;
  if (name.starts_with('+') || name.starts_with('-')) name.remove_prefix(1);
  return !name.empty() && name.find_first_not_of('0') == std::string_view::npos;
}

}  // namespace seaworthy::docker
