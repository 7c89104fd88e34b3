// The record of header_guard.h as a token.
#include "modules/volumes/crypto.h"
#include "seaworthy/base64.h"
#include "seaworthy/json/foreign_json.h"
#include "seaworthy/modules/volumes/tokens.h"
#include "seaworthy/status_macros.h"

namespace seaworthy::volumes {
namespace {

using nlohmann::json;

constexpr char kMalformed[] = "TOKEN_MALFORMED";
constexpr std::uint32_t kVersion = 1;
constexpr std::size_t kWrappedSize = kGcmNonceSize + kAes256Size + kGcmTagSize;
constexpr std::uint64_t kMaxKeyslot = 31;

void ReadKeys(const json& object, FirstError& error, std::map<std::uint32_t, Bytes>& keys) {
  ObjectReader reader(object, "/keys", error);
  for (const auto& [name, value] : object.items()) {
    std::uint64_t keyslot = 0;
    if (!ParseDecimal(name, kMaxKeyslot, keyslot)) {
      error.Tell("/keys/" + name, "is not the number of a keyslot");
      return;
    }
    Bytes& key = keys[static_cast<std::uint32_t>(keyslot)];
    if (reader.Base64(name.c_str(), key) && key.size() != kWrappedSize) {
      reader.Tell(name.c_str(), "is not a wrapped key of 60 bytes");
    }
  }
}

void ReadParts(const json& object, FirstError& error, std::map<std::string, Bytes>& parts) {
  ObjectReader reader(object, "/parts", error);
  for (const auto& [name, value] : object.items()) {
    if (reader.Hex(name.c_str(), parts[name]) && parts[name].size() != kSha256Size) {
      reader.Tell(name.c_str(), "is not a digest of 32 bytes");
    }
  }
}

}  // namespace

Result<GuardRecord> ParseGuardRecord(std::string_view text) {
  ASSIGN_OR_RETURN(const json root, ParseForeignJson(text, kMaxToken, kMalformed));
  FirstError error(kMalformed);
  ObjectReader reader(root, "", error);
  GuardRecord record;
  std::string type;
  std::uint32_t version = 0;
  std::vector<std::uint32_t> keyslots;
  if (reader.Text("type", type) && type != kGuard) reader.Tell("type", "is not seaworthy-guard");
  if (reader.Number("version", version) && version != kVersion) {
    return Fail(Code::kUnimplemented, "TOKEN_UNSUPPORTED",
                "/version: is " + std::to_string(version) + ", and 1 is what is known");
  }
  if (reader.Numbers("keyslots", keyslots) && !keyslots.empty()) {
    reader.Tell("keyslots", "names a keyslot");
  }
  reader.Number("generation", record.generation);
  reader.Number("nv_index", record.nv_index);
  reader.Hex("digest", record.digest);
  reader.Hex("mac", record.mac);
  if (const json* parts = reader.Object("parts")) ReadParts(*parts, error, record.parts);
  if (const json* keys = reader.Object("keys")) ReadKeys(*keys, error, record.keys);
  if (!reader.Rest().empty()) error.Tell("/" + reader.Rest().begin().key(), "is unknown");
  RETURN_IF_ERROR(error.status());
  return record;
}

std::string ToJson(const GuardRecord& record) {
  json root = {{"type", kGuard},
               {"keyslots", json::array()},
               {"version", kVersion},
               {"generation", record.generation},
               {"nv_index", record.nv_index},
               {"digest", Hex(record.digest)},
               {"mac", Hex(record.mac)},
               {"parts", json::object()},
               {"keys", json::object()}};
  for (const auto& [name, digest] : record.parts) root["parts"][name] = Hex(digest);
  for (const auto& [keyslot, key] : record.keys)
    root["keys"][std::to_string(keyslot)] = Base64(key);
  return root.dump();
}

}  // namespace seaworthy::volumes
