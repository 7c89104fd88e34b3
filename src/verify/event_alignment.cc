#include "verify/event_alignment.h"

#include <algorithm>

namespace seaworthy::verify {
namespace {

using Pairs = std::vector<std::pair<std::size_t, std::size_t>>;

// lengths[i * width + j]: of the longest common subsequence of what begins at i and at j.
std::vector<std::uint32_t> Lengths(std::span<const std::uint32_t> before,
                                   std::span<const std::uint32_t> after) {
  const std::size_t width = after.size() + 1;
  std::vector<std::uint32_t> lengths((before.size() + 1) * width);
  for (std::size_t i = before.size(); i-- > 0;) {
    for (std::size_t j = after.size(); j-- > 0;) {
      const std::size_t at = i * width + j;
      lengths[at] = before[i] == after[j] ? lengths[at + width + 1] + 1
                                          : std::max(lengths[at + width], lengths[at + 1]);
    }
  }
  return lengths;
}

}  // namespace

std::optional<Pairs> Align(std::span<const std::uint32_t> before,
                           std::span<const std::uint32_t> after) {
  Pairs pairs;
  const std::size_t shorter = std::min(before.size(), after.size());
  std::size_t head = 0;
  for (; head < shorter && before[head] == after[head]; ++head) pairs.emplace_back(head, head);
  std::size_t tail = 0;
  while (tail < shorter - head &&
         before[before.size() - tail - 1] == after[after.size() - tail - 1]) {
    ++tail;
  }
  const auto middle_before = before.subspan(head, before.size() - head - tail);
  const auto middle_after = after.subspan(head, after.size() - head - tail);
  if (middle_before.size() * middle_after.size() > kMaxAlignment) return std::nullopt;
  const std::vector<std::uint32_t> lengths = Lengths(middle_before, middle_after);
  const std::size_t width = middle_after.size() + 1;
  for (std::size_t i = 0, j = 0; i < middle_before.size() && j < middle_after.size();) {
    const std::size_t at = i * width + j;
    if (middle_before[i] == middle_after[j]) {
      pairs.emplace_back(head + i++, head + j++);
    } else if (lengths[at + width] >= lengths[at + 1]) {
      ++i;
    } else {
      ++j;
    }
  }
  for (std::size_t i = tail; i > 0; --i) {
    pairs.emplace_back(before.size() - i, after.size() - i);
  }
  return pairs;
}

}  // namespace seaworthy::verify
