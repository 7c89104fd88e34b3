// A key file that somebody put into the state folder. What is read is written again as a file
// that reads the same.
#include <cstdlib>
#include <string_view>

#include "seaworthy/tpm/tss2_pem.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using seaworthy::tpm::ParseTss2Pem;
  const auto key = ParseTss2Pem(seaworthy::AsText({data, size}));
  if (!key.ok()) return 0;
  static_cast<void>(seaworthy::tpm::ReadPublicKey(*key));
  const auto again = ParseTss2Pem(ToTss2Pem(*key));
  if (!again.ok() || again->public_area != key->public_area ||
      again->private_area != key->private_area ||
      again->policy.has_value() != key->policy.has_value()) {
    std::abort();
  }
  if (key->policy && (again->policy->selection != key->policy->selection ||
                      again->policy->pcr_digest != key->policy->pcr_digest)) {
    std::abort();
  }
  return 0;
}
