// When a piece of work has to be over. Every wait in the daemon is bounded by one.
#pragma once

#include <chrono>

namespace seaworthy {

using Deadline = std::chrono::steady_clock::time_point;

inline Deadline DeadlineIn(std::chrono::milliseconds time) {
  return std::chrono::steady_clock::now() + time;
}

// Zero when the deadline has passed.
inline std::chrono::milliseconds TimeLeft(Deadline deadline) {
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
      deadline - std::chrono::steady_clock::now());
  return left.count() > 0 ? left : std::chrono::milliseconds(0);
}

}  // namespace seaworthy
