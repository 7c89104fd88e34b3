// Tokens of systemd-cryptenroll, versions 248 to 257.
#include <algorithm>

#include "seaworthy/base64.h"
#include "seaworthy/json/foreign_json.h"
#include "seaworthy/modules/volumes/tokens.h"
#include "seaworthy/status_macros.h"

namespace seaworthy::volumes {
namespace {

using nlohmann::json;

constexpr char kMalformed[] = "TOKEN_MALFORMED";
constexpr auto kOptional = ObjectReader::kOptional;
constexpr std::size_t kPolicySize = 32;
constexpr std::size_t kMaxPem = 16 * 1024;

// systemd writes exactly one; where a volume is being re-encrypted there is another for its other
// key.
template <class Token>
void ReadHead(ObjectReader& reader, std::string_view type, Token& token) {
  std::string found;
  if (reader.Text("type", found) && found != type) {
    reader.Tell("type", "is not " + std::string(type));
  }
  std::vector<std::uint32_t> keyslots;
  if (!reader.Numbers("keyslots", keyslots)) return;
  if (keyslots.empty() || keyslots.size() > 2) {
    reader.Tell("keyslots", "does not name one keyslot, or two");
    return;
  }
  token.keyslot = keyslots.front();
  if (keyslots.size() == 2) token.other_keyslot = keyslots.back();
}

template <class Token>
json KeyslotsOf(const Token& token) {
  json keyslots = json::array({std::to_string(token.keyslot)});
  if (token.other_keyslot.has_value()) keyslots.push_back(std::to_string(*token.other_keyslot));
  return keyslots;
}

std::string Kept(const ObjectReader& reader) {
  const json rest = reader.Rest();
  return rest.empty() ? "" : rest.dump();
}

json WithKept(json known, const std::string& other) {
  const json kept = json::parse(other, nullptr, false);
  if (kept.is_object()) {
    for (const auto& [name, value] : kept.items()) {
      if (!known.contains(name)) known[name] = value;
    }
  }
  return known;
}

// A secret in several parts, each under a policy of its own (signed policy and pcrlock at once).
Status RefuseShards(const json& root) {
  for (const char* field : {"tpm2-blob", "tpm2-policy-hash"}) {
    const auto found = root.find(field);
    if (found == root.end() || !found->is_array()) continue;
    return Fail(Code::kUnimplemented, "TOKEN_UNSUPPORTED",
                std::string("/") + field +
                    ": is a list: the secret is split among several policies (a signed policy and "
                    "pcrlock at once), which is not read here");
  }
  return {};
}

void CheckWords(ObjectReader& reader, const SystemdTpm2Token& token) {
  const auto known = [](const std::string& word, std::initializer_list<std::string_view> words) {
    return word.empty() || std::ranges::find(words, word) != words.end();
  };
  if (!known(token.pcr_bank, {"sha1", "sha256", "sha384", "sha512"})) {
    reader.Tell("tpm2-pcr-bank", "is not one of sha1, sha256, sha384, sha512");
  }
  if (!known(token.primary_alg, {"ecc", "rsa"})) {
    reader.Tell("tpm2-primary-alg", "is not ecc or rsa");
  }
  if (token.policy_hash.size() != kPolicySize) {
    reader.Tell("tpm2-policy-hash", "is not a digest of 32 bytes in hex");
  }
  if (token.blob.empty()) reader.Tell("tpm2-blob", "is empty");
  if (token.public_key.empty() != token.public_key_pcrs.empty()) {
    reader.Tell("tpm2_pubkey", "does not go without tpm2_pubkey_pcrs, nor they without it");
  }
}

}  // namespace

Result<SystemdTpm2Token> ParseSystemdTpm2Token(std::string_view text) {
  ASSIGN_OR_RETURN(const json root, ParseForeignJson(text, kMaxToken, kMalformed));
  RETURN_IF_ERROR(RefuseShards(root));
  FirstError error(kMalformed);
  ObjectReader reader(root, "", error);
  SystemdTpm2Token token;
  ReadHead(reader, kSystemdTpm2, token);
  reader.Base64("tpm2-blob", token.blob);
  reader.Pcrs("tpm2-pcrs", token.pcrs);
  reader.Text("tpm2-pcr-bank", token.pcr_bank, kOptional);
  reader.Text("tpm2-primary-alg", token.primary_alg, kOptional);
  reader.Hex("tpm2-policy-hash", token.policy_hash);
  reader.Flag("tpm2-pin", token.pin, kOptional);
  reader.Pcrs("tpm2_pubkey_pcrs", token.public_key_pcrs, kOptional);
  Bytes pem;
  if (reader.Base64("tpm2_pubkey", pem, kOptional)) {
    if (pem.size() > kMaxPem) reader.Tell("tpm2_pubkey", "has more than 16 KiB");
    token.public_key = AsText(pem);
  }
  reader.Base64("tpm2_salt", token.salt, kOptional);
  reader.Base64("tpm2_srk", token.srk, kOptional);
  reader.Flag("tpm2_pcrlock", token.pcrlock, kOptional);
  reader.Base64("tpm2_pcrlock_nv", token.pcrlock_nv, kOptional);
  token.other = Kept(reader);
  CheckWords(reader, token);
  RETURN_IF_ERROR(error.status());
  return token;
}

std::string ToJson(const SystemdTpm2Token& token) {
  // 252 always has tpm2-pin, and wants texts for the blob and the hash.
  json root = {{"type", kSystemdTpm2},
               {"keyslots", KeyslotsOf(token)},
               {"tpm2-blob", Base64(token.blob)},
               {"tpm2-pcrs", token.pcrs},
               {"tpm2-policy-hash", Hex(token.policy_hash)},
               {"tpm2-pin", token.pin}};
  if (!token.pcr_bank.empty()) root["tpm2-pcr-bank"] = token.pcr_bank;
  if (!token.primary_alg.empty()) root["tpm2-primary-alg"] = token.primary_alg;
  if (!token.public_key.empty()) {
    root["tpm2_pubkey_pcrs"] = token.public_key_pcrs;
    root["tpm2_pubkey"] = Base64(AsBytes(token.public_key));
  }
  if (!token.salt.empty()) root["tpm2_salt"] = Base64(token.salt);
  if (!token.srk.empty()) root["tpm2_srk"] = Base64(token.srk);
  if (token.pcrlock) root["tpm2_pcrlock"] = true;
  if (!token.pcrlock_nv.empty()) root["tpm2_pcrlock_nv"] = Base64(token.pcrlock_nv);
  return WithKept(std::move(root), token.other).dump(-1, ' ', true, json::error_handler_t::replace);
}

Result<SystemdRecoveryToken> ParseSystemdRecoveryToken(std::string_view text) {
  ASSIGN_OR_RETURN(const json root, ParseForeignJson(text, kMaxToken, kMalformed));
  FirstError error(kMalformed);
  ObjectReader reader(root, "", error);
  SystemdRecoveryToken token;
  ReadHead(reader, kSystemdRecovery, token);
  token.other = Kept(reader);
  RETURN_IF_ERROR(error.status());
  return token;
}

std::string ToJson(const SystemdRecoveryToken& token) {
  json root = {{"type", kSystemdRecovery}, {"keyslots", KeyslotsOf(token)}};
  return WithKept(std::move(root), token.other).dump(-1, ' ', true, json::error_handler_t::replace);
}

}  // namespace seaworthy::volumes
