// Secrets that the TPM alone gives back, and only when the policy is met that they were sealed
// with. Policies, objects and PINs are as in the LUKS2 tokens of systemd, which see, and of
// Clevis. What takes a Context needs a turn (broker.h).
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "seaworthy/secret_bytes.h"
#include "seaworthy/tpm/broker.h"
#include "seaworthy/tpm/salted_session.h"

namespace seaworthy::tpm {

// PCRs that may have any values which the holder of a key signed for.
struct SignedPcrs {
  std::string public_key;  // RSA 2048 to 4096, PEM, SubjectPublicKeyInfo
  PcrSelection selection;
};

// What has to hold, all of it: PolicyAuthorize, PolicyPCR, PolicyAuthValue, in this order.
struct SealPolicy {
  std::optional<SignedPcrs> signed_pcrs = std::nullopt;
  PcrPolicy pcrs = {};  // nothing where the mask is 0
  bool pin = false;     // guesses count for the TPM's dictionary attack protection
};

// What the TPM calls the policy (TPM 2.0 part 1, 19.7), SHA-256, computed without one.
// INVALID_ARGUMENT: INVALID_SEAL_POLICY, INVALID_POLICY_KEY; UNIMPLEMENTED (POLICY_KEY_UNSUPPORTED)
// for a key that is not RSA.
Result<Bytes> PolicyDigest(const SealPolicy& policy);

// The TPM's name (nameAlg and digest) for the public key of signed PCRs, as systemd loads it.
Result<Bytes> PolicyKeyName(std::string_view public_key);

// As TPM2_Create returned it; nothing in it is secret to others.
struct SealedObject {
  Bytes private_area;  // TPM2B_PRIVATE, marshalled
  Bytes public_area;   // TPM2B_PUBLIC, marshalled
};

// systemd's "tpm2-blob": both areas, one after the other; Clevis' jwk_priv and jwk_pub are the same
// two. INVALID_ARGUMENT (INVALID_SEALED_OBJECT) for what is no sealed object; UNIMPLEMENTED:
// SEALED_OBJECT_IMPORT for one that was made outside of the TPM, SEALED_OBJECT_UNSUPPORTED.
inline constexpr std::size_t kMaxSealedObject = 4096;
Result<SealedObject> ParseSealedObject(ByteView blob);
Bytes ToBlob(const SealedObject& object);

enum class SealParent {
  kStorageRootKey,
  // The owner's primary key of systemd before 254 and of tpm2_createprimary, which Clevis calls:
  // made anew for each use.
  kLegacyEcc,
  kLegacyRsa,
};

// systemd's "tpm2_srk": the storage root key as Esys_TR_Serialize() writes it.
Result<Bytes> SerializeSrk(Context& context);
// FAILED_PRECONDITION (SRK_MISMATCH) when that is another key than this TPM's; INVALID_ARGUMENT
// (INVALID_SRK).
Status CheckSrk(Context& context, ByteView serialized);
// The name in it, which fits the public area beside it.
Result<Bytes> ReadSrkName(ByteView serialized);

// What the sealed object's authorization value is made of: the PIN as it is (systemd 252), or
// stretched (systemd 253 and later, whose tokens have a salt). INVALID_ARGUMENT (PIN_MISSING).
Result<SecretBytes> PinAuthValue252(const SecretBytes& pin);
Result<SecretBytes> PinAuthValueSalted(const SecretBytes& pin, ByteView salt);

// `pin` is one of the values above, and empty for a policy without PIN. INVALID_ARGUMENT:
// INVALID_SEAL_POLICY, PIN_MISSING, PIN_UNEXPECTED, SECRET_SIZE (a secret has 1 to 128 bytes);
// PERMISSION_DENIED (OWNER_AUTH_SET) when a legacy parent cannot be made.
Result<SealedObject> Seal(Context& context, SealParent parent, const SealPolicy& policy,
                          const SecretBytes& pin, const SecretBytes& secret);

// Of a signed policy: the PolicyPCR digest, and the RSASSA signature with SHA-256 over it.
struct PolicySignature {
  Bytes policy;
  Bytes signature;
};

// The secret; it and the PIN never cross the bus in the clear. Several objects may be tried in one
// session, and a counter read in it; `afterwards` is for when the secret was given. Where
// `policy.pcrs.pcr_digest` is empty, as for a token that does not tell it, the TPM alone judges the
// PCRs as they are. An object without policy asks for an empty SealPolicy. FAILED_PRECONDITION:
// POLICY_MISMATCH (the object was sealed with another policy: the TPM was not asked),
// PCR_POLICY_UNMET, POLICY_SIGNATURE_MISSING, SEALED_OBJECT_FOREIGN (of another parent or TPM, or
// changed); INVALID_ARGUMENT (POLICY_SIGNATURE_INVALID, PIN_MISSING); PERMISSION_DENIED (PIN_WRONG,
// OWNER_AUTH_SET); RESOURCE_EXHAUSTED (TPM_LOCKOUT); ABORTED (PCR_CHANGED).
Result<SecretBytes> Unseal(SaltedSession& session, const SealedObject& object, SealParent parent,
                           const SealPolicy& policy,
                           const std::optional<PolicySignature>& signature, const SecretBytes& auth,
                           Afterwards afterwards = Afterwards::kEnd);

// From the TPM's generator, encrypted on the bus. INVALID_ARGUMENT (RANDOM_SIZE) beyond 1024 bytes.
Result<SecretBytes> Random(Context& context, std::size_t size);

}  // namespace seaworthy::tpm
