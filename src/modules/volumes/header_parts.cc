// What of a header is guarded, in one canonical form.
#include "modules/volumes/crypto.h"
#include "modules/volumes/foreign_json.h"
#include "seaworthy/modules/volumes/header_guard.h"
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

}  // namespace

Result<HeaderParts> PartsOf(const Luks2Metadata& metadata, const KeyslotAreaDigests& areas) {
  const bool reencrypting = IsReencrypting(metadata);
  HeaderParts parts;
  const auto add = [&](std::string_view kind, std::uint32_t number,
                       const std::string& text) -> Status {
    ASSIGN_OR_RETURN(parts[std::string(kind) + " " + std::to_string(number)],
                     Sha256Of(AsBytes(text)));
    return {};
  };
  for (const auto& [number, keyslot] : metadata.keyslots) {
    RETURN_IF_ERROR(add("keyslot", number, keyslot.json));
    if (keyslot.type != "luks2") continue;
    const auto area = areas.find(number);
    if (area == areas.end()) {
      return Fail(Code::kInternal, "LUKS_AREA_UNREADABLE",
                  "the area of keyslot " + std::to_string(number) + " was not read");
    }
    parts["keyslot area " + std::to_string(number)] = area->second;
  }
  for (const auto& [number, digest] : metadata.digests) {
    ASSIGN_OR_RETURN(json root, Reparse(digest.json));
    if (reencrypting) root.erase("segments");
    RETURN_IF_ERROR(add("digest", number, root.dump()));
  }
  for (const auto& [number, segment] : metadata.segments) {
    if (!reencrypting) RETURN_IF_ERROR(add("segment", number, segment.json));
  }
  if (reencrypting) {
    ASSIGN_OR_RETURN(parts["re-encryption"], Sha256Of(AsBytes(BackupSegments(metadata))));
  }
  for (const auto& [number, token] : metadata.tokens) {
    if (token.type == kGuard) continue;
    const json assigned = {{"type", token.type}, {"keyslots", token.keyslots}};
    RETURN_IF_ERROR(add("token", number, assigned.dump()));
  }
  ASSIGN_OR_RETURN(parts["config"], Sha256Of(AsBytes(metadata.config.json)));
  return parts;
}

}  // namespace seaworthy::volumes
