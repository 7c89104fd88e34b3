#include <openssl/evp.h>

#include "seaworthy/handle.h"
#include "seaworthy/status_macros.h"
#include "seaworthy/tpm/key.h"
#include "seaworthy/tpm/seal.h"
#include "tpm/digest.h"
#include "tpm/marshal.h"
#include "tpm/selection.h"

namespace seaworthy::tpm {
namespace {

// TPM_CC of the commands, marshalled.
constexpr std::uint8_t kPolicyAuthorize[] = {0x00, 0x00, 0x01, 0x6a};
constexpr std::uint8_t kPolicyAuthValue[] = {0x00, 0x00, 0x01, 0x6b};
constexpr std::uint8_t kPolicyPcr[] = {0x00, 0x00, 0x01, 0x7f};

// What a policy's digest becomes by PolicyPCR (part 3, 23.7).
Bytes ExtendByPcrs(const Bytes& digest, const PcrPolicy& policy) {
  const Bytes selection = Marshal<Tss2_MU_TPML_PCR_SELECTION_Marshal>(ToTss({policy.selection}));
  return Digest(HashAlgorithm::kSha256, {digest, kPolicyPcr, selection, policy.pcr_digest});
}

Status Invalid(std::string_view why) {
  return Fail(Code::kInvalidArgument, "INVALID_SEAL_POLICY", why);
}

}  // namespace

Bytes Digest(HashAlgorithm hash, std::initializer_list<ByteView> parts) {
  const CPtr<EVP_MD_CTX, EVP_MD_CTX_free> context(EVP_MD_CTX_new());
  const EVP_MD* md = EVP_get_digestbyname(std::string(ToString(hash)).c_str());
  Bytes digest(DigestSize(hash));
  bool ok = EVP_DigestInit_ex(context.get(), md, nullptr) == 1;
  for (ByteView part : parts) {
    ok = ok && EVP_DigestUpdate(context.get(), part.data(), part.size()) == 1;
  }
  ok = ok && EVP_DigestFinal_ex(context.get(), digest.data(), nullptr) == 1;
  return ok ? digest : Bytes();
}

Bytes PcrPolicyDigest(const PcrPolicy& policy) {
  return ExtendByPcrs(Bytes(DigestSize(HashAlgorithm::kSha256)), policy);
}

Bytes PcrDigest(const std::vector<PcrValue>& values) {
  Bytes concatenated;
  for (const PcrValue& value : values) {
    concatenated.insert(concatenated.end(), value.digest.begin(), value.digest.end());
  }
  return Digest(HashAlgorithm::kSha256, {concatenated});
}

Result<Bytes> PolicyDigest(const SealPolicy& policy) {
  Bytes digest(DigestSize(HashAlgorithm::kSha256));
  if (policy.signed_pcrs.has_value()) {
    const std::uint32_t mask = policy.signed_pcrs->selection.mask;
    if (mask == 0 || mask > kAllPcrs) return Invalid("signed PCRs: are none, or beyond 23");
    ASSIGN_OR_RETURN(const Bytes name, PolicyKeyName(policy.signed_pcrs->public_key));
    digest = Digest(HashAlgorithm::kSha256, {digest, kPolicyAuthorize, name});
    digest = Digest(HashAlgorithm::kSha256, {digest});  // and the policyRef, which is empty
  }
  if (policy.pcrs.selection.mask > kAllPcrs) return Invalid("PCRs: are beyond 23");
  if (policy.pcrs.selection.mask != 0) {
    if (policy.pcrs.pcr_digest.size() != DigestSize(HashAlgorithm::kSha256)) {
      return Invalid("PCRs: the digest over their values is not a SHA-256 digest");
    }
    digest = ExtendByPcrs(digest, policy.pcrs);
  }
  if (policy.pin) digest = Digest(HashAlgorithm::kSha256, {digest, kPolicyAuthValue});
  return digest;
}

}  // namespace seaworthy::tpm
