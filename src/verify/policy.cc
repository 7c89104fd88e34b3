#include "seaworthy/policy.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <nlohmann/json.hpp>

#include "seaworthy/plain_text.h"
#include "seaworthy/status_macros.h"
#include "verify/digest.h"

namespace seaworthy::verify {
namespace {

using nlohmann::json;

constexpr char kVersion[] = "seaworthy_policy";
constexpr std::uint16_t kSha256 = 0x000b;
constexpr std::uint16_t kBanks[] = {0x0004, kSha256, 0x000c, 0x000d};
constexpr std::pair<std::string_view, Judge> kJudges[] = {
    {"fail", Judge::kFail}, {"tell", Judge::kTell}, {"ignore", Judge::kIgnore}};

Status Malformed(const std::string& where, std::string_view what) {
  return Fail(Code::kInvalidArgument, "POLICY_MALFORMED",
              (where.empty() ? "the policy" : where) + ": " + std::string(what));
}

Status OnlyFields(const json& object, const std::string& where,
                  std::initializer_list<std::string_view> known) {
  if (!object.is_object()) return Malformed(where, "is not an object");
  for (const auto& [name, value] : object.items()) {
    if (std::ranges::find(known, name) == known.end()) {
      return Malformed(where + "/" + name, "is not a field of a policy");
    }
  }
  return {};
}

Status ReadText(const json& object, const std::string& where, const char* name, std::string& out) {
  const auto found = object.find(name);
  if (found == object.end()) return {};
  if (!found->is_string()) return Malformed(where + "/" + name, "is not a text");
  out = found->get<std::string>();
  return {};
}

Status ReadTexts(const json& object, const std::string& where, const char* name,
                 std::vector<std::string>& out) {
  const auto found = object.find(name);
  if (found == object.end()) return {};
  const std::string field = where + "/" + name;
  if (!found->is_array()) return Malformed(field, "is not a list");
  for (const json& item : *found) {
    if (!item.is_string()) {
      return Malformed(field + "/" + std::to_string(out.size()), "is not a text");
    }
    out.push_back(item.get<std::string>());
  }
  return {};
}

Status ReadJudge(const json& object, const std::string& where, const char* name, Judge& out) {
  std::string word;
  RETURN_IF_ERROR(ReadText(object, where, name, word));
  if (word.empty()) return {};
  const auto* found = std::ranges::find(kJudges, word, &std::pair<std::string_view, Judge>::first);
  if (found == std::end(kJudges)) {
    return Malformed(where + "/" + name, "is not one of fail, tell, ignore");
  }
  out = found->second;
  return {};
}

Result<Bytes> ReadDigest(const std::string& field, const json& value, std::size_t size) {
  const Result<Bytes> digest =
      value.is_string() ? ParseHex(value.get_ref<const std::string&>()) : Result<Bytes>(Bytes());
  if (!value.is_string() || !digest.ok() || digest->size() != size) {
    return Malformed(field, "is not a digest of " + std::to_string(size) + " bytes in hex");
  }
  return digest;
}

Status ReadBank(const json& object, const std::string& where, std::uint16_t bank, Policy& policy) {
  if (!object.is_object()) return Malformed(where, "is not an object");
  for (const auto& [name, values] : object.items()) {
    const std::string field = where + "/" + name;
    std::uint32_t index = 0;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), index);
    if (error != std::errc() || end != name.data() + name.size() || index > 23) {
      return Malformed(field, "is not the number of a PCR");
    }
    if (!values.is_array() || values.empty()) return Malformed(field, "is not a list of values");
    std::vector<Bytes>& allowed = policy.pcrs[{bank, index}];
    for (const json& value : values) {
      ASSIGN_OR_RETURN(
          allowed.emplace_back(),
          ReadDigest(field + "/" + std::to_string(allowed.size()), value, DigestSize(bank)));
    }
  }
  return {};
}

Status ReadPcrs(const json& object, Policy& policy) {
  if (!object.is_object()) return Malformed("/pcrs", "is not an object");
  for (const auto& [name, values] : object.items()) {
    const std::optional<std::uint16_t> bank = HashByName(name);
    if (!bank) {
      return Malformed("/pcrs/" + name, "is not one of sha1, sha256, sha384, sha512");
    }
    RETURN_IF_ERROR(ReadBank(values, "/pcrs/" + name, *bank, policy));
  }
  return {};
}

Result<FileDigest> ReadFileDigest(const std::string& field, const json& value) {
  const std::string text = value.is_string() ? value.get<std::string>() : "";
  const std::size_t colon = text.find(':');
  FileDigest digest{.hash = text.substr(0, colon), .digest = {}};
  const std::optional<std::uint16_t> known = HashByName(digest.hash);
  if (colon == std::string::npos || !known) {
    return Malformed(field, "is not a digest such as \"sha256:...\"");
  }
  ASSIGN_OR_RETURN(digest.digest, ReadDigest(field, text.substr(colon + 1), DigestSize(*known)));
  return digest;
}

