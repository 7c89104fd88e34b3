#include "tpm/cleanse.h"

#include <tss2/tss2_sys.h>

namespace seaworthy::tpm {
namespace {

// More than ESYS's calls take.
constexpr std::size_t kDeadFrames = 32 * 1024;

[[gnu::noinline]] void CleanseStack() {
  std::uint8_t frames[kDeadFrames];
  OPENSSL_cleanse(frames, sizeof(frames));
}

}  // namespace

void CleanseAnswer(Context& context) {
  TSS2_SYS_CONTEXT* sys = nullptr;
  std::size_t size = 0;
  const std::uint8_t* answer = nullptr;
  if (Esys_GetSysContext(context.esys(), &sys) == TSS2_RC_SUCCESS &&
      Tss2_Sys_GetRpBuffer(sys, &size, &answer) == TSS2_RC_SUCCESS) {
    OPENSSL_cleanse(const_cast<std::uint8_t*>(answer), size);
  }
  CleanseStack();
}

void CleanseSensitive(Context& context) {
  constexpr ESYS_TR kNoSuchHandle = 0xffffffff;
  const TPM2B_SENSITIVE_CREATE nothing = {};
  const TPM2B_PUBLIC area = {};
  const TPM2B_DATA outside = {};
  const TPML_PCR_SELECTION creation = {};
  (void)Esys_Create_Async(context.esys(), kNoSuchHandle, ESYS_TR_PASSWORD, ESYS_TR_NONE,
                          ESYS_TR_NONE, &nothing, &area, &outside, &creation);
  CleanseStack();
}

}  // namespace seaworthy::tpm
