// Which local socket to ask, and in words why none can be.
#pragma once

#include <string>

#include "seaworthy/status.h"

namespace seaworthy::ctl {

// Where the shipped configuration puts the daemon's sockets.
inline constexpr char kAdminSocket[] = "/run/seaworthy/admin/seaworthyd.sock";
inline constexpr char kReadSocket[] = "/run/seaworthy/read/seaworthyd.sock";

// OK when a connection to the Unix socket is accepted. UNAVAILABLE (DAEMON_NOT_RUNNING) when
// nobody listens, PERMISSION_DENIED (SOCKET_DENIED) when this user may not open it.
Status CheckSocket(const std::string& path);

// The first of the two that can be opened; else why the second cannot: whoever may not open
// the admin socket is told about the one made for them.
Result<std::string> ChooseSocket(const std::string& admin, const std::string& read);

}  // namespace seaworthy::ctl
