// The kernel's tables of sockets in /proc/PID/net.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "modules/docker/engine_process.h"

namespace seaworthy::docker {

struct ListeningSocket {
  std::uint64_t inode = 0;
  Listener listener;
};

// Those that listen; lines that are none are looked over. Of /proc/net/unix those with a path; of
// /proc/net/tcp and tcp6 all.
std::vector<ListeningSocket> ParseProcNetUnix(std::string_view table);
std::vector<ListeningSocket> ParseProcNetTcp(std::string_view table);

}  // namespace seaworthy::docker
