// The PCR values that came with a quote, put in the order in which the TPM hashed them.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "verify/tpm_structures.h"

namespace seaworthy::verify {

// As many as a TPML_PCR_SELECTION can name.
inline constexpr std::size_t kMaxPcrValues = 16 * 32;

struct PcrMatch {
  // Banks as quoted, indices ascending; the quoted ones that were found. Point into the values.
  std::vector<const Bytes*> in_order;
  // As ToText writes them; empty when there are none.
  std::string missing;   // quoted, without a value
  std::string unquoted;  // a value, and not quoted
};

// INVALID_ARGUMENT, reason MALFORMED, for more than kMaxPcrValues, a bank that is not known, a
// digest of the wrong length for its bank, two values for one PCR. Their order is of no
// consequence. `values` must outlive the result.
Result<PcrMatch> MatchPcrs(const std::vector<PcrBank>& quoted, const std::vector<PcrValue>& values);

// The value of one PCR in a list of PcrValue or ReplayedPcr; nullptr when it is not in it.
template <class Values>
const Bytes* FindPcr(const Values& values, std::uint16_t bank, std::uint32_t index) {
  const auto found = std::ranges::find_if(
      values, [&](const auto& value) { return value.bank == bank && value.index == index; });
  return found == values.end() ? nullptr : &found->digest;
}

// As tpm2-tools write it: "sha1:0,1,2+sha256:10".
std::string ToText(const std::vector<PcrBank>& banks);

}  // namespace seaworthy::verify
