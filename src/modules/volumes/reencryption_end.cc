#include "modules/volumes/reencryption_end.h"

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>
#include <set>

#include "seaworthy/status_macros.h"

namespace seaworthy::volumes {
namespace {

using nlohmann::json;

Status Unsupported(const std::string& what) {
  return Fail(Code::kFailedPrecondition, "REENCRYPTION_UNSUPPORTED",
              "not a re-encryption from one key to another: " + what);
}

// Whether the array has the text; false for what is no array.
bool Has(const json& array, std::string_view text) {
  return array.is_array() && std::ranges::any_of(array, [&](const json& one) {
           return one.is_string() && one.get_ref<const std::string&>() == text;
         });
}

const json& Member(const json& object, const char* name) {
  static const json none;
  const auto found = object.is_object() ? object.find(name) : object.end();
  return object.is_object() && found != object.end() ? *found : none;
}

// Which segments there are for what.
struct Segments {
  std::vector<std::string> data;
  std::string previous;
  std::string final;
};

Result<Segments> FindSegments(const json& metadata) {
  Segments found;
  for (const auto& [id, segment] : Member(metadata, "segments").items()) {
    const json& flags = Member(segment, "flags");
    if (Has(flags, "backup-previous")) {
      found.previous = id;
    } else if (Has(flags, "backup-final")) {
      found.final = id;
    } else {
      found.data.push_back(id);
    }
  }
  if (found.data.empty() || found.previous.empty() || found.final.empty()) {
    return Unsupported("segments: not those of before, now and after");
  }
  return found;
}

// The digest of a segment's key.
Result<std::string> DigestOf(const json& metadata, const std::string& segment) {
  for (const auto& [id, digest] : Member(metadata, "digests").items()) {
    if (Has(Member(digest, "segments"), segment)) return id;
  }
  return Unsupported("segment " + segment + " has no digest");
}

void Erase(json& array, const std::set<std::string>& texts) {
  if (!array.is_array()) return;
  json kept = json::array();
  for (const json& one : array) {
    if (!one.is_string() || !texts.contains(one.get<std::string>())) kept.push_back(one);
  }
  array = std::move(kept);
}

// Keyslots that nothing needs any more.
std::set<std::string> UnusedKeyslots(const json& metadata, const std::string& old_digest) {
  std::set<std::string> unused;
  for (const auto& [id, keyslot] : Member(metadata, "keyslots").items()) {
    const bool old =
        Has(Member(Member(Member(metadata, "digests"), old_digest.c_str()), "keyslots"), id);
    const json& type = Member(keyslot, "type");
    if (old || (type.is_string() && type.get_ref<const std::string&>() == "reencrypt")) {
      unused.insert(id);
    }
  }
  return unused;
}

void Remove(json& metadata, const Segments& segments, const std::string& old_digest,
            const std::set<std::string>& keyslots) {
  for (const std::string& id : keyslots) metadata["keyslots"].erase(id);
  for (json& token : metadata["tokens"]) Erase(token["keyslots"], keyslots);
  metadata["segments"].erase(segments.previous);
  metadata["segments"].erase(segments.final);
  metadata["digests"].erase(old_digest);
  json digests = json::object();
  for (auto& [id, digest] : metadata["digests"].items()) {
    const bool had = !digest["keyslots"].empty();
    Erase(digest["keyslots"], keyslots);
    Erase(digest["segments"], {segments.previous, segments.final});
    // That of the re-encryption's own keyslot goes with it.
    if (!had || !digest["keyslots"].empty() || !digest["segments"].empty()) digests[id] = digest;
  }
  metadata["digests"] = std::move(digests);
  metadata["config"].erase("requirements");
}

// So that Remove finds what it changes.
bool HasShape(const json& metadata) {
  const auto all = [&](const char* name, auto has) {
    return Member(metadata, name).is_object() && std::ranges::all_of(Member(metadata, name), has);
  };
  return all("keyslots", [](const json& one) { return one.is_object(); }) &&
         all("segments", [](const json& one) { return one.is_object(); }) &&
         all("tokens", [](const json& one) { return Member(one, "keyslots").is_array(); }) &&
         all("digests",
             [](const json& one) {
               return Member(one, "keyslots").is_array() && Member(one, "segments").is_array();
             }) &&
         Member(metadata, "config").is_object();
}

}  // namespace

Result<std::optional<ReencryptionEnd>> FindReencryptionEnd(std::string_view text) {
  json metadata = json::parse(text, nullptr, false);
  if (!HasShape(metadata)) return Unsupported("not LUKS2 metadata");
  ASSIGN_OR_RETURN(const Segments segments, FindSegments(metadata));
  ASSIGN_OR_RETURN(const std::string old_digest, DigestOf(metadata, segments.previous));
  ASSIGN_OR_RETURN(const std::string new_digest, DigestOf(metadata, segments.final));
  if (segments.data.size() != 1 || old_digest == new_digest) return std::nullopt;
  ASSIGN_OR_RETURN(const std::string digest, DigestOf(metadata, segments.data[0]));
  if (digest != new_digest) return std::nullopt;
  // A single segment that is not all of the volume is one in the making.
  json expected = metadata["segments"][segments.final];
  expected.erase("flags");
  if (metadata["segments"][segments.data[0]] != expected) return std::nullopt;

  ReencryptionEnd end;
  const std::set<std::string> unused = UnusedKeyslots(metadata, old_digest);
  for (const std::string& id : unused) {
    int number = -1;
    std::from_chars(id.data(), id.data() + id.size(), number);
    end.unused_keyslots.push_back(number);
  }
  Remove(metadata, segments, old_digest, unused);
  end.json = metadata.dump(-1, ' ', false, json::error_handler_t::replace);
  return end;
}

}  // namespace seaworthy::volumes
