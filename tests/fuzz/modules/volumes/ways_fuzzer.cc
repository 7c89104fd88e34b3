// Tokens of systemd's, and whether they fit PCRs that are not extended.
#include "seaworthy/modules/volumes/ways.h"

#include <cstdlib>

#include "seaworthy/modules/volumes/tokens.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  namespace volumes = seaworthy::volumes;
  volumes::Luks2Metadata metadata;
  metadata.tokens[0] = {volumes::kSystemdTpm2, {1}, std::string(seaworthy::AsText({data, size}))};
  std::vector<seaworthy::verify::PcrValue> now;
  for (std::uint32_t i = 0; i < seaworthy::tpm::kPcrCount; ++i) {
    now.push_back({0x000b, i, seaworthy::Bytes(32)});
  }
  const auto ways = DescribeTpmWays(metadata, now);
  if (ways.size() != 1 || ways[0].keyslot != 1) std::abort();
  if (ways[0].status.ok() == (ways[0].fit == volumes::PcrFit::kUnknown)) std::abort();
  return 0;
}
