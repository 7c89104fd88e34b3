// What a quote and a certification have in common: a TPMS_ATTEST over the verifier's nonce,
// signed by the enrolled attestation key.
#pragma once

#include <optional>

#include "verify/report.h"
#include "verify/tpm_structures.h"

namespace seaworthy::verify {

struct SignedStatement {
  ByteView ak_public;  // TPMT_PUBLIC
  ByteView attested;   // TPMS_ATTEST
  ByteView signature;  // TPMT_SIGNATURE
};

struct CheckedStatement {
  Attest attest;
  std::uint16_t hash = 0;  // of the attestation key's scheme
};

// Whether the key is one that a TPM made, keeps, and signs with only what the TPM itself made.
void CheckAkSuitable(const PublicArea& key, Report& report);

// Checks the attestation key, the signature, TPM_GENERATED, that the statement is of `type`
// (TPM_ST_ATTEST_*), and the nonce. nullopt when what comes after has nothing to stand on; a
// failure is in the report then.
std::optional<CheckedStatement> CheckStatement(const SignedStatement& statement, std::uint16_t type,
                                               ByteView nonce, const EnrolledKey& ak,
                                               Report& report);

}  // namespace seaworthy::verify
