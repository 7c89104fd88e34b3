// Lists that the TPM tells in parts (TPM2_GetCapability).
#pragma once

#include "seaworthy/status_macros.h"
#include "tpm/context.h"

namespace seaworthy::tpm {

// Calls `take` with each part of a capability's list; `take` returns the property to go on
// from.
template <class Take>
Status ForEachPart(Context& context, TPM2_CAP capability, std::uint32_t first, std::uint32_t count,
                   Take take) {
  // More parts than any TPM has; a TPM that never says "no more" must not hold us here.
  for (int part = 0; part < 64; ++part) {
    TPMI_YES_NO more = TPM2_NO;
    TPMS_CAPABILITY_DATA* data = nullptr;
    RETURN_IF_ERROR(
        context.Check(Esys_GetCapability(context.esys(), ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                                         capability, first, count, &more, &data),
                      "TPM2_GetCapability"));
    const EsysPtr<TPMS_CAPABILITY_DATA> owner(data);
    if (data->capability != capability) break;
    const std::uint32_t next = take(data->data);
    if (more == TPM2_NO || next <= first) break;
    first = next;
  }
  return {};
}

}  // namespace seaworthy::tpm
