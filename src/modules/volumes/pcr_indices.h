// PCRs and their banks as tokens have them, and as selections.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "seaworthy/tpm/types.h"

namespace seaworthy::volumes {

// One of the names that tokens' readers take. Before 250 systemd wrote none.
inline tpm::HashAlgorithm BankOf(const std::string& name) {
  for (const auto hash :
       {tpm::HashAlgorithm::kSha1, tpm::HashAlgorithm::kSha384, tpm::HashAlgorithm::kSha512}) {
    if (tpm::ToString(hash) == name) return hash;
  }
  return tpm::HashAlgorithm::kSha256;
}

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