Status ReadFiles(const json& object, ImaPolicy& ima) {
  const auto files = object.find("files");
  if (files == object.end()) return {};
  if (!files->is_object()) return Malformed("/ima/files", "is not an object");
  ima.files.reserve(files->size());
  for (const auto& [path, values] : files->items()) {
    const std::string field = "/ima/files/" + path;
    if (!values.is_array()) return Malformed(field, "is not a list of digests");
    std::vector<FileDigest>& allowed = ima.files[ToImaPath(FromPlainText(path))];
    for (const json& value : values) {
      ASSIGN_OR_RETURN(FileDigest digest, ReadFileDigest(field, value));
      allowed.push_back(std::move(digest));
    }
  }
  return {};
}

Status ReadBool(const json& object, const std::string& where, const char* name, bool& out) {
  const auto found = object.find(name);
  if (found == object.end()) return {};
  if (!found->is_boolean()) return Malformed(where + "/" + name, "is not true or false");
  out = found->get<bool>();
  return {};
}

Status ReadNumber(const json& object, const std::string& where, const char* name,
                  std::optional<std::uint32_t>& out) {
  const auto found = object.find(name);
  if (found == object.end()) return {};
  constexpr std::uint32_t kMax = std::numeric_limits<std::uint32_t>::max();
  if (!found->is_number_unsigned() || found->get<std::uint64_t>() > kMax) {
    return Malformed(where + "/" + name, "is not a number from 0 to " + std::to_string(kMax));
  }
  out = found->get<std::uint32_t>();
  return {};
}

Status ReadClock(const json& object, ClockPolicy& clock) {
  RETURN_IF_ERROR(OnlyFields(object, "/clock",
                             {"must_be_safe", "max_resets", "max_restarts",
                              "max_seconds_between_rounds", "max_age_seconds"}));
  RETURN_IF_ERROR(ReadBool(object, "/clock", "must_be_safe", clock.must_be_safe));
  RETURN_IF_ERROR(ReadNumber(object, "/clock", "max_resets", clock.max_resets));
  RETURN_IF_ERROR(ReadNumber(object, "/clock", "max_restarts", clock.max_restarts));
  RETURN_IF_ERROR(
      ReadNumber(object, "/clock", "max_seconds_between_rounds", clock.max_seconds_between_rounds));
  return ReadNumber(object, "/clock", "max_age_seconds", clock.max_age_seconds);
}

json ToJson(const ClockPolicy& clock) {
  json object = {{"must_be_safe", clock.must_be_safe}};
  if (clock.max_resets) object["max_resets"] = *clock.max_resets;
  if (clock.max_restarts) object["max_restarts"] = *clock.max_restarts;
  if (clock.max_seconds_between_rounds) {
    object["max_seconds_between_rounds"] = *clock.max_seconds_between_rounds;
  }
  if (clock.max_age_seconds) object["max_age_seconds"] = *clock.max_age_seconds;
  return object;
}

// As "sha256:...", by whose size the hash is known again.
Status ReadDigests(const json& object, const std::string& where, const char* name,
                   std::vector<Bytes>& out) {
  std::vector<std::string> texts;
  RETURN_IF_ERROR(ReadTexts(object, where, name, texts));
  for (const std::string& text : texts) {
    const std::string field = where + "/" + name + "/" + std::to_string(out.size());
    ASSIGN_OR_RETURN(FileDigest digest, ReadFileDigest(field, text));
    out.push_back(std::move(digest.digest));
  }
  return {};
}

json ToJson(const std::vector<Bytes>& digests) {
  json list = json::array();
  for (const Bytes& digest : digests) {
    const auto* bank = std::ranges::find(kBanks, digest.size(), DigestSize);
    list.push_back(HashName(*bank) + ":" + Hex(digest));
  }
  return list;
}

Status ReadBoot(const json& object, BootPolicy& boot) {
  RETURN_IF_ERROR(OnlyFields(
      object, "/boot", {"secure_boot", "verified_boot", "command_lines", "images", "authorities"}));
  boot.required = true;
  RETURN_IF_ERROR(ReadBool(object, "/boot", "secure_boot", boot.secure_boot));
  RETURN_IF_ERROR(ReadBool(object, "/boot", "verified_boot", boot.verified_boot));
  RETURN_IF_ERROR(ReadTexts(object, "/boot", "command_lines", boot.command_lines));
  RETURN_IF_ERROR(ReadDigests(object, "/boot", "images", boot.images));
  RETURN_IF_ERROR(ReadDigests(object, "/boot", "authorities", boot.authorities));
  for (const Bytes& authority : boot.authorities) {
    if (authority.size() != DigestSize(kSha256)) {
      return Malformed("/boot/authorities", "has a digest that is not \"sha256:...\"");
    }
  }
  return {};
}

