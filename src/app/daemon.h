// The process around App: signals, systemd, limits.
#pragma once

#include <string>

namespace seaworthy::app {

// Exit statuses. A configuration that can't be right without an operator is told apart, so
// that the service manager need not try again (sysexits.h EX_CONFIG).
inline constexpr int kExitFailed = 1;
inline constexpr int kExitConfig = 78;

// Runs until SIGTERM or SIGINT; returns the exit status.
int RunDaemon(const std::string& config_path);

// Says on standard output or standard error whether the file is good; returns the exit status.
int CheckConfig(const std::string& config_path);

}  // namespace seaworthy::app
