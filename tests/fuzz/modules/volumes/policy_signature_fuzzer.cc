// Signed policies as a backend delivers them. What is read is written as one that reads the same,
// and taking the same in again changes nothing.
#include "seaworthy/modules/volumes/policy_signature.h"

#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  namespace volumes = seaworthy::volumes;
  const auto signatures = volumes::ParsePolicySignatures(seaworthy::AsText({data, size}));
  if (!signatures.ok()) return 0;
  const auto again = volumes::ParsePolicySignatures(volumes::ToJson(*signatures));
  if (!again.ok() || volumes::ToJson(*again) != volumes::ToJson(*signatures)) std::abort();
  std::vector<volumes::SignedPolicy> merged;
  if (!MergePolicySignatures(*signatures, merged).ok()) std::abort();
  std::vector<volumes::SignedPolicy> twice = merged;
  if (!MergePolicySignatures(merged, twice).ok() || twice != merged) std::abort();
  for (const volumes::SignedPolicy& signature : merged) {
    const auto* found = FindPolicySignature(merged, signature.bank, signature.pcrs, signature.key,
                                            signature.policy);
    if (found == nullptr || *found != signature) std::abort();
  }
  return 0;
}
