// Authorization sessions.
#pragma once

#include "tpm/context.h"

namespace seaworthy::tpm {

// An HMAC session salted to the storage root key, so that only the TPM this node is pinned to
// can follow it, with AES-128-CFB encryption of the first parameter both ways.
Result<Handle> StartEncryptedSession(Context& context);

// TPM2_PolicyPCR; where the policy's digest is empty, with the values that the PCRs have.
// FAILED_PRECONDITION (PCR_POLICY_UNMET) when they have others than the policy asks.
Status AddPcrPolicy(Context& context, ESYS_TR session, const PcrPolicy& policy);

// A policy session in which PolicyPCR was run.
Result<Handle> StartPcrPolicySession(Context& context, const PcrPolicy& policy);

}  // namespace seaworthy::tpm
