// The program seaworthy-mapper, started for each connection as systemd does it.
#pragma once

#include <spawn.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <string>
#include <thread>

#include "seaworthy/handle.h"

namespace seaworthy::testing {

// With the descriptor as its standard input; -1 when it cannot be started.
inline pid_t StartMapper(int connection) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, connection, STDIN_FILENO);
  char name[] = SEAWORTHY_MAPPER;
  char* const argv[] = {name, nullptr};
  pid_t pid = -1;
  if (posix_spawn(&pid, name, &actions, nullptr, argv, environ) != 0) pid = -1;
  posix_spawn_file_actions_destroy(&actions);
  return pid;
}

// Its exit status; -1 when a signal ended it.
inline int ExitOf(pid_t pid) {
  int status = 0;
  return waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

inline UniqueFd ListenForPackets(const std::string& path) {
  UniqueFd listener(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), std::min(path.size(), sizeof(address.sun_path) - 1));
  if (bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0 ||
      listen(listener.get(), 8) != 0) {
    listener.reset();
  }
  return listener;
}

// Listens, and starts the program for one connection after the other.
class MapperSocket {
 public:
  explicit MapperSocket(const std::string& path) : listener_(ListenForPackets(path)) {
    thread_ = std::thread([this] {
      for (;;) {
        UniqueFd connection(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
        if (!connection) return;
        const pid_t pid = StartMapper(connection.get());
        connection.reset();
        if (pid > 0) ExitOf(pid);
      }
    });
  }
  ~MapperSocket() {
    shutdown(listener_.get(), SHUT_RDWR);
    thread_.join();
  }
  MapperSocket(const MapperSocket&) = delete;
  MapperSocket& operator=(const MapperSocket&) = delete;

 private:
  UniqueFd listener_;
  std::thread thread_;
};

}  // namespace seaworthy::testing
