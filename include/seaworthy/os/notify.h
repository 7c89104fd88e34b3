// What the daemon tells systemd about itself (sd_notify(3)). Without NOTIFY_SOCKET in the
// environment each call does nothing.
#pragma once

#include <chrono>
#include <optional>
#include <string_view>

namespace seaworthy::os {

// `status` is the one line that systemctl status shows.
void NotifyReady(std::string_view status);
// To be followed by NotifyReady when done.
void NotifyReloading();
void NotifyStopping(std::string_view status);
// Feeds the watchdog.
void NotifyAlive();

// How long systemd waits for NotifyAlive before it kills us; nothing when it doesn't.
std::optional<std::chrono::microseconds> WatchdogTime();

}  // namespace seaworthy::os
