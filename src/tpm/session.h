// Authorization sessions.
#pragma once

#include "tpm/context.h"

namespace seaworthy::tpm {

// An HMAC session salted to the storage root key, so that only the TPM this node is pinned to
// can follow it, with AES-128-CFB encryption of the first parameter both ways.
Result<Handle> StartEncryptedSession(Context& context);

// A policy session in which PolicyPCR was run. FAILED_PRECONDITION (PCR_POLICY_UNMET) when the
// PCRs have other values than the policy asks.
Result<Handle> StartPcrPolicySession(Context& context, const PcrPolicy& policy);

}  // namespace seaworthy::tpm
