// A chain that an operator, or who speaks for one, wants installed.
#include <chrono>
#include <cstdlib>

#include "seaworthy/tls/x509.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view pem = seaworthy::AsText({data, size});
  const auto leaf = seaworthy::tls::ReadLeaf(pem);
  // In the lifetime of the seeds' certificates.
  const seaworthy::tls::Time now{std::chrono::seconds(1'900'000'000)};
  const auto checked = seaworthy::tls::CheckChain(pem, now);
  if (!checked.ok()) return 0;
  if (checked->not_after < now || checked->not_before > now) std::abort();
  if (!leaf.ok() || leaf->subject_public_key_info != checked->subject_public_key_info) {
    std::abort();
  }
  return 0;
}
