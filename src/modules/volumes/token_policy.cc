#include "modules/volumes/token_policy.h"

#include "modules/volumes/pcr_indices.h"
#include "seaworthy/status_macros.h"

namespace seaworthy::volumes {

Result<tpm::HashAlgorithm> PcrBank(const std::string& name) {
  if (name.empty()) return tpm::HashAlgorithm::kSha256;
  for (const auto hash : {tpm::HashAlgorithm::kSha1, tpm::HashAlgorithm::kSha256,
                          tpm::HashAlgorithm::kSha384, tpm::HashAlgorithm::kSha512}) {
    if (tpm::ToString(hash) == name) return hash;
  }
  return Fail(Code::kUnimplemented, "TOKEN_UNSUPPORTED", "the PCR bank is none that is known");
}

tpm::SealParent LegacyParent(const std::string& algorithm) {
  return algorithm == "rsa" ? tpm::SealParent::kLegacyRsa : tpm::SealParent::kLegacyEcc;
}

tpm::SealParent ParentOf(const SystemdTpm2Token& token) {
  return token.srk.empty() ? LegacyParent(token.primary_alg) : tpm::SealParent::kStorageRootKey;
}

Result<tpm::SealPolicy> PolicyOf(const SystemdTpm2Token& token) {
  if (token.pcrlock) {
    return Fail(Code::kUnimplemented, "TOKEN_UNSUPPORTED",
                "its policy is in the TPM's memory (systemd-pcrlock)");
  }
  // What it would add to the policy or to the PIN's value is not known here.
  if (token.other.find("\"tpm2") != std::string::npos) {
    return Fail(Code::kUnimplemented, "TOKEN_UNSUPPORTED",
                "it has fields of a later systemd: " + token.other);
  }
  ASSIGN_OR_RETURN(const tpm::HashAlgorithm bank, PcrBank(token.pcr_bank));
  tpm::SealPolicy policy;
  if (!token.public_key.empty()) {
    policy.signed_pcrs = tpm::SignedPcrs{token.public_key, {bank, Mask(token.public_key_pcrs)}};
  }
  policy.pcrs = {{bank, Mask(token.pcrs)}, {}};
  policy.pin = token.pin;
  return policy;
}

}  // namespace seaworthy::volumes
