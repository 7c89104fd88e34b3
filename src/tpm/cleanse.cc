#include "tpm/cleanse.h"

#include <tss2/tss2_sys.h>

namespace seaworthy::tpm {

void CleanseAnswer(Context& context) {
  TSS2_SYS_CONTEXT* sys = nullptr;
  std::size_t size = 0;
  const std::uint8_t* answer = nullptr;
  if (Esys_GetSysContext(context.esys(), &sys) != TSS2_RC_SUCCESS ||
      Tss2_Sys_GetRpBuffer(sys, &size, &answer) != TSS2_RC_SUCCESS) {
    return;
  }
  OPENSSL_cleanse(const_cast<std::uint8_t*>(answer), size);
}

}  // namespace seaworthy::tpm
