// What of a header is guarded, in one canonical form.
#include "modules/volumes/header_parts.h"

#include <algorithm>
#include <vector>

#include "modules/volumes/crypto.h"
#include "seaworthy/json/foreign_json.h"
#include "seaworthy/modules/volumes/header_judge.h"
#include "seaworthy/status_macros.h"

namespace seaworthy::volumes {
namespace {

using nlohmann::json;

Result<json> Reparse(const std::string& part) {
  return ParseForeignJson(part, kMaxLuks2Json, "LUKS_HEADER_MALFORMED");
}

// The segments that do not move while others do, in the order of their numbers, which change.
std::string BackupSegments(const Luks2Metadata& metadata) {
  json all = json::array();
  for (const auto& [number, segment] : metadata.segments) {
    for (const std::string& flag : segment.flags) {
      if (!flag.starts_with("backup-")) continue;
      all.push_back(segment.json);
      break;
    }
  }
  return all.dump();
}

// Requirements that are none: libcryptsetup leaves an empty list of them behind, or takes it away.
Result<std::string> ConfigOf(const Luks2Config& config) {
  ASSIGN_OR_RETURN(json root, Reparse(config.json));
  if (config.requirements.empty() && config.unknown.empty()) root.erase("requirements");
  return root.dump();
}

// What a re-encryption leads to: that segment, and the digest of its key.
struct Final {
  std::uint32_t segment = 0;
  std::uint32_t digest = 0;
  std::vector<std::uint32_t> keyslots;

  bool Keeps(std::uint32_t keyslot) const {
    return std::ranges::find(keyslots, keyslot) != keyslots.end();
  }
};

Result<Final> FindFinal(const Luks2Metadata& metadata) {
  for (const auto& [segment, content] : metadata.segments) {
    if (std::ranges::find(content.flags, "backup-final") == content.flags.end()) continue;
    for (const auto& [digest, key] : metadata.digests) {
      if (std::ranges::find(key.segments, segment) == key.segments.end()) continue;
      return Final{segment, digest, key.keyslots};
    }
  }
  return Fail(Code::kPermissionDenied, "HEADER_SEGMENT_REFUSED",
              "the header is being re-encrypted and does not say to what");
}

// Digests of parts, by name.
class Parts {
 public:
  Status Add(std::string_view kind, std::uint32_t number, const std::string& text) {
    return Add(Name(kind, number), text);
  }
  Status Add(const std::string& name, const std::string& text) {
    ASSIGN_OR_RETURN(parts_[name], Sha256Of(AsBytes(text)));
    return {};
  }
  Status AddKeyslot(std::uint32_t number, const Luks2Keyslot& keyslot,
                    const KeyslotAreaDigests& areas) {
    RETURN_IF_ERROR(Add("keyslot", number, keyslot.json));
    if (keyslot.type != "luks2") return {};
    const auto area = areas.find(number);
    if (area == areas.end()) {
      return Fail(Code::kInternal, "LUKS_AREA_UNREADABLE",
                  "the area of keyslot " + std::to_string(number) + " was not read");
    }
    parts_[Name("keyslot area", number)] = area->second;
    return {};
  }
  Status AddToken(std::uint32_t number, const Luks2Token& token,
                  const std::vector<std::uint32_t>& keyslots) {
    if (token.type == kGuard) return {};
    const json assigned = {{"type", token.type}, {"keyslots", keyslots}};
    return Add("token", number, assigned.dump());
  }

  HeaderParts Take() { return std::move(parts_); }

 private:
  static std::string Name(std::string_view kind, std::uint32_t number) {
    return std::string(kind) + " " + std::to_string(number);
  }

