#include "modules/keys/validate.h"

#include <algorithm>
#include <string>

namespace seaworthy::keys {
namespace {

constexpr std::size_t kMinNonce = 16;
constexpr std::size_t kMaxNonce = 64;

bool IsLetterOrDigit(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

bool Has(const tpm::PublicKey& key, std::string_view attribute) {
  return std::find(key.attributes.begin(), key.attributes.end(), attribute) != key.attributes.end();
}

Status Unsuitable(const std::string& why) {
  return Fail(Code::kFailedPrecondition, "KEY_UNSUITABLE", why);
}

}  // namespace

Status CheckName(std::string_view name) {
  const auto allowed = [](char c) {
    return IsLetterOrDigit(c) || c == '-' || c == '_' || c == '.';
  };
  if (!name.empty() && name.size() <= kMaxName && IsLetterOrDigit(name.front()) &&
      std::all_of(name.begin(), name.end(), allowed)) {
    return {};
  }
  return Fail(Code::kInvalidArgument, "INVALID_NAME",
              "name: must be 1 to 64 of a-z, 0-9, '-', '_' and '.', beginning with a letter or "
              "digit");
}

Status CheckDigest(tpm::HashAlgorithm hash, ByteView digest, const std::string& field) {
  if (hash == tpm::HashAlgorithm::kSha1) {
    return Fail(Code::kInvalidArgument, "WEAK_HASH",
                "hash: SHA1 signatures can be forged; take SHA256 or longer");
  }
  if (digest.size() == tpm::DigestSize(hash)) return {};
  return Fail(Code::kInvalidArgument, "INVALID_DIGEST",
              field + ": " + std::to_string(digest.size()) + " bytes, but " +
                  std::string(tpm::ToString(hash)) + " has " +
                  std::to_string(tpm::DigestSize(hash)));
}

Status CheckNonce(ByteView nonce) {
  if (nonce.size() >= kMinNonce && nonce.size() <= kMaxNonce) return {};
  return Fail(Code::kInvalidArgument, "INVALID_NONCE",
              "nonce: " + std::to_string(nonce.size()) + " bytes, must be 16 to 64");
}

Status CheckSuitable(const tpm::PublicKey& key) {
  for (const std::string_view needed : {"fixedTPM", "fixedParent", "sensitiveDataOrigin", "sign"}) {
    if (!Has(key, needed)) {
      return Unsuitable("the key lacks the attribute " + std::string(needed) +
                        ": it was not made by this daemon");
    }
  }
  for (const std::string_view unwanted : {"restricted", "decrypt"}) {
    if (Has(key, unwanted)) {
      return Unsuitable("the key has the attribute " + std::string(unwanted) +
                        ": it was not made by this daemon");
    }
  }
  return {};
}

}  // namespace seaworthy::keys
