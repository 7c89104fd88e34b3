#include <openssl/evp.h>

#include "seaworthy/handle.h"
#include "seaworthy/tpm/key.h"
#include "tpm/digest.h"
#include "tpm/marshal.h"
#include "tpm/selection.h"

namespace seaworthy::tpm {
namespace {

// TPM_CC_PolicyPCR, marshalled.
constexpr std::uint8_t kPolicyPcr[] = {0x00, 0x00, 0x01, 0x7f};

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
  const Bytes start(DigestSize(HashAlgorithm::kSha256));
  const Bytes selection = Marshal<Tss2_MU_TPML_PCR_SELECTION_Marshal>(ToTss({policy.selection}));
  return Digest(HashAlgorithm::kSha256, {start, kPolicyPcr, selection, policy.pcr_digest});
}

}  // namespace seaworthy::tpm
