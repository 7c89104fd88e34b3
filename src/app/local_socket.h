// A listening Unix socket in a directory whose mode decides who may connect.
#pragma once

#include <sys/types.h>

#include <string>

#include "seaworthy/handle.h"
#include "seaworthy/status.h"

namespace seaworthy::app {

struct SocketAccess {
  // 0700 and 0600, or with the group 0750 and 0660.
  mode_t directory_mode = 0700;
  mode_t socket_mode = 0600;
  // Group of directory and socket; -1 leaves it.
  gid_t group = static_cast<gid_t>(-1);
};

// Makes the directory when it is absent. One that is there must belong to the daemon's user
// and be open to nobody else than it should: FAILED_PRECONDITION (UNSAFE_DIRECTORY) says what
// to change. A socket that nobody answers on is replaced; ALREADY_EXISTS (SOCKET_IN_USE) when
// somebody does.
Result<UniqueFd> ListenLocal(const std::string& path, const SocketAccess& access);

// The group's number; NOT_FOUND (UNKNOWN_GROUP).
Result<gid_t> FindGroup(const std::string& name);

}  // namespace seaworthy::app