json ToJson(const BootPolicy& boot) {
  return {{"secure_boot", boot.secure_boot},
          {"verified_boot", boot.verified_boot},
          {"command_lines", boot.command_lines},
          {"images", ToJson(boot.images)},
          {"authorities", ToJson(boot.authorities)}};
}

Status ReadIma(const json& object, ImaPolicy& ima) {
  RETURN_IF_ERROR(
      OnlyFields(object, "/ima", {"files", "exclude", "keys", "unlisted", "violations"}));
  ima.required = true;
  RETURN_IF_ERROR(ReadFiles(object, ima));
  RETURN_IF_ERROR(ReadTexts(object, "/ima", "exclude", ima.exclude));
  RETURN_IF_ERROR(ReadTexts(object, "/ima", "keys", ima.keys));
  RETURN_IF_ERROR(ReadJudge(object, "/ima", "unlisted", ima.unlisted));
  RETURN_IF_ERROR(ReadJudge(object, "/ima", "violations", ima.violations));
  for (std::string& pattern : ima.exclude) {
    pattern = ToImaPath(FromPlainText(pattern));
    const std::size_t star = pattern.find('*');
    if (pattern.empty() || (star != std::string::npos && star + 1 != pattern.size())) {
      return Malformed("/ima/exclude", "'" + pattern + "' has a '*' that is not at its end");
    }
  }
  return {};
}

json ToJson(const ImaPolicy& ima) {
  json object = {{"exclude", json::array()}, {"keys", ima.keys}, {"files", json::object()}};
  for (const std::string& pattern : ima.exclude) object["exclude"].push_back(ToPlainText(pattern));
  json& files = object["files"];
  for (const auto& [path, digests] : ima.files) {
    json& list = files[ToPlainText(path)] = json::array();
    for (const FileDigest& digest : digests) list.push_back(digest.hash + ":" + Hex(digest.digest));
  }
  for (const auto& [word, judge] : kJudges) {
    if (judge == ima.unlisted) object["unlisted"] = word;
    if (judge == ima.violations) object["violations"] = word;
  }
  return object;
}

}  // namespace

std::string ToImaPath(std::string path) {
  std::ranges::replace(path, ' ', '_');
  return path;
}

Result<Policy> ParsePolicy(std::string_view text) {
  if (text.size() > kMaxPolicyFile) return Malformed("", "has more than 256 MiB");
  json root;
  try {
    root = json::parse(text);
  } catch (const json::parse_error& error) {
    const auto end = text.begin() + static_cast<std::ptrdiff_t>(std::min(error.byte, text.size()));
    return Malformed("line " + std::to_string(1 + std::count(text.begin(), end, '\n')),
                     "is not JSON");
  } catch (const json::exception& error) {
    return Malformed("", error.what());  // a number that is out of all range
  }
  Policy policy;
  RETURN_IF_ERROR(OnlyFields(root, "", {kVersion, "name", "pcrs", "clock", "boot", "ima"}));
  const auto version = root.find(kVersion);
  if (version == root.end() || *version != 1) {
    return Malformed(std::string("/") + kVersion, "is not 1: no policy, or one of a later version");
  }
  RETURN_IF_ERROR(ReadText(root, "", "name", policy.name));
  if (const auto pcrs = root.find("pcrs"); pcrs != root.end()) {
    RETURN_IF_ERROR(ReadPcrs(*pcrs, policy));
  }
  if (const auto clock = root.find("clock"); clock != root.end()) {
    RETURN_IF_ERROR(ReadClock(*clock, policy.clock));
  }
  if (const auto boot = root.find("boot"); boot != root.end()) {
    RETURN_IF_ERROR(ReadBoot(*boot, policy.boot));
  }
  if (const auto ima = root.find("ima"); ima != root.end()) {
    RETURN_IF_ERROR(ReadIma(*ima, policy.ima));
  }
  return policy;
}

std::string ToJson(const Policy& policy) {
  json root = {{kVersion, 1}};
  if (!policy.name.empty()) root["name"] = policy.name;
  for (const auto& [pcr, values] : policy.pcrs) {
    json& list = root["pcrs"][HashName(pcr.first)][std::to_string(pcr.second)];
    for (const Bytes& value : values) list.push_back(Hex(value));
  }
  if (policy.clock != ClockPolicy()) root["clock"] = ToJson(policy.clock);
  if (policy.boot.required) root["boot"] = ToJson(policy.boot);
  if (policy.ima.required) root["ima"] = ToJson(policy.ima);
  return root.dump(2, ' ', false, json::error_handler_t::replace) + "\n";
}

}  // namespace seaworthy::verify
