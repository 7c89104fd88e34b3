#include "modules/docker/daemon_json.h"

#include <algorithm>
#include <utility>

#include "modules/docker/daemon_key.h"
#include "seaworthy/json/foreign_json.h"

namespace seaworthy::docker {
namespace {

using nlohmann::json;

constexpr std::string_view kMalformed = "DAEMON_JSON_MALFORMED";
constexpr EngineVersion kTakesEmptyFile = {23, 0, 0};

bool IsListOf(const json& value, json::value_t type) {
  return value.is_array() &&
         std::ranges::all_of(value, [type](const json& item) { return item.type() == type; });
}

// null leaves the engine's default, as a key that is not there does.
bool Fits(const json& value, KeyType type) {
  if (value.is_null()) return true;
  switch (type) {
    case KeyType::kFlag:
      return value.is_boolean();
    case KeyType::kText:
      return value.is_string();
    case KeyType::kNumber:
      return value.is_number_integer();
    case KeyType::kTexts:
      return IsListOf(value, json::value_t::string);
    case KeyType::kObjects:
      return IsListOf(value, json::value_t::object);
    case KeyType::kMap:
    case KeyType::kGroup:
      return value.is_object();
  }
  return false;
}

std::string_view Wanted(KeyType type) {
  switch (type) {
    case KeyType::kFlag:
      return "true or false";
    case KeyType::kText:
      return "a text";
    case KeyType::kNumber:
      return "a whole number";
    case KeyType::kTexts:
      return "a list of texts";
    case KeyType::kObjects:
      return "a list of objects";
    case KeyType::kMap:
    case KeyType::kGroup:
      return "an object";
  }
  return "";
}

// What is in a group, as the engine's own structures have it, and nowhere else.
bool IsGroups(std::string_view name) {
  return name == "http-proxy" || name == "https-proxy" || name == "no-proxy";
}

class Reading {
 public:
  Reading(const EngineVersion& version, DaemonJson& out) : version_(version), out_(out) {}

  void TopLevel(const std::string& name, const json& value) {
    const std::string where = "/" + name;
    const DaemonKey* key = FindKey(name, version_);
    if (key != nullptr && !IsGroups(name)) {
      if (!Fits(value, key->type)) {
        Tell(where, "DAEMON_JSON_WRONG_TYPE",
             "the engine does not start: it wants " + std::string(Wanted(key->type)));
      } else if (key->type == KeyType::kGroup) {
        for (const auto& [inner, member] : value.items()) GroupMember(where, inner, member);
      } else if (!value.is_null()) {
        out_.settings[name] = value;
      }
    } else if (value.is_object()) {
      Flattened(where, value);
    } else {
      NoKey(where, name);
    }
  }

 private:
  void Tell(const std::string& where, std::string_view reason, std::string text) {
    out_.problems.push_back({Quoted(where), std::string(reason), std::move(text)});
  }

  void GroupMember(const std::string& group, const std::string& name, const json& value) {
    const std::string where = group + "/" + name;
    if (!IsGroups(name)) {
      FlattenedMember(where, name, value);
    } else if (!Fits(value, KeyType::kText)) {
      Tell(where, "DAEMON_JSON_WRONG_TYPE", "the engine does not start: it wants a text");
    } else if (!value.is_null()) {
      out_.settings[name] = value;
    }
  }

  // The engine looks for its keys one level down in each object that it does not take as a map.
  void Flattened(const std::string& where, const json& object) {
    if (object.empty()) {
      Tell(where, "DAEMON_JSON_NESTED", "the engine looks over this object: it has no key of it");
    }
    for (const auto& [name, value] : object.items()) {
      FlattenedMember(where + "/" + name, name, value);
    }
  }

  void FlattenedMember(const std::string& where, const std::string& name, const json& value) {
    const DaemonKey* key = FindKey(name, version_);
    if (key == nullptr) return NoKey(where, name);
    if (key->type == KeyType::kFlag && value.is_boolean()) {
      out_.settings[name] = value;
      Tell(where, "DAEMON_JSON_NESTED",
           "the engine takes this setting although it is inside another object: write it at the "
           "top level");
    } else {
      Tell(where, "DAEMON_JSON_NESTED",
           "the engine looks over this setting, as it is inside another object: write it at the "
           "top level");
    }
  }

  void NoKey(const std::string& where, const std::string& name) {
    if (IsGroups(name) && FindKey(name, version_) != nullptr) {
      Tell(where, "DAEMON_JSON_NO_KEY",
           "the engine looks over it: it belongs into the object \"proxies\"");
    } else if (const DaemonKey* flag = FindFlag(name, version_); flag != nullptr) {
      Tell(where, "DAEMON_JSON_NO_KEY",
           "the engine looks over it: it is the name of a flag" +
               (flag->name.empty() ? std::string()
                                   : ", whose key is \"" + std::string(flag->name) + "\""));
    } else {
      Tell(where, "DAEMON_JSON_UNKNOWN_KEY",
           "the engine does not start: version " + ToText(version_) + " does not know this key");
    }
  }

  const EngineVersion& version_;
  DaemonJson& out_;
};

}  // namespace

Result<DaemonJson> ParseDaemonJson(std::string_view text, const EngineVersion& version) {
  DaemonJson daemon_json;
  if (text.find_first_not_of(" \t\r\n") == std::string_view::npos) {
    if (version < kTakesEmptyFile) {
      daemon_json.problems.push_back({"/", "DAEMON_JSON_EMPTY",
                                      "the engine does not start: version " + ToText(version) +
                                          " takes no empty file; {} says the same"});
    }
    return daemon_json;
  }
  Result<json> file = ParseForeignJson(text, kMaxDaemonJson, kMalformed);
  if (!file.ok()) return file.status();
  daemon_json.file = *std::move(file);
  Reading reading(version, daemon_json);
  for (const auto& [name, value] : daemon_json.file.items()) reading.TopLevel(name, value);
  return daemon_json;
}

}  // namespace seaworthy::docker
