// The public areas that keys of ours are made with.
#pragma once

#include <optional>

#include "seaworthy/tpm/key.h"
#include "tpm/context.h"

namespace seaworthy::tpm {

TPM2B_PUBLIC MakeTemplate(const KeyTemplate& wanted, const std::optional<PcrPolicy>& policy);

// Whether the TPM has the algorithm and size (TPM2_TestParms).
Result<bool> Supports(Context& context, const TPM2B_PUBLIC& wanted);

}  // namespace seaworthy::tpm
