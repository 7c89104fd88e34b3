// What something on the bus answers in the TPM's place.
#include <cstdlib>

#include "tpm/command.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace seaworthy::tpm;
  const seaworthy::ByteView bytes(data, size);
  for (const ResponseForm form : {ResponseForm{}, ResponseForm{.has_handle = true, .auths = 1},
                                  ResponseForm{.has_handle = false, .auths = 2}}) {
    Response response;
    if (ParseResponse(bytes, form, response) != TSS2_RC_SUCCESS) continue;
    if (response.auths.size() != form.auths || response.parameters.size() > size) std::abort();
  }
  return 0;
}
