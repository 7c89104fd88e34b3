// Two lists of events laid beside one another, so that one that is new is told as one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

namespace seaworthy::verify {

// As many steps as an alignment may take, about 10 ms.
inline constexpr std::size_t kMaxAlignment = std::size_t{4} << 20;

// Index pairs of a longest common subsequence, ascending. nullopt when what differs between the
// beginnings and ends that are equal is too long to compare: kMaxAlignment.
std::optional<std::vector<std::pair<std::size_t, std::size_t>>> Align(
    std::span<const std::uint32_t> before, std::span<const std::uint32_t> after);

}  // namespace seaworthy::verify
