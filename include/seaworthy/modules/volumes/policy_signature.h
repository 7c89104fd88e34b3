// systemd's tpm2-pcr-signature.json: which values of PCRs the holder of a key approved, as
// systemd-measure signs them, or a backend.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "seaworthy/bytes.h"

namespace seaworthy::volumes {

inline constexpr std::size_t kMaxPolicySignatures = std::size_t{1} << 20;

struct SignedPolicy {
  std::string bank;                 // "sha256"
  std::vector<std::uint32_t> pcrs;  // ascending
  Bytes key;                        // SHA-256 of the public key as PKCS#1 RSAPublicKey
  Bytes policy;                     // the digest of PolicyPCR alone
  Bytes signature;                  // RSASSA-PKCS1-v1_5 with SHA-256 over `policy`
  bool operator==(const SignedPolicy&) const = default;
};

// INVALID_ARGUMENT (POLICY_SIGNATURE_MALFORMED), naming the field.
Result<std::vector<SignedPolicy>> ParsePolicySignatures(std::string_view json);
std::string ToJson(const std::vector<SignedPolicy>& signatures);

// `pkfp` of a public key in PEM. INVALID_ARGUMENT (POLICY_KEY_INVALID).
Result<Bytes> PolicyKeyFingerprint(const std::string& pem);

// The one for exactly this bank, these PCRs (ascending), key and policy; null when there is none.
const SignedPolicy* FindPolicySignature(const std::vector<SignedPolicy>& signatures,
                                        std::string_view bank,
                                        const std::vector<std::uint32_t>& pcrs, ByteView key,
                                        ByteView policy);

// PERMISSION_DENIED (POLICY_SIGNATURE_INVALID) when the key of `pem` did not sign it: the TPM would
// refuse it, at a time when nobody is there to fetch another.
Status CheckPolicySignature(const SignedPolicy& signature, const std::string& pem);

// `more` into `signatures`: what is for the same takes the place of what was there.
// RESOURCE_EXHAUSTED (POLICY_SIGNATURES_TOO_MANY) when that would be more than can be read again;
// `signatures` stays.
Status MergePolicySignatures(const std::vector<SignedPolicy>& more,
                             std::vector<SignedPolicy>& signatures);

}  // namespace seaworthy::volumes
