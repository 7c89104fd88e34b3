#include "modules/docker/utc_time.h"

#include <cstdio>
#include <ctime>

namespace seaworthy::docker {
namespace {

timespec WallTime() {
  timespec now = {};
  clock_gettime(CLOCK_REALTIME, &now);
  return now;
}

std::string Formatted(std::time_t seconds, const char* form) {
  std::tm utc = {};
  gmtime_r(&seconds, &utc);
  char text[32] = {};
  std::strftime(text, sizeof(text), form, &utc);
  return text;
}

}  // namespace

std::string UtcNow() { return Formatted(WallTime().tv_sec, "%Y-%m-%dT%H:%M:%SZ"); }

std::string UtcDigits() {
  const timespec now = WallTime();
  char micros[8] = {};
  std::snprintf(micros, sizeof(micros), "%06ld", now.tv_nsec / 1000 % 1'000'000);
  return Formatted(now.tv_sec, "%Y%m%dT%H%M%S.") + micros + "Z";
}

std::string EventTime() {
  const timespec now = WallTime();
  char text[48] = {};
  std::snprintf(text, sizeof(text), "%lld.%09ld", static_cast<long long>(now.tv_sec), now.tv_nsec);
  return text;
}

}  // namespace seaworthy::docker
