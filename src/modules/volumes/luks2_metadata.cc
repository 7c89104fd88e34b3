#include "seaworthy/modules/volumes/luks2_metadata.h"

#include <utility>

#include "seaworthy/json/foreign_json.h"
#include "seaworthy/status_macros.h"

namespace seaworthy::volumes {
namespace {

using nlohmann::json;

constexpr auto kOptional = ObjectReader::kOptional;
constexpr char kMalformed[] = "LUKS_HEADER_MALFORMED";

// What libcryptsetup has room for (LUKS2_KEYSLOTS_MAX, LUKS2_TOKENS_MAX, LUKS2_DIGEST_MAX); of
// segments it names no number, and a re-encryption has up to six.
constexpr std::size_t kMaxKeyslots = 32;
constexpr std::size_t kMaxTokens = 32;
constexpr std::size_t kMaxDigests = 8;
constexpr std::size_t kMaxSegments = 32;

void NoteUnknown(const ObjectReader& reader, const std::string& below,
                 std::vector<std::string>& unknown) {
  const json rest = reader.Rest();
  for (const auto& [name, value] : rest.items()) unknown.push_back(below + name);
}

Luks2Keyslot::Area ReadArea(const json& value, const std::string& where, FirstError& error,
                            std::vector<std::string>& unknown) {
  Luks2Keyslot::Area area;
  ObjectReader reader(value, where, error);
  reader.Text("type", area.type);
  reader.Decimal("offset", area.offset);
  reader.Decimal("size", area.size);
  if (area.type == "raw") {
    reader.Text("encryption", area.encryption);
    reader.Number("key_size", area.key_size);
  }
  reader.Text("hash", area.hash, kOptional);
  reader.Number("sector_size", area.sector_size, kOptional);
  reader.Decimal("shift_size", area.shift_size, kOptional);
  NoteUnknown(reader, "area/", unknown);
  return area;
}

Luks2Keyslot::Kdf ReadKdf(const json& value, const std::string& where, FirstError& error,
                          std::vector<std::string>& unknown) {
  Luks2Keyslot::Kdf kdf;
  ObjectReader reader(value, where, error);
  reader.Text("type", kdf.type);
  reader.Base64("salt", kdf.salt);
  if (kdf.type == "pbkdf2") {
    reader.Text("hash", kdf.hash);
    reader.Number("iterations", kdf.iterations);
  } else {
    reader.Number("time", kdf.time, kOptional);
    reader.Number("memory", kdf.memory, kOptional);
    reader.Number("cpus", kdf.cpus, kOptional);
  }
  NoteUnknown(reader, "kdf/", unknown);
  return kdf;
}

Luks2Keyslot ReadPart(const json& value, const std::string& where, FirstError& error,
                      const Luks2Keyslot* /*kind*/) {
  Luks2Keyslot keyslot;
  keyslot.json = value.dump();
  ObjectReader reader(value, where, error);
  reader.Text("type", keyslot.type);
  reader.Number("key_size", keyslot.key_size);
  std::uint32_t priority = 0;
  if (reader.Number("priority", priority, kOptional)) keyslot.priority = priority;
  if (const json* area = reader.Object("area")) {
    keyslot.area = ReadArea(*area, where + "/area", error, keyslot.unknown);
  }
  if (const json* found = reader.Object("af", kOptional)) {
    Luks2Keyslot::Af& af = keyslot.af.emplace();
    ObjectReader af_reader(*found, where + "/af", error);
    af_reader.Text("type", af.type);
    af_reader.Number("stripes", af.stripes);
    af_reader.Text("hash", af.hash);
    NoteUnknown(af_reader, "af/", keyslot.unknown);
  }
  if (const json* kdf = reader.Object("kdf", kOptional)) {
    keyslot.kdf = ReadKdf(*kdf, where + "/kdf", error, keyslot.unknown);
  }
  reader.Text("mode", keyslot.mode, kOptional);
  reader.Text("direction", keyslot.direction, kOptional);
  NoteUnknown(reader, "", keyslot.unknown);
  return keyslot;
}

Luks2Segment ReadPart(const json& value, const std::string& where, FirstError& error,
                      const Luks2Segment* /*kind*/) {
  Luks2Segment segment;
  segment.json = value.dump();
  ObjectReader reader(value, where, error);
  reader.Text("type", segment.type);
  reader.Decimal("offset", segment.offset);
  std::string size;
  if (reader.Text("size", size) && size != "dynamic") {
    std::uint64_t number = 0;
    if (reader.Decimal("size", number)) segment.size = number;
  }
  if (segment.type == "crypt") {
    reader.Decimal("iv_tweak", segment.iv_tweak);
    reader.Text("encryption", segment.encryption);
    reader.Number("sector_size", segment.sector_size);
    segment.integrity = reader.Any("integrity", kOptional) != nullptr;
  }
  reader.Texts("flags", segment.flags, kOptional);
  NoteUnknown(reader, "", segment.unknown);
  return segment;
}

Luks2Digest ReadPart(const json& value, const std::string& where, FirstError& error,
                     const Luks2Digest* /*kind*/) {
  Luks2Digest digest;
  digest.json = value.dump();
  ObjectReader reader(value, where, error);
  reader.Text("type", digest.type);
  reader.Numbers("keyslots", digest.keyslots);
  reader.Numbers("segments", digest.segments);
  if (digest.type == "pbkdf2") {
    reader.Text("hash", digest.hash);
    reader.Number("iterations", digest.iterations);
    reader.Base64("salt", digest.salt);
    reader.Base64("digest", digest.digest);
  }
  NoteUnknown(reader, "", digest.unknown);
  return digest;
}

Luks2Token ReadPart(const json& value, const std::string& where, FirstError& error,
                    const Luks2Token* /*kind*/) {
  Luks2Token token;
  token.json = value.dump();
  ObjectReader reader(value, where, error);
  reader.Text("type", token.type);
  reader.Numbers("keyslots", token.keyslots);
  return token;
}

Luks2Config ReadConfig(const json& value, FirstError& error) {
  Luks2Config config;
  config.json = value.dump();
  ObjectReader reader(value, "/config", error);
  reader.Decimal("json_size", config.json_size);
  reader.Decimal("keyslots_size", config.keyslots_size);
  reader.Texts("flags", config.flags, kOptional);
  if (const json* found = reader.Object("requirements", kOptional)) {
    ObjectReader requirements(*found, "/config/requirements", error);
    requirements.Texts("mandatory", config.requirements, kOptional);
    NoteUnknown(requirements, "requirements/", config.unknown);
  }
  NoteUnknown(reader, "", config.unknown);
  return config;
}

template <class Part>
void ReadParts(ObjectReader& root, const char* name, std::size_t max, FirstError& error,
               std::map<std::uint32_t, Part>& out) {
  const json* parts = root.Object(name);
  if (parts == nullptr) return;
  for (const auto& [number, value] : parts->items()) {
    const std::string where = "/" + std::string(name) + "/" + number;
    std::uint64_t parsed = 0;
    if (!ParseDecimal(number, max - 1, parsed)) {
      error.Tell(where, "is not a number below " + std::to_string(max));
      return;
    }
    out[static_cast<std::uint32_t>(parsed)] =
        ReadPart(value, where, error, static_cast<const Part*>(nullptr));
  }
}

// "keyslot 3"
template <class Part>
std::string FirstDifference(std::string_view kind, const std::map<std::uint32_t, Part>& one,
                            const std::map<std::uint32_t, Part>& other) {
  const auto differs = [](const auto& from, const auto& in) -> std::optional<std::uint32_t> {
    for (const auto& [number, part] : from) {
      const auto found = in.find(number);
      if (found == in.end() || found->second.json != part.json) return number;
    }
    return std::nullopt;
  };
  std::optional<std::uint32_t> number = differs(one, other);
  if (!number) number = differs(other, one);
  return number ? std::string(kind) + " " + std::to_string(*number) : "";
}

}  // namespace

Result<Luks2Metadata> ParseLuks2Metadata(std::string_view text) {
  ASSIGN_OR_RETURN(const json root, ParseForeignJson(text, kMaxLuks2Json, kMalformed));
  FirstError error(kMalformed);
  ObjectReader reader(root, "", error);
  Luks2Metadata metadata;
  ReadParts(reader, "keyslots", kMaxKeyslots, error, metadata.keyslots);
  ReadParts(reader, "segments", kMaxSegments, error, metadata.segments);
  ReadParts(reader, "digests", kMaxDigests, error, metadata.digests);
  ReadParts(reader, "tokens", kMaxTokens, error, metadata.tokens);
  if (const json* config = reader.Object("config")) metadata.config = ReadConfig(*config, error);
  // What another version may have beside them would go unjudged.
  const json rest = reader.Rest();
  if (!rest.empty()) error.Tell("/" + rest.begin().key(), "is not a field of a LUKS2 header");
  RETURN_IF_ERROR(error.status());
  return metadata;
}

Status SameMetadata(const Luks2Metadata& judged, const Luks2Metadata& loaded) {
  std::string differs = FirstDifference("keyslot", judged.keyslots, loaded.keyslots);
  if (differs.empty()) differs = FirstDifference("segment", judged.segments, loaded.segments);
  if (differs.empty()) differs = FirstDifference("digest", judged.digests, loaded.digests);
  if (differs.empty()) differs = FirstDifference("token", judged.tokens, loaded.tokens);
  if (differs.empty() && judged.config.json != loaded.config.json) differs = "config";
  if (differs.empty()) return {};
  return Fail(Code::kFailedPrecondition, "HEADER_CHANGED",
              differs + " is not as it was when the header was judged");
}

}  // namespace seaworthy::volumes
