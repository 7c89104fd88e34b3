// A boot's state as it was kept, its log with it, and what is told of it beside another.
#include "seaworthy/modules/volumes/boot_state.h"

#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  namespace volumes = seaworthy::volumes;
  const auto state = volumes::ParseBootState(seaworthy::AsText({data, size}));
  if (!state.ok()) return 0;
  std::vector<std::uint32_t> pcrs;
  for (const auto& value : state->pcrs) pcrs.push_back(value.index);
  if (!WhyDifferent(*state, *state, pcrs, 4).empty()) std::abort();
  volumes::BootState other = *state;
  for (auto& value : other.pcrs) value.digest[0] ^= 1;
  const auto differences = Compare(*state, other, pcrs);
  // Of two values at most one is what the log makes.
  if (differences.pcrs.size() != pcrs.size()) std::abort();
  if (!pcrs.empty() && volumes::ExplainedByLog(differences)) std::abort();
  return 0;
}