  HeaderParts parts_;
};

Result<HeaderParts> PartsAtRest(const Luks2Metadata& metadata, const KeyslotAreaDigests& areas) {
  Parts parts;
  for (const auto& [number, keyslot] : metadata.keyslots) {
    RETURN_IF_ERROR(parts.AddKeyslot(number, keyslot, areas));
  }
  for (const auto& [number, digest] : metadata.digests) {
    RETURN_IF_ERROR(parts.Add("digest", number, digest.json));
  }
  for (const auto& [number, segment] : metadata.segments) {
    RETURN_IF_ERROR(parts.Add("segment", number, segment.json));
  }
  for (const auto& [number, token] : metadata.tokens) {
    RETURN_IF_ERROR(parts.AddToken(number, token, token.keyslots));
  }
  ASSIGN_OR_RETURN(const std::string config, ConfigOf(metadata.config));
  RETURN_IF_ERROR(parts.Add("config", config));
  return parts.Take();
}

// What goes at the end may go at any time, and which keyslots it is for: they are taken away one by
// one, and a crash may fall between.
Status AddFormer(const Luks2Metadata& metadata, const Final& final, Parts& parts) {
  const std::string former(kFormer);
  for (const auto& [number, keyslot] : metadata.keyslots) {
    if (final.Keeps(number)) continue;
    RETURN_IF_ERROR(parts.Add(former + "keyslot", number, keyslot.json));
  }
  for (const auto& [number, digest] : metadata.digests) {
    if (number == final.digest) continue;
    ASSIGN_OR_RETURN(json root, Reparse(digest.json));
    root.erase("segments");
    root.erase("keyslots");
    RETURN_IF_ERROR(parts.Add(former + "digest", number, root.dump()));
  }
  return {};
}

// What stays, as it will be where that is not as it is.
Status AddStaying(const Luks2Metadata& metadata, const KeyslotAreaDigests& areas,
                  const Final& final, Parts& parts) {
  const std::string afterwards(kAfterwards);
  for (const auto& [number, keyslot] : metadata.keyslots) {
    if (final.Keeps(number)) RETURN_IF_ERROR(parts.AddKeyslot(number, keyslot, areas));
  }
  for (const auto& [number, token] : metadata.tokens) {
    std::vector<std::uint32_t> keyslots = token.keyslots;
    std::erase_if(keyslots, [&](std::uint32_t keyslot) { return !final.Keeps(keyslot); });
    RETURN_IF_ERROR(parts.AddToken(number, token, keyslots));
  }
  ASSIGN_OR_RETURN(json digest, Reparse(metadata.digests.at(final.digest).json));
  digest.erase("segments");
  RETURN_IF_ERROR(parts.Add("digest", final.digest, digest.dump()));
  digest["segments"] = json::array({"0"});
  RETURN_IF_ERROR(parts.Add(afterwards + "digest", final.digest, digest.dump()));
  ASSIGN_OR_RETURN(json segment, Reparse(metadata.segments.at(final.segment).json));
  segment.erase("flags");
  RETURN_IF_ERROR(parts.Add(afterwards + "segment", 0, segment.dump()));
  Luks2Config config = metadata.config;
  RETURN_IF_ERROR(parts.Add("config", config.json));
  config.requirements.clear();
  ASSIGN_OR_RETURN(const std::string later, ConfigOf(config));
  return parts.Add(afterwards + "config", later);
}

}  // namespace

Result<HeaderParts> PartsOf(const Luks2Metadata& metadata, const KeyslotAreaDigests& areas) {
  if (!IsReencrypting(metadata)) return PartsAtRest(metadata, areas);
  ASSIGN_OR_RETURN(const Final final, FindFinal(metadata));
  Parts parts;
  RETURN_IF_ERROR(AddFormer(metadata, final, parts));
  RETURN_IF_ERROR(AddStaying(metadata, areas, final, parts));
  RETURN_IF_ERROR(parts.Add("re-encryption", BackupSegments(metadata)));
  return parts.Take();
}

HeaderParts PartsAfterwards(const HeaderParts& recorded) {
  HeaderParts parts;
  for (const auto& [name, digest] : recorded) {
    if (name.starts_with(kAfterwards)) parts[name.substr(kAfterwards.size())] = digest;
  }
  for (const auto& [name, digest] : recorded) {
    if (name.starts_with(kFormer) || name.starts_with(kAfterwards) || name == "re-encryption") {
      continue;
    }
    parts.try_emplace(name, digest);
  }
  return parts;
}

}  // namespace seaworthy::volumes
