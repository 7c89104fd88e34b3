#include "ctl/socket.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>
#include <system_error>

#include "seaworthy/handle.h"

namespace seaworthy::ctl {

Status CheckSocket(const std::string& path) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path)) {
    return Fail(Code::kInvalidArgument, "USAGE",
                "socket " + path + ": longer than the " +
                    std::to_string(sizeof(address.sun_path) - 1) +
                    " characters a socket's path can have");
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  // Non-blocking, so that a full backlog does not hold us here; the call itself has a deadline.
  const UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) {
    return Fail(Code::kInternal, "SYSTEM_CALL",
                "socket: " + std::generic_category().message(errno));
  }
  if (connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0) {
    return {};
  }
  switch (const int error = errno) {
    case EAGAIN:
      return {};
    case ENOENT:
    case ECONNREFUSED:
      return Fail(Code::kUnavailable, "DAEMON_NOT_RUNNING",
                  "no daemon listens on " + path +
                      ": is seaworthyd running? (systemctl status seaworthyd)");
    case EACCES:
    case EPERM:
      return Fail(
          Code::kPermissionDenied, "SOCKET_DENIED",
          "you may not open " + path + ": join the group seaworthy for read access, or use sudo");
    default:
      return Fail(Code::kUnavailable, "DAEMON_NOT_RUNNING",
                  "connect to " + path + ": " + std::generic_category().message(error));
  }
}

Result<std::string> ChooseSocket(const std::string& admin, const std::string& read) {
  if (CheckSocket(admin).ok()) return admin;
  if (Status status = CheckSocket(read); !status.ok()) return status;
  return read;
}

}  // namespace seaworthy::ctl
