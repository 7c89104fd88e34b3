#include "seaworthy/modules/volumes/policy_signature.h"

#include <algorithm>

#include "modules/volumes/crypto.h"
#include "seaworthy/base64.h"
#include "seaworthy/json/foreign_json.h"
#include "seaworthy/status_macros.h"

namespace seaworthy::volumes {
namespace {

using nlohmann::json;

constexpr char kMalformed[] = "POLICY_SIGNATURE_MALFORMED";
constexpr std::string_view kBanks[] = {"sha1", "sha256", "sha384", "sha512"};
constexpr std::size_t kMaxSignature = 512;  // RSA of 4096 bits

SignedPolicy ReadOne(const std::string& bank, const json& value, const std::string& where,
                     FirstError& error) {
  SignedPolicy signature;
  signature.bank = bank;
  ObjectReader reader(value, where, error);
  reader.Pcrs("pcrs", signature.pcrs);
  reader.Hex("pkfp", signature.key);
  reader.Hex("pol", signature.policy);
  reader.Base64("sig", signature.signature);
  if (signature.pcrs.empty()) reader.Tell("pcrs", "is empty");
  if (signature.key.size() != kSha256Size) reader.Tell("pkfp", "has not 32 bytes");
  if (signature.policy.size() != kSha256Size) reader.Tell("pol", "has not 32 bytes");
  if (signature.signature.empty() || signature.signature.size() > kMaxSignature) {
    reader.Tell("sig", "has not 1 to 512 bytes");
  }
  return signature;
}

bool ForTheSame(const SignedPolicy& one, const SignedPolicy& other) {
  return one.bank == other.bank && one.pcrs == other.pcrs && one.key == other.key &&
         one.policy == other.policy;
}

}  // namespace

Result<std::vector<SignedPolicy>> ParsePolicySignatures(std::string_view text) {
  ASSIGN_OR_RETURN(const json root, ParseForeignJson(text, kMaxPolicySignatures, kMalformed));
  FirstError error(kMalformed);
  std::vector<SignedPolicy> signatures;
  for (const auto& [bank, list] : root.items()) {
    if (std::ranges::find(kBanks, bank) == std::end(kBanks) || !list.is_array()) {
      error.Tell("/" + bank, "is not the name of a bank of PCRs, with a list");
      break;
    }
    for (std::size_t i = 0; i < list.size(); ++i) {
      signatures.push_back(ReadOne(bank, list[i], "/" + bank + "/" + std::to_string(i), error));
    }
  }
  RETURN_IF_ERROR(error.status());
  return signatures;
}

std::string ToJson(const std::vector<SignedPolicy>& signatures) {
  json root = json::object();
  for (const SignedPolicy& signature : signatures) {
    root[signature.bank].push_back({{"pcrs", signature.pcrs},
                                    {"pkfp", Hex(signature.key)},
                                    {"pol", Hex(signature.policy)},
                                    {"sig", Base64(signature.signature)}});
  }
  return root.dump(-1, ' ', true, json::error_handler_t::replace) + "\n";
}

Result<Bytes> PolicyKeyFingerprint(const std::string& pem) { return PublicKeyFingerprint(pem); }

const SignedPolicy* FindPolicySignature(const std::vector<SignedPolicy>& signatures,
                                        std::string_view bank,
                                        const std::vector<std::uint32_t>& pcrs, ByteView key,
                                        ByteView policy) {
  const auto found = std::ranges::find_if(signatures, [&](const SignedPolicy& signature) {
    return signature.bank == bank && signature.pcrs == pcrs &&
           std::ranges::equal(signature.key, key) && std::ranges::equal(signature.policy, policy);
  });
  return found == signatures.end() ? nullptr : &*found;
}

Status CheckPolicySignature(const SignedPolicy& signature, const std::string& pem) {
  const auto invalid = [](std::string_view what) {
    return Fail(Code::kPermissionDenied, "POLICY_SIGNATURE_INVALID", what);
  };
  ASSIGN_OR_RETURN(const Bytes key, PublicKeyFingerprint(pem));
  if (key != signature.key) return invalid("the signature is by another key");
  ASSIGN_OR_RETURN(const bool good, RsaSigned(pem, signature.policy, signature.signature));
  return good ? Status() : invalid("the key did not make the signature");
}

Status MergePolicySignatures(const std::vector<SignedPolicy>& more,
                             std::vector<SignedPolicy>& signatures) {
  std::vector<SignedPolicy> merged = signatures;
  for (const SignedPolicy& signature : more) {
    const auto same = std::ranges::find_if(
        merged, [&](const SignedPolicy& present) { return ForTheSame(present, signature); });
    if (same == merged.end()) {
      merged.push_back(signature);
    } else {
      *same = signature;
    }
  }
  if (ToJson(merged).size() > kMaxPolicySignatures) {
    return Fail(
        Code::kResourceExhausted, "POLICY_SIGNATURES_TOO_MANY",
        "the signatures would have more than 1 MiB: leave out those of systems that are gone");
  }
  signatures = std::move(merged);
  return {};
}

}  // namespace seaworthy::volumes
