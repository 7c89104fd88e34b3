// Tokens of Clevis: JSON Web Encryption (RFC 7516), key agreed directly, A256GCM.
#include <algorithm>
#include <optional>

#include "modules/volumes/crypto.h"
#include "seaworthy/base64.h"
#include "seaworthy/json/foreign_json.h"
#include "seaworthy/modules/volumes/tokens.h"
#include "seaworthy/status_macros.h"

namespace seaworthy::volumes {
namespace {

using nlohmann::json;

constexpr char kMalformed[] = "TOKEN_MALFORMED";
constexpr auto kOptional = ObjectReader::kOptional;
constexpr std::size_t kMaxJwk = 4096;
constexpr std::uint64_t kMaxPcr = 23;

Status Unsupported(const std::string& what) {
  return Fail(Code::kUnimplemented, "TOKEN_UNSUPPORTED", what);
}

// "7" or "0,7".
bool ParsePcrs(std::string_view text, std::vector<std::uint32_t>& pcrs) {
  while (!text.empty()) {
    const std::size_t comma = std::min(text.find(','), text.size());
    std::uint64_t pcr = 0;
    if (!ParseDecimal(text.substr(0, comma), kMaxPcr, pcr)) return false;
    pcrs.push_back(static_cast<std::uint32_t>(pcr));
    text.remove_prefix(comma);
    if (text == ",") return false;
    if (!text.empty()) text.remove_prefix(1);
  }
  std::ranges::sort(pcrs);
  return std::ranges::adjacent_find(pcrs) == pcrs.end();
}

void ReadTpm2(const json& value, FirstError& error, ClevisToken& token) {
  ObjectReader reader(value, "/jwe/protected/clevis/tpm2", error);
  reader.Text("hash", token.name_hash);
  reader.Text("key", token.primary_alg);
  reader.Base64Url("jwk_pub", token.public_area);
  reader.Base64Url("jwk_priv", token.private_area);
  std::string pcrs;
  if (reader.Text("pcr_ids", pcrs, kOptional)) {
    if (!ParsePcrs(pcrs, token.pcrs)) reader.Tell("pcr_ids", "is not a list of PCRs");
  }
  reader.Text("pcr_bank", token.pcr_bank, kOptional);
  if (token.pcrs.empty()) {
    token.pcr_bank.clear();
  } else if (token.pcr_bank.empty()) {
    reader.Tell("pcr_bank", "is missing");
  }
}

// The header as it stands in the JWE, and is authenticated with it.
Status ReadProtected(const std::string& encoded, ClevisToken& token) {
  const Result<Bytes> decoded = ParseBase64Url(encoded);
  if (!decoded.ok()) {
    return Fail(Code::kInvalidArgument, kMalformed, "/jwe/protected: is not base64url");
  }
  Result<json> header = ParseForeignJson(AsText(*decoded), kMaxToken, kMalformed);
  if (!header.ok()) return Wrap(header.status(), "/jwe/protected");
  FirstError error(kMalformed);
  ObjectReader reader(*header, "/jwe/protected", error);
  std::string algorithm;
  std::string encryption;
  std::string pin;
  reader.Text("alg", algorithm);
  reader.Text("enc", encryption);
  if (const json* clevis = reader.Object("clevis")) {
    ObjectReader clevis_reader(*clevis, "/jwe/protected/clevis", error);
    clevis_reader.Text("pin", pin);
    if (pin != "tpm2" && error.status().ok()) {
      return Unsupported("/jwe/protected/clevis/pin: is " + Quoted(pin) + ", not tpm2");
    }
    if (const json* tpm2 = clevis_reader.Object("tpm2")) ReadTpm2(*tpm2, error, token);
  }
  // "crit" and "zip" change what the rest means.
  const json rest = reader.Rest();
  if (error.status().ok() && (algorithm != "dir" || encryption != "A256GCM" || !rest.empty())) {
    return Unsupported("/jwe/protected: is not a header of dir and A256GCM alone");
  }
  return error.status();
}

// Secrets stay out of a parser's memory: this walks over a flat object of texts and lists of texts,
// as jose writes it, and copies nothing.
class JwkText {
 public:
  explicit JwkText(ByteView text) : text_(AsText(text)) {}

