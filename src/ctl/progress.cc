#include "ctl/progress.h"

#include <iomanip>

namespace seaworthy::ctl {
namespace {

constexpr std::chrono::milliseconds kPause{200};
constexpr double kMiB = 1 << 20;

}  // namespace

void ProgressLine::Show(std::uint64_t files, std::uint64_t bytes) {
  const Clock::time_point now = Clock::now();
  if (!terminal_.progress || now < next_) return;
  next_ = now + kPause;
  const double seconds = std::chrono::duration<double>(now - start_).count() + 0.001;
  terminal_.err << "\r\x1b[K" << files << " files, " << std::fixed << std::setprecision(1)
                << static_cast<double>(bytes) / kMiB << " MiB; "
                << static_cast<double>(files) / seconds << " files/s, "
                << static_cast<double>(bytes) / kMiB / seconds << " MiB/s" << std::flush;
  shown_ = true;
}

void ProgressLine::Clear() {
  if (shown_) terminal_.err << "\r\x1b[K" << std::flush;
  shown_ = false;
}

}  // namespace seaworthy::ctl
