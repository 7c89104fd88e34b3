// Keys under the storage root key: made, used, certified. All need a turn (broker.h).
#pragma once

#include <optional>
#include <vector>

#include "seaworthy/tpm/broker.h"

namespace seaworthy::tpm {

struct KeyTemplate {
  KeyAlgorithm algorithm = KeyAlgorithm::kEcP256;
  // Restricted signing key with a fixed scheme (ECDSA or RSASSA with SHA-256): signs only
  // what the TPM itself made. For the attestation key.
  bool restricted = false;
  // Bind use of the key to the present values of these PCRs.
  std::optional<PcrSelection> policy = std::nullopt;
};

// TPM2_Create with fixedTPM, fixedParent, sensitiveDataOrigin, noDA and sign, in an HMAC session
// salted to the SRK with parameter encryption. UNIMPLEMENTED (ALGORITHM_NOT_SUPPORTED) when
// the TPM does not have the algorithm.
Result<WrappedKey> CreateKey(Context& context, const KeyTemplate& key_template);

enum class SignatureScheme { kEcdsa, kRsaPkcs1, kRsaPss };

// Signs `digest`, made with `hash`. EC: DER ECDSA-Sig-Value; RSA: modulus-sized bytes.
// INVALID_ARGUMENT when scheme or digest don't fit; FAILED_PRECONDITION (PCR_POLICY_UNMET)
// when the key is bound to other PCR values, naming the selection.
Result<Bytes> Sign(Context& context, const WrappedKey& key, SignatureScheme scheme,
                   HashAlgorithm hash, ByteView digest);

// A TPMS_ATTEST and the TPMT_SIGNATURE over it, marshalled.
struct Attestation {
  Bytes attested;
  Bytes signature;
};

// TPM2_Certify of `key` by the attestation key over the caller's nonce.
Result<Attestation> Certify(Context& context, const WrappedKey& ak, const WrappedKey& key,
                            ByteView nonce);

// The PCR digest of a policy: SHA-256 over the values, which are in index order.
Bytes PcrDigest(const std::vector<PcrValue>& values);

// The digest of PolicyPCR alone, computed without a TPM (TPM 2.0 part 3, 23.7), SHA-256.
Bytes PcrPolicyDigest(const PcrPolicy& policy);

}  // namespace seaworthy::tpm
