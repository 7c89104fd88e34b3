#include "modules/docker/hardening/profile.h"

#include <algorithm>

#include "modules/docker/daemon_json.h"
#include "modules/docker/daemon_key.h"
#include "modules/docker/hardening/roots_file.h"
#include "seaworthy/directory.h"
#include "seaworthy/json/foreign_json.h"
#include "seaworthy/modules/docker/hardening.h"
#include "seaworthy/status_macros.h"
#include "seaworthy/words.h"

namespace seaworthy::docker {
namespace {

using nlohmann::json;

constexpr std::string_view kMalformed = "PROFILE_MALFORMED";
constexpr std::string_view kUnsafe = "PROFILE_UNSAFE";
constexpr auto kOptional = ObjectReader::kOptional;
constexpr std::size_t kMaxName = 64;
constexpr std::size_t kMaxSentence = 1000;
constexpr EngineVersion kOldest = {20, 10, 0};

bool IsName(std::string_view name) {
  return !name.empty() && name.size() <= kMaxName && std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
  });
}

// It is shown on terminals.
void ReadSentence(ObjectReader& reader, const char* name, std::string& out) {
  if (!reader.Text(name, out)) return;
  if (out.empty()) reader.Tell(name, "is empty");
  if (out.size() > kMaxSentence) reader.Tell(name, "is too long");
  const bool plain = std::ranges::all_of(
      out, [](char c) { return static_cast<unsigned char>(c) >= ' ' && c != '\x7f'; });
  if (!plain) reader.Tell(name, "is more than one line");
}

void CheckKnown(const ObjectReader& reader, std::string_view of, FirstError& error) {
  const json rest = reader.Rest();
  for (const auto& [name, value] : rest.items()) {
    error.Tell(reader.where() + "/" + name, "is no field of " + std::string(of));
  }
}

void ReadVersion(ObjectReader& reader, const char* name, EngineVersion& out) {
  std::string text;
  if (!reader.Text(name, text, kOptional)) return;
  const Result<EngineVersion> version = ParseEngineVersion(text);
  if (!version.ok() || ToText(*version) != text) {
    reader.Tell(name, "is no version as 28.2.0");
  } else {
    out = *version;
  }
}

// As an engine that knows the key takes it, nothing else: no key hides in another's value.
void CheckValue(ObjectReader& reader, const ProfileSetting& setting) {
  const DaemonKey* const key = FindKeyOfAnyVersion(setting.key);
  if (key == nullptr) {
    return reader.Tell(
        "key", "is no key of daemon.json in any engine from 20.10 to 29: " + Quoted(setting.key));
  }
  if (setting.value.is_null()) return reader.Tell("value", "is null");
  const Result<DaemonJson> taken =
      ParseDaemonJson(json{{setting.key, setting.value}}.dump(), std::max(key->since, kOldest));
  if (!taken.ok()) return reader.Tell("value", Message(taken.status()));
  if (!taken->problems.empty()) {
    const ConfigProblem& problem = taken->problems.front();
    return reader.Tell("value",
                       "is not as the engine wants it, " + problem.where + ": " + problem.text);
  }
  if (std::max(setting.since, key->since) >= std::min(setting.until, key->until)) {
    reader.Tell("key", "is one that no engine has in these versions");
  }
}

ProfileSetting ReadSetting(const json& value, const std::string& where, FirstError& error) {
  ObjectReader reader(value, where, error);
  ProfileSetting setting;
  const bool named = reader.Text("key", setting.key);
  ReadSentence(reader, "why", setting.why);
  ReadVersion(reader, "since", setting.since);
  ReadVersion(reader, "until", setting.until);
  if (reader.Text("only", setting.only, kOptional) &&
      std::ranges::find(kConditions, setting.only) == std::end(kConditions)) {
    reader.Tell("only", "is not one of " + Join(kConditions));
  }
  const json* const wanted = reader.Any("value");
  if (wanted != nullptr) setting.value = *wanted;
  CheckKnown(reader, "a profile's setting", error);
  if (named && wanted != nullptr) CheckValue(reader, setting);
  return setting;
}

