// A baseline that a key signed, whoever had it signed. What is read is written as one that reads
// the same; and what no key signed is not read.
#include "seaworthy/modules/integrity/baseline.h"

#include <cstdlib>

namespace {

// A public key that has signed nothing.
constexpr char kKey[] =
    "-----BEGIN PUBLIC KEY-----\n"
    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE6sqbEvTtv+Khb6BfuTYA+3jC6c+B\n"
    "Jbjinfdxcs9TVNUb92BRH3PyFWEkDzzUN+MdBmQg5kPLJwbs9UnWa7pquA==\n"
    "-----END PUBLIC KEY-----\n";

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  namespace integrity = seaworthy::integrity;
  const std::string_view text = seaworthy::AsText({data, size});
  if (integrity::OpenBaseline(text, kKey).ok()) std::abort();
  const auto baseline = integrity::ParseBaseline(text);
  if (!baseline.ok()) return 0;
  const std::string written = ToJson(*baseline);
  const auto again = integrity::ParseBaseline(written);
  if (!again.ok() || ToJson(*again) != written) std::abort();
  return 0;
}
