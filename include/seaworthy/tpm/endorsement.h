// The endorsement keys (EK) that the TPM's maker put in, by the TCG EK Credential Profile, and
// TPM2_ActivateCredential with them. All need a turn (broker.h).
#pragma once

#include <vector>

#include "seaworthy/tpm/broker.h"

namespace seaworthy::tpm {

struct EndorsementKey {
  Bytes public_area;  // TPMT_PUBLIC
  Bytes name;         // nameAlg and digest
  Bytes certificate;  // X.509, DER, as its NV index has it but for padding; empty when none
};

struct Endorsement {
  std::vector<EndorsementKey> keys;  // EC before RSA
  // CA certificates in NV (0x01c00100 to 0x01c001ff), DER; often none.
  std::vector<Bytes> chain;
};

// The keys that have a certificate in NV; when none has, those of the low-range templates (L-1,
// L-2) that the TPM can make, without one. A persistent key is used when it is the certificate's
// or, without one, of the template; else the key is made from the template anew, for this turn,
// which takes a hardware TPM seconds for RSA. FAILED_PRECONDITION: NO_ENDORSEMENT_KEY,
// EK_TEMPLATE_UNSUITABLE, EK_NV_UNREADABLE, EK_NV_TOO_LARGE; PERMISSION_DENIED
// (ENDORSEMENT_AUTH_SET) when the endorsement hierarchy has an authorization value.
Result<Endorsement> ReadEndorsement(Context& context);

// What TPM2_MakeCredential made, marshalled with their sizes.
struct Credential {
  Bytes blob;              // TPM2B_ID_OBJECT
  Bytes encrypted_secret;  // TPM2B_ENCRYPTED_SECRET
};

// The secret in the credential, which this TPM gives away only when it was made for the
// endorsement key of that name and for this attestation key. NOT_FOUND (EK_UNKNOWN) when the
// TPM has no such endorsement key; INVALID_ARGUMENT: INVALID_TPM_STRUCTURE for what does not
// parse, CREDENTIAL_MISMATCH when the TPM refuses; FAILED_PRECONDITION (EK_POLICY_UNKNOWN) when
// the key wants a policy that no template has.
Result<Bytes> ActivateCredential(Context& context, ByteView ek_name, const WrappedKey& ak,
                                 const Credential& credential);

}  // namespace seaworthy::tpm