bool Overlap(const ProfileSetting& one, const ProfileSetting& other) {
  return one.key == other.key && one.since < other.until && other.since < one.until;
}

void ReadSettings(ObjectReader& reader, FirstError& error, Profile& profile) {
  const json* const list = reader.Any("settings");
  if (list == nullptr) return;
  if (!list->is_array() || list->empty()) {
    reader.Tell("settings", "is no list, or an empty one");
    return;
  }
  for (std::size_t i = 0; i < list->size(); ++i) {
    const std::string where = "/settings/" + std::to_string(i);
    ProfileSetting setting = ReadSetting((*list)[i], where, error);
    if (std::ranges::any_of(profile.settings, [&](const ProfileSetting& earlier) {
          return Overlap(earlier, setting);
        })) {
      error.Tell(where + "/key", "is there twice for one engine: " + Quoted(setting.key));
    }
    profile.settings.push_back(std::move(setting));
  }
}

Result<std::optional<Profile>> Look(const os::RootFolder& root, const std::string& path) {
  ASSIGN_OR_RETURN(const std::optional<os::Place> place, FindRootsFile(root, path, kUnsafe));
  if (!place) return std::optional<Profile>();
  if (OthersMayWrite(*place)) {
    return Fail(Code::kFailedPrecondition, kUnsafe, path + " may be written by others than root");
  }
  ASSIGN_OR_RETURN(const std::string text, ReadRootsFile(*place, path, kMaxProfile, kMalformed));
  Result<Profile> profile = ParseProfile(text);
  if (!profile.ok()) return Wrap(profile.status(), path);
  return std::optional(*std::move(profile));
}

}  // namespace

Result<Profile> ParseProfile(std::string_view text) {
  ASSIGN_OR_RETURN(const json file, ParseForeignJson(text, kMaxProfile, kMalformed));
  FirstError error(kMalformed);
  ObjectReader reader(file, "", error);
  Profile profile;
  if (reader.Text("name", profile.name) && !IsName(profile.name)) {
    reader.Tell("name", "is not of small letters, digits and '-' alone");
  }
  ReadSentence(reader, "description", profile.description);
  reader.Flag("canary", profile.canary, kOptional);
  reader.Flag("reapply", profile.reapply, kOptional);
  ReadSettings(reader, error, profile);
  CheckKnown(reader, "a profile", error);
  RETURN_IF_ERROR(error.status());
  return profile;
}

Result<Profile> FindProfile(const os::RootFolder& root, const std::string& name) {
  if (!IsName(name)) {
    return Fail(Code::kInvalidArgument, "PROFILE_NAME",
                Quoted(name) + ": a profile's name is of small letters, digits and '-'");
  }
  for (const std::string folder : kProfileFolders) {
    const std::string path = folder + "/" + name + ".json";
    ASSIGN_OR_RETURN(std::optional<Profile> profile, Look(root, path));
    if (!profile) continue;
    if (profile->name != name) {
      return Fail(Code::kInvalidArgument, kMalformed,
                  path + ": /name: is " + Quoted(profile->name) + ", unlike the file's");
    }
    return *std::move(profile);
  }
  return Fail(Code::kNotFound, "PROFILE_ABSENT",
              "there is no profile " + Quoted(name) + " in " + Join(kProfileFolders));
}

Result<Profile> ChooseProfile(const HardeningOptions& options) {
  if (!options.profile_text.empty()) return ParseProfile(options.profile_text);
  if (!options.profiles.empty()) {
    const Result<Bytes> file =
        ReadFile(options.profiles + "/" + options.profile + ".json", kMaxProfile);
    if (file.ok()) return ParseProfile(AsText(*file));
    if (file.status().code() != Code::kNotFound) return file.status();
    return Fail(Code::kNotFound, "PROFILE_ABSENT",
                "profile: there is none of the name " + options.profile);
  }
  ASSIGN_OR_RETURN(const os::RootFolder root, os::RootFolder::Open(options.root));
  return FindProfile(root, options.profile);
}

}  // namespace seaworthy::docker
