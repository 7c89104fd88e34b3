#include "local_socket.h"

#include <fcntl.h>
#include <grp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <vector>

#include "seaworthy/directory.h"
#include "seaworthy/status_macros.h"

namespace seaworthy::app {
namespace {

constexpr mode_t kParentMode = 0755;
constexpr int kBacklog = 128;

std::string Octal(mode_t mode) {
  char text[16];
  std::snprintf(text, sizeof(text), "%04o", mode & 07777U);
  return text;
}

Status Unsafe(const std::string& path, const std::string& why) {
  return Fail(Code::kFailedPrecondition, "UNSAFE_DIRECTORY", path + ": " + why);
}

Status MakeDirectory(const std::string& path, const SocketAccess& access) {
  const std::string parent = std::filesystem::path(path).parent_path().string();
  // The parent only has to be passed through, whatever our umask.
  if (mkdir(parent.c_str(), kParentMode) == 0) {
    if (chmod(parent.c_str(), kParentMode) != 0) return FromErrno(errno, "set mode of " + parent);
  } else if (errno != EEXIST) {
    return FromErrno(errno, "make directory " + parent);
  }
  if (mkdir(path.c_str(), 0700) != 0) return FromErrno(errno, "make directory " + path);
  const UniqueFd fd(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!fd) return FromErrno(errno, "open directory " + path);
  if (fchown(fd.get(), static_cast<uid_t>(-1), access.group) != 0) {
    return FromErrno(errno, "set group of " + path);
  }
  if (fchmod(fd.get(), access.directory_mode) != 0) return FromErrno(errno, "set mode of " + path);
  return {};
}

// An existing directory is not changed: it may be one that others use too.
Status CheckDirectory(const std::string& path, const SocketAccess& access) {
  struct stat stat = {};
  if (lstat(path.c_str(), &stat) != 0) return FromErrno(errno, "stat " + path);
  if (!S_ISDIR(stat.st_mode)) return Unsafe(path, "is not a directory");
  if (stat.st_uid != geteuid()) return Unsafe(path, "belongs to another user than the daemon's");
  if ((stat.st_mode & 0777U & ~access.directory_mode) != 0) {
    return Unsafe(path, "has mode " + Octal(stat.st_mode) +
                            ", which lets others connect; it must be " +
                            Octal(access.directory_mode));
  }
  const bool group_enters = (access.directory_mode & 0070U) != 0;
  if (group_enters && access.group != static_cast<gid_t>(-1) && stat.st_gid != access.group) {
    return Unsafe(path, "belongs to another group than the configured one");
  }
  return {};
}

sockaddr_un AddressOf(const std::string& path) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), std::min(path.size(), sizeof(address.sun_path) - 1));
  return address;
}

Status RemoveStale(const std::string& path, const sockaddr_un& address) {
  struct stat stat = {};
  if (lstat(path.c_str(), &stat) != 0) {
    return errno == ENOENT ? Status() : FromErrno(errno, "stat " + path);
  }
  if (!S_ISSOCK(stat.st_mode)) {
    return Fail(Code::kFailedPrecondition, "UNSAFE_FILE", path + ": is not a socket");
  }
  const UniqueFd probe(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!probe) return FromErrno(errno, "make a socket");
  if (connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0 ||
      errno != ECONNREFUSED) {
    return Fail(Code::kAlreadyExists, "SOCKET_IN_USE",
                path + ": another process answers on this socket");
  }
  if (unlink(path.c_str()) != 0) return FromErrno(errno, "remove the stale socket " + path);
  return {};
}

}  // namespace

Result<UniqueFd> ListenLocal(const std::string& path, const SocketAccess& access) {
  const std::string directory = std::filesystem::path(path).parent_path().string();
  const Status made = MakeDirectory(directory, access);
  if (!made.ok() && made.code() != Code::kAlreadyExists) return made;
  RETURN_IF_ERROR(CheckDirectory(directory, access));
  const sockaddr_un address = AddressOf(path);
  RETURN_IF_ERROR(RemoveStale(path, address));
  UniqueFd listener(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!listener) return FromErrno(errno, "make a socket");
  if (bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    return FromErrno(errno, "bind " + path);
  }
  if (lchown(path.c_str(), static_cast<uid_t>(-1), access.group) != 0) {
    return FromErrno(errno, "set group of " + path);
  }
  if (chmod(path.c_str(), access.socket_mode) != 0) return FromErrno(errno, "set mode of " + path);
  if (listen(listener.get(), kBacklog) != 0) return FromErrno(errno, "listen on " + path);
  return listener;
}

Result<gid_t> FindGroup(const std::string& name) {
  constexpr std::size_t kMaxEntry = 64 * 1024;
  std::vector<char> buffer(kMaxEntry);
  group entry = {};
  group* found = nullptr;
  const int error = getgrnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found);
  if (error != 0) return FromErrno(error, "look up the group " + name);
  if (found == nullptr) {
    return Fail(Code::kNotFound, "UNKNOWN_GROUP",
                "local.read_group: there is no group " + name +
                    " (systemd-sysusers makes it; empty leaves the daemon's own)");
  }
  return entry.gr_gid;
}

}  // namespace seaworthy::app
