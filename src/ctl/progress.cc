#include "ctl/progress.h"

#include <iomanip>

namespace seaworthy::ctl {
namespace {

constexpr std::chrono::milliseconds kPause{200};
constexpr double kMiB = 1 << 20;

}  // namespace

bool ProgressLine::IsDue(double& seconds) {
  const Clock::time_point now = Clock::now();
  if (!terminal_.progress || now < next_) return false;
  next_ = now + kPause;
  seconds = std::chrono::duration<double>(now - start_).count() + 0.001;
  shown_ = true;
  return true;
}

void ProgressLine::Show(std::uint64_t files, std::uint64_t bytes) {
  double seconds = 0;
  if (!IsDue(seconds)) return;
  terminal_.err << "\r\x1b[K" << files << " files, " << std::fixed << std::setprecision(1)
                << static_cast<double>(bytes) / kMiB << " MiB; "
                << static_cast<double>(files) / seconds << " files/s, "
                << static_cast<double>(bytes) / kMiB / seconds << " MiB/s" << std::flush;
}

void ProgressLine::ShowShare(std::uint64_t done, std::uint64_t bytes) {
  if (bytes == 0) return;
  if (!first_) first_ = done;
  double seconds = 0;
  if (!IsDue(seconds)) return;
  terminal_.err << "\r\x1b[K" << std::fixed << std::setprecision(1)
                << static_cast<double>(done) / kMiB << " of " << static_cast<double>(bytes) / kMiB
                << " MiB, " << 100 * static_cast<double>(done) / static_cast<double>(bytes)
                << " %; " << static_cast<double>(done - *first_) / kMiB / seconds << " MiB/s"
                << std::flush;
}

void ProgressLine::Clear() {
  if (shown_) terminal_.err << "\r\x1b[K" << std::flush;
  shown_ = false;
}

}  // namespace seaworthy::ctl
