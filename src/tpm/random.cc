#include <algorithm>

#include "seaworthy/status_macros.h"
#include "seaworthy/tpm/seal.h"
#include "tpm/cleanse.h"
#include "tpm/session.h"

namespace seaworthy::tpm {
namespace {

constexpr std::size_t kMaxRandom = 1024;

}  // namespace

Result<SecretBytes> Random(Context& context, std::size_t size) {
  if (size > kMaxRandom) {
    return Fail(Code::kInvalidArgument, "RANDOM_SIZE",
                "size: at most " + std::to_string(kMaxRandom) + " bytes");
  }
  ASSIGN_OR_RETURN(const Handle session, StartEncryptedSession(context));
  SecretBytes random(size);
  // The TPM gives no more at once than its largest digest has bytes.
  for (std::span<std::uint8_t> missing = random.mutable_view(); !missing.empty();) {
    TPM2B_DIGEST* answer = nullptr;
    const TSS2_RC rc = Esys_GetRandom(context.esys(), session.get(), ESYS_TR_NONE, ESYS_TR_NONE,
                                      static_cast<UINT16>(missing.size()), &answer);
    CleanseAnswer(context);
    RETURN_IF_ERROR(context.Check(rc, "TPM2_GetRandom"));
    const SecretAnswer<TPM2B_DIGEST> owner(answer);
    if (answer->size == 0 || answer->size > missing.size()) {
      return Fail(Code::kInternal, "TPM_ERROR", "TPM2_GetRandom: not as many bytes as asked for");
    }
    std::copy_n(answer->buffer, answer->size, missing.begin());
    missing = missing.subspan(answer->size);
  }
  return random;
}

}  // namespace seaworthy::tpm
