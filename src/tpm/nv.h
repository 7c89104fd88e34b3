// NV indices.
#pragma once

#include <vector>

#include "tpm/context.h"

namespace seaworthy::tpm {

// The handles from `first` to `last` that exist: NV indices or persistent objects.
Result<std::vector<TPM2_HANDLE>> ListHandles(Context& context, TPM2_HANDLE first, TPM2_HANDLE last);

// The content of an index that can be read with an empty authorization, its own or the owner's.
// FAILED_PRECONDITION: EK_NV_TOO_LARGE beyond `cap` bytes, EK_NV_UNREADABLE when it is not
// written, locked, wants another authorization, or would count a wrong one as an attack.
Result<Bytes> ReadNv(Context& context, TPM2_HANDLE index, std::size_t cap);

}  // namespace seaworthy::tpm