  // The text of the field; nothing when it is not there once, or the rest is not as expected.
  std::optional<std::string_view> Find(std::string_view name) const {
    std::string_view rest = text_;
    std::optional<std::string_view> found;
    if (!Take(rest, '{')) return std::nullopt;
    do {
      std::optional<std::string_view> key = String(rest);
      if (!key || !Take(rest, ':')) return std::nullopt;
      std::optional<std::string_view> value;
      if (Peek(rest) == '[') {
        if (!SkipList(rest)) return std::nullopt;
      } else {
        value = String(rest);
        if (!value) return std::nullopt;
      }
      if (*key != name) continue;
      if (found || !value) return std::nullopt;
      found = value;
    } while (Take(rest, ','));
    if (!Take(rest, '}') || Peek(rest) != '\0') return std::nullopt;
    return found;
  }

 private:
  static char Peek(std::string_view& rest) {
    const std::size_t next = rest.find_first_not_of(" \t\r\n");
    rest.remove_prefix(std::min(next, rest.size()));
    return rest.empty() ? '\0' : rest.front();
  }
  static bool Take(std::string_view& rest, char expected) {
    if (Peek(rest) != expected) return false;
    rest.remove_prefix(1);
    return true;
  }
  static std::optional<std::string_view> String(std::string_view& rest) {
    if (!Take(rest, '"')) return std::nullopt;
    const std::size_t end = rest.find_first_of("\"\\");
    if (end == std::string_view::npos || rest[end] == '\\') return std::nullopt;
    const std::string_view text = rest.substr(0, end);
    rest.remove_prefix(end + 1);
    return text;
  }
  static bool SkipList(std::string_view& rest) {
    if (!Take(rest, '[')) return false;
    do {
      if (!String(rest)) return false;
    } while (Take(rest, ','));
    return Take(rest, ']');
  }

  const std::string_view text_;
};

Result<SecretBytes> KeyOf(ByteView jwk) {
  const auto malformed = [](std::string_view what) {
    return Fail(Code::kInvalidArgument, "JWK_MALFORMED",
                "what the TPM unsealed " + std::string(what));
  };
  if (jwk.size() > kMaxJwk) return malformed("has more than 4 KiB");
  const JwkText text(jwk);
  if (text.Find("kty") != "oct") return malformed("is no symmetric JSON Web Key");
  const std::optional<std::string_view> k = text.Find("k");
  if (!k) return malformed("has no key");
  Result<SecretBytes> key = ParseBase64UrlSecret(AsBytes(*k));
  if (!key.ok() || key->size() != kAes256Size) return malformed("has no key of 256 bits");
  return key;
}

}  // namespace

Result<ClevisToken> ParseClevisToken(std::string_view text) {
  ASSIGN_OR_RETURN(const json root, ParseForeignJson(text, kMaxToken, kMalformed));
  FirstError error(kMalformed);
  ObjectReader reader(root, "", error);
  ClevisToken token;
  std::string type;
  if (reader.Text("type", type) && type != kClevis) reader.Tell("type", "is not clevis");
  std::vector<std::uint32_t> keyslots;
  if (reader.Numbers("keyslots", keyslots) && keyslots.size() != 1) {
    reader.Tell("keyslots", "does not name one keyslot");
  }
  if (const json* jwe = reader.Object("jwe")) {
    ObjectReader jwe_reader(*jwe, "/jwe", error);
    std::string encrypted_key;
    jwe_reader.Text("protected", token.protected_header);
    jwe_reader.Base64Url("iv", token.iv);
    jwe_reader.Base64Url("ciphertext", token.ciphertext);
    jwe_reader.Base64Url("tag", token.tag);
    jwe_reader.Text("encrypted_key", encrypted_key, kOptional);
    if (!encrypted_key.empty()) jwe_reader.Tell("encrypted_key", "is not empty");
    if (token.iv.size() != kGcmNonceSize) jwe_reader.Tell("iv", "has not 12 bytes");
    if (token.tag.size() != kGcmTagSize) jwe_reader.Tell("tag", "has not 16 bytes");
    if (!jwe_reader.Rest().empty()) error.Tell("/jwe", "has an unknown field");
  }
  RETURN_IF_ERROR(error.status());
  RETURN_IF_ERROR(ReadProtected(token.protected_header, token));
  token.keyslot = keyslots.front();
  return token;
}

Result<SecretBytes> DecryptClevis(const ClevisToken& token, ByteView jwk) {
  ASSIGN_OR_RETURN(const SecretBytes key, KeyOf(jwk));
  return OpenAes256Gcm(key.view(), AsBytes(token.protected_header),
                       {.nonce = token.iv, .ciphertext = token.ciphertext, .tag = token.tag});
}

}  // namespace seaworthy::volumes
