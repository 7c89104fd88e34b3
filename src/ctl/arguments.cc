#include "ctl/arguments.h"

#include <algorithm>
#include <charconv>
#include <set>
#include <utility>

#include "seaworthy/status_macros.h"
#include "seaworthy/words.h"

namespace seaworthy::ctl {
namespace {

constexpr std::uint32_t kPcrCount = 24;
constexpr std::size_t kMinNonce = 16;
constexpr std::size_t kMaxNonce = 64;

struct HashName {
  v1::HashAlgorithm hash;
  std::string_view name;
  std::size_t size;
};
constexpr HashName kHashes[] = {
    {v1::SHA1, "sha1", 20},
    {v1::SHA256, "sha256", 32},
    {v1::SHA384, "sha384", 48},
    {v1::SHA512, "sha512", 64},
};

constexpr std::pair<v1::KeyAlgorithm, std::string_view> kKeyAlgorithms[] = {
    {v1::EC_P256, "ec-p256"},
    {v1::EC_P384, "ec-p384"},
    {v1::RSA_2048, "rsa-2048"},
    {v1::RSA_3072, "rsa-3072"},
};

constexpr std::pair<v1::SignatureScheme, std::string_view> kSchemes[] = {
    {v1::ECDSA, "ecdsa"},
    {v1::RSASSA_PKCS1_V1_5, "rsa-pkcs1"},
    {v1::RSASSA_PSS, "rsa-pss"},
};

Status InvalidPcrs(std::string_view part, std::string_view why) {
  return Fail(Code::kInvalidArgument, "INVALID_PCRS",
              "PCRs \"" + std::string(part) + "\": " + std::string(why));
}

Result<std::uint32_t> ParseIndex(std::string_view text) {
  std::uint32_t index = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), index);
  if (error != std::errc() || end != text.data() + text.size() || index >= kPcrCount) {
    return InvalidPcrs(text, "want an index from 0 to 23");
  }
  return index;
}

Status AddIndices(std::string_view part, std::set<std::uint32_t>& indices) {
  const std::vector<std::string_view> ends = Split(part, '-');
  if (ends.size() > 2) return InvalidPcrs(part, "want an index or a range like 0-7");
  ASSIGN_OR_RETURN(const std::uint32_t first, ParseIndex(ends.front()));
  ASSIGN_OR_RETURN(const std::uint32_t last, ParseIndex(ends.back()));
  if (first > last) return InvalidPcrs(part, "the range runs backwards");
  for (std::uint32_t index = first; index <= last; ++index) indices.insert(index);
  return {};
}

Result<v1::PcrSelection> ParseOneBank(std::string_view text) {
  v1::PcrSelection selection;
  selection.set_bank(v1::SHA256);
  std::string_view list = text;
  if (const std::size_t colon = text.find(':'); colon != std::string_view::npos) {
    selection.set_bank(ParseHash(text.substr(0, colon)));
    if (selection.bank() == v1::HASH_ALGORITHM_UNSPECIFIED) {
      return InvalidPcrs(text, "the bank is none of sha1, sha256, sha384, sha512");
    }
    list = text.substr(colon + 1);
  }
  std::set<std::uint32_t> indices;
  if (list == "all") {
    for (std::uint32_t index = 0; index < kPcrCount; ++index) indices.insert(index);
  } else {
    for (std::string_view part : Split(list, ',')) RETURN_IF_ERROR(AddIndices(part, indices));
  }
  selection.mutable_indices()->Add(indices.begin(), indices.end());
  return selection;
}

}  // namespace

Result<std::vector<v1::PcrSelection>> ParsePcrSelections(std::string_view text) {
  std::vector<v1::PcrSelection> selections;
  for (std::string_view part : Split(text, '+')) {
    ASSIGN_OR_RETURN(v1::PcrSelection selection, ParseOneBank(part));
    for (const v1::PcrSelection& other : selections) {
      if (other.bank() == selection.bank()) {
        return InvalidPcrs(part, "the bank is named twice");
      }
    }
    selections.push_back(std::move(selection));
  }
  return selections;
}

Result<v1::PcrValue> ParsePcrValue(std::string_view text) {
  const std::size_t equals = text.find('=');
  if (equals == std::string_view::npos) {
    return InvalidPcrs(text, "want BANK:INDEX=DIGEST, for example sha256:16=00ab...");
  }
  ASSIGN_OR_RETURN(const v1::PcrSelection selection, ParseOneBank(text.substr(0, equals)));
  if (selection.indices_size() != 1) return InvalidPcrs(text, "want one index before the \"=\"");
  Result<Bytes> digest = ParseHex(text.substr(equals + 1));
  if (!digest.ok()) return InvalidPcrs(text, Message(digest.status()));
  if (digest->size() != HashSize(selection.bank())) {
    return InvalidPcrs(text, "the digest has " + std::to_string(digest->size()) + " bytes, " +
                                 FormatHash(selection.bank()) + " has " +
                                 std::to_string(HashSize(selection.bank())));
  }
  v1::PcrValue value;
  value.set_bank(selection.bank());
  value.set_index(selection.indices(0));
  value.set_digest(digest->data(), digest->size());
  return value;
}

std::string FormatPcrSelection(const v1::PcrSelection& selection) {
  std::string text = FormatHash(selection.bank()) + ":";
  for (int i = 0; i < selection.indices_size(); ++i) {
    if (i > 0) text += ',';
    text += std::to_string(selection.indices(i));
  }
  return text;
}

Result<Bytes> ParseNonce(std::string_view hex) {
  Result<Bytes> nonce = ParseHex(hex);
  if (!nonce.ok()) {
    return Fail(Code::kInvalidArgument, "INVALID_NONCE", "nonce: " + Message(nonce.status()));
  }
  if (nonce->size() < kMinNonce || nonce->size() > kMaxNonce) {
    return Fail(Code::kInvalidArgument, "INVALID_NONCE",
                "nonce: has " + std::to_string(nonce->size()) +
                    " bytes, want 16 to 64 (openssl rand -hex 32 makes one)");
  }
  return nonce;
}

v1::KeyAlgorithm ParseKeyAlgorithm(std::string_view name) {
  for (const auto& [algorithm, known] : kKeyAlgorithms) {
    if (known == name) return algorithm;
  }
  return v1::KEY_ALGORITHM_UNSPECIFIED;
}

std::string FormatKeyAlgorithm(v1::KeyAlgorithm algorithm) {
  for (const auto& [known, name] : kKeyAlgorithms) {
    if (known == algorithm) return std::string(name);
  }
  return "?";
}

v1::HashAlgorithm ParseHash(std::string_view name) {
  for (const HashName& known : kHashes) {
    if (known.name == name || known.name.substr(3) == name) return known.hash;
  }
  return v1::HASH_ALGORITHM_UNSPECIFIED;
}

std::string FormatHash(v1::HashAlgorithm hash) {
  for (const HashName& known : kHashes) {
    if (known.hash == hash) return std::string(known.name);
  }
  return "?";
}

std::size_t HashSize(v1::HashAlgorithm hash) {
  for (const HashName& known : kHashes) {
    if (known.hash == hash) return known.size;
  }
  return 0;
}

v1::SignatureScheme ParseScheme(std::string_view name) {
  for (const auto& [scheme, known] : kSchemes) {
    if (known == name) return scheme;
  }
  return v1::SIGNATURE_SCHEME_UNSPECIFIED;
}

}  // namespace seaworthy::ctl
