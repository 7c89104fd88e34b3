// Baselines as files: JSON, and the signature over it.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "seaworthy/modules/integrity/baseline.h"
#include "seaworthy/status_macros.h"

namespace seaworthy::integrity {
namespace {

using nlohmann::json;

constexpr char kVersion[] = "seaworthy_baseline";
constexpr char kHash[] = "sha256";
constexpr std::string_view kSignature = "{\"signature\": \"";
constexpr std::string_view kSignatureEnd = "\"}\n";
constexpr std::string_view kFields[] = {kVersion,   "hash",  "recorded", "node",
                                        "packages", "paths", "files"};

Status Malformed(const std::string& where, std::string_view what) {
  return Fail(Code::kInvalidArgument, "BASELINE_MALFORMED",
              (where.empty() ? "the baseline" : where) + ": " + std::string(what));
}

Result<std::string> ReadText(const json& value, const std::string& where) {
  if (!value.is_string()) return Malformed(where, "is not a text");
  return value.get<std::string>();
}

Result<std::map<std::string, std::string>> ReadTexts(const json& object, const std::string& where) {
  if (!object.is_object()) return Malformed(where, "is not an object");
  std::map<std::string, std::string> texts;
  for (const auto& [name, value] : object.items()) {
    ASSIGN_OR_RETURN(texts[name], ReadText(value, where + "/" + name));
  }
  return texts;
}

Result<Bytes> DigestOf(std::string_view text) {
  return verify::ImaDigest(verify::ImaHash::kSha256, AsBytes(text));
}

// As openssl makes it and takes it: PKCS#1 v1.5 or ECDSA over the SHA-256 digest.
bool Signs(const verify::ImaKeys& keys, ByteView digest, ByteView signature) {
  const verify::ImaSignature signed_as = {.key_id = keys.Ids().front(), .bytes = signature};
  return keys.Check(signed_as, digest).ok();
}

}  // namespace

Result<Baseline> ParseBaseline(std::string_view text) {
  if (text.size() > kMaxBaseline) return Malformed("", "has more than 128 MiB");
  const json root = json::parse(text, nullptr, false);
  if (!root.is_object()) return Malformed("", "is not a JSON object");
  for (const std::string_view field : kFields) {
    if (!root.contains(field)) return Malformed("/" + std::string(field), "is missing");
  }
  if (root.size() != std::size(kFields)) return Malformed("", "has a field that is unknown here");
  if (root[kVersion] != 1) return Malformed(std::string("/") + kVersion, "is not 1");
  if (root["hash"] != kHash) return Malformed("/hash", "is not sha256");
  Baseline baseline;
  ASSIGN_OR_RETURN(baseline.recorded, ReadText(root["recorded"], "/recorded"));
  ASSIGN_OR_RETURN(baseline.node, ReadText(root["node"], "/node"));
  ASSIGN_OR_RETURN(baseline.packages, ReadTexts(root["packages"], "/packages"));
  if (!root["paths"].is_array()) return Malformed("/paths", "is not a list");
  for (const json& path : root["paths"]) {
    ASSIGN_OR_RETURN(baseline.paths.emplace_back(), ReadText(path, "/paths"));
  }
  if (!root["files"].is_object()) return Malformed("/files", "is not an object");
  for (const auto& [path, attributes] : root["files"].items()) {
    ASSIGN_OR_RETURN(baseline.files[path], ReadTexts(attributes, "/files/" + path));
  }
  return baseline;
}

std::string ToJson(const Baseline& baseline) {
  nlohmann::ordered_json root = {{kVersion, 1},
                                 {"hash", kHash},
                                 {"recorded", baseline.recorded},
                                 {"node", baseline.node},
                                 {"paths", baseline.paths},
                                 {"packages", baseline.packages},
                                 {"files", baseline.files}};
  return root.dump(1, ' ', true, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

Result<std::string> SignBaseline(const Baseline& baseline, const std::string& pem,
                                 const FileSigner::Sign& sign) {
  ASSIGN_OR_RETURN(const verify::ImaKeys keys, verify::ImaKeys::Parse({pem}));
  const std::string text = ToJson(baseline);
  if (text.size() > kMaxBaseline - 2 * verify::ImaSignature::kMaxBytes - kSignature.size() -
                        kSignatureEnd.size()) {
    return Fail(Code::kResourceExhausted, "BASELINE_TOO_LARGE", "it has more than 128 MiB");
  }
  ASSIGN_OR_RETURN(const Bytes digest, DigestOf(text));
  ASSIGN_OR_RETURN(const std::vector<Bytes> made, sign(verify::ImaHash::kSha256, {&digest, 1}));
  const Bytes signature = made.empty() ? Bytes() : made.front();
  if (signature.size() > verify::ImaSignature::kMaxBytes || !Signs(keys, digest, signature)) {
    return Fail(Code::kFailedPrecondition, "IMA_KEY_MISMATCH",
                "the key does not sign for the certificate or public key that goes with it");
  }
  return text + std::string(kSignature) + Hex(signature) + std::string(kSignatureEnd);
}

Result<Baseline> OpenBaseline(std::string_view signed_baseline, const std::string& pem) {
  ASSIGN_OR_RETURN(const verify::ImaKeys keys, verify::ImaKeys::Parse({pem}));
  // The last line; the newline before it belongs to what is signed.
  const std::size_t newline = signed_baseline.size() < 2
                                  ? std::string_view::npos
                                  : signed_baseline.rfind('\n', signed_baseline.size() - 2);
  const std::size_t begin = newline == std::string_view::npos ? 0 : newline + 1;
  std::string_view line = signed_baseline.substr(begin);
  if (!line.starts_with(kSignature) || !line.ends_with(kSignatureEnd)) {
    return Fail(Code::kPermissionDenied, "BASELINE_SIGNATURE_MISSING",
                "its last line is not the signature that record-baseline writes");
  }
  line.remove_prefix(kSignature.size());
  line.remove_suffix(kSignatureEnd.size());
  const Result<Bytes> signature = ParseHex(line);
  const std::string_view text = signed_baseline.substr(0, begin);
  ASSIGN_OR_RETURN(const Bytes digest, DigestOf(text));
  if (!signature.ok() || signature->size() > verify::ImaSignature::kMaxBytes ||
      !Signs(keys, digest, *signature)) {
    return Fail(Code::kPermissionDenied, "BASELINE_SIGNATURE_INVALID",
                "it is not what the key signed: it was edited, or another key signed it");
  }
  return ParseBaseline(text);
}

}  // namespace seaworthy::integrity
