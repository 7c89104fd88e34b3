// PCR selections between our form and the TPM's.
#pragma once

#include <tss2/tss2_tpm2_types.h>

#include <string>
#include <vector>

#include "seaworthy/tpm/types.h"

namespace seaworthy::tpm {

// In the given order, three octets a bank (24 PCRs). At most 16 selections.
TPML_PCR_SELECTION ToTss(const std::vector<PcrSelection>& selections);

// "sha256:0,7".
std::string ToString(const PcrSelection& selection);

}  // namespace seaworthy::tpm
