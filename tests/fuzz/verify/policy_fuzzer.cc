// A policy or a state of a node that somebody edited. What is read is written as one that reads the
// same.
#include <cstdlib>

#include "seaworthy/verifier.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  namespace verify = seaworthy::verify;
  const std::string_view text = seaworthy::AsText({data, size});
  if (const auto state = verify::ParseNodeState(text); state.ok()) {
    const std::string written = ToJson(*state);
    const auto again = verify::ParseNodeState(written);
    if (!again.ok() || ToJson(*again) != written) std::abort();
  }
  auto policy = verify::ParsePolicy(text);
  if (!policy.ok()) return 0;
  const std::string written = ToJson(*policy);
  const auto again = verify::ParsePolicy(written);
  if (!again.ok() || ToJson(*again) != written) std::abort();
  static_cast<void>(verify::Verifier::Create(*std::move(policy)));
  return 0;
}
