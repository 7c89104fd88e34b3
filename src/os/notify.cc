#include "seaworthy/os/notify.h"

#include <systemd/sd-daemon.h>

#include <cstdint>
#include <ctime>
#include <string>

namespace seaworthy::os {
namespace {

// The protocol is lines of NAME=value: foreign text must not begin one of its own.
std::string Line(std::string_view text) {
  std::string line(text);
  for (char& c : line) {
    if (c == '\n' || c == '\r') c = ' ';
  }
  return line;
}

void Notify(const std::string& state) { sd_notify(0, state.c_str()); }

}  // namespace

void NotifyReady(std::string_view status) { Notify("READY=1\nSTATUS=" + Line(status)); }

void NotifyReloading() {
  timespec now = {};
  clock_gettime(CLOCK_MONOTONIC, &now);
  // MONOTONIC_USEC lets Type=notify-reload tell this reload from an earlier one.
  const auto micros = static_cast<std::uint64_t>(now.tv_sec) * 1'000'000 +
                      static_cast<std::uint64_t>(now.tv_nsec) / 1000;
  Notify("RELOADING=1\nMONOTONIC_USEC=" + std::to_string(micros));
}

void NotifyStopping(std::string_view status) { Notify("STOPPING=1\nSTATUS=" + Line(status)); }

void NotifyAlive() { Notify("WATCHDOG=1"); }

std::optional<std::chrono::microseconds> WatchdogTime() {
  std::uint64_t micros = 0;
  if (sd_watchdog_enabled(0, &micros) <= 0) return std::nullopt;
  return std::chrono::microseconds(micros);
}

}  // namespace seaworthy::os
