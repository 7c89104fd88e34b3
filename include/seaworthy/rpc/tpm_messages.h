// The TPM's vocabulary between the API's messages and ours, for every service that speaks it.
#pragma once

#include <string>

#include "seaworthy/tpm/types.h"
#include "seaworthy/v1/common.pb.h"

namespace seaworthy::rpc {

// INVALID_ARGUMENT (INVALID_HASH); `field` is named in the message.
Result<tpm::HashAlgorithm> FromMessage(v1::HashAlgorithm hash, const std::string& field);
v1::HashAlgorithm ToMessage(tpm::HashAlgorithm hash);

// INVALID_ARGUMENT (INVALID_PCR or INVALID_HASH) for an index that is none, is there twice, or
// for an empty selection.
Result<tpm::PcrSelection> FromMessage(const v1::PcrSelection& selection, const std::string& field);
void ToMessage(const tpm::PcrSelection& selection, v1::PcrSelection& message);

}  // namespace seaworthy::rpc
