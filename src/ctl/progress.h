// How far a long run is, in one line of a terminal that is written over.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

#include "ctl/terminal.h"

namespace seaworthy::ctl {

class ProgressLine {
 public:
  // Silent where standard error is no terminal.
  explicit ProgressLine(Terminal& terminal) : terminal_(terminal) {}
  ~ProgressLine() { Clear(); }
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;

  // Some times a second at most, whatever the calls.
  void Show(std::uint64_t files, std::uint64_t bytes);
  // Of a run whose size is known.
  void ShowShare(std::uint64_t done, std::uint64_t bytes);
  // Before something else is written.
  void Clear();

 private:
  using Clock = std::chrono::steady_clock;
  // Whether it is time to show something. The seconds since the start, and never 0.
  bool IsDue(double& seconds);

  Terminal& terminal_;
  const Clock::time_point start_ = Clock::now();
  Clock::time_point next_ = start_;
  std::optional<std::uint64_t> first_;  // what had been done before the run
  bool shown_ = false;
};

}  // namespace seaworthy::ctl
