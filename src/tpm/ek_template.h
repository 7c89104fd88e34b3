// The templates of the TCG EK Credential Profile (2.x, annex B): what endorsement keys are made
// with, where they and their certificates are kept, and the policies they ask for.
#pragma once

#include <tss2/tss2_tpm2_types.h>

#include <optional>
#include <span>

#include "seaworthy/tpm/types.h"

namespace seaworthy::tpm {

struct EkTemplate {
  const char* id;           // the profile's, "L-1"
  TPM2_HANDLE certificate;  // NV indices
  TPM2_HANDLE nonce;        // 0: the profile has none
  TPM2_HANDLE own_template;
  TPM2_HANDLE persistent;
  bool low_range;
  TPMI_ALG_PUBLIC type;
  TPMI_ALG_HASH name_hash;
  std::uint16_t aes_bits;
  std::uint16_t size;  // RSA: bits of the modulus; EC: TPM_ECC_CURVE
};

// EC before RSA, which takes a TPM far longer to make.
std::span<const EkTemplate> EkTemplates();

// The public area to give to TPM2_CreatePrimary. `own` is the content of the template's own NV
// index where there is one, a TPMT_PUBLIC that replaces the profile's; `nonce` goes into its
// unique field. FAILED_PRECONDITION (EK_TEMPLATE_UNSUITABLE) when they are not fit for that.
Result<TPM2B_PUBLIC> MakeEkPublic(const EkTemplate& ek_template, const std::optional<Bytes>& own,
                                  const std::optional<Bytes>& nonce);

// Whether both are the same but for what the TPM put in (the unique field).
bool SameTemplate(TPMT_PUBLIC left, TPMT_PUBLIC right);

// How use of an endorsement key is authorized.
enum class EkPolicy {
  kSecret,    // PolicyA: PolicySecret of the endorsement hierarchy
  kOr,        // PolicyB: PolicyOR of PolicyA and PolicyC
  kPassword,  // no policy: an empty authorization value
};
// FAILED_PRECONDITION (EK_POLICY_UNKNOWN) for another policy.
Result<EkPolicy> PolicyOf(const TPMT_PUBLIC& ek);

// The two branches of PolicyB for a name algorithm.
TPML_DIGEST OrBranches(TPMI_ALG_HASH name_hash);

}  // namespace seaworthy::tpm
