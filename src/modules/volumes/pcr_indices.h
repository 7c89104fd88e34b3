// PCRs as tokens list them, and as a mask.
#pragma once

#include <cstdint>
#include <vector>

#include "seaworthy/tpm/types.h"

namespace seaworthy::volumes {

// Ascending.
inline std::vector<std::uint32_t> Indices(std::uint32_t mask) {
  std::vector<std::uint32_t> indices;
  for (std::uint32_t i = 0; i < tpm::kPcrCount; ++i) {
    if ((mask >> i & 1U) != 0) indices.push_back(i);
  }
  return indices;
}

// Of indices below tpm::kPcrCount, as the tokens' readers take no others.
inline std::uint32_t Mask(const std::vector<std::uint32_t>& indices) {
  std::uint32_t mask = 0;
  for (const std::uint32_t index : indices) mask |= 1U << index;
  return mask;
}

}  // namespace seaworthy::volumes
