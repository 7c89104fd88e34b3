// The program seaworthy-hardener, started for each connection as systemd does it; and one that says
// what a test wants.
#pragma once

#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cctype>
#include <cstring>
#include <fstream>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "seaworthy/handle.h"
#include "seaworthy/words.h"

namespace seaworthy::docker {

using HardenerCommand = std::vector<std::string>;

// The command without any other capability than the unit of that name leaves to it.
inline HardenerCommand ConfinedAs(const std::string& unit, const HardenerCommand& command) {
  constexpr std::string_view kKey = "CapabilityBoundingSet=";
  std::ifstream file(SOURCE_DIR "/systemd/" + unit);
  bool found = false;
  std::string kept = "-all";
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with(kKey)) continue;
    found = true;
    for (std::string_view name : Split(std::string_view(line).substr(kKey.size()), ' ')) {
      if (name.empty()) continue;
      kept += ",+";
      for (const char c : name.substr(4)) kept += static_cast<char>(std::tolower(c));
    }
  }
  EXPECT_TRUE(found) << unit;
  HardenerCommand confined = {"setpriv", "--no-new-privs", "--bounding-set=" + kept};
  confined.insert(confined.end(), command.begin(), command.end());
  return confined;
}

// With the descriptor as its standard input; -1 when it cannot be started.
inline pid_t StartHardener(HardenerCommand command, int connection) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, connection, STDIN_FILENO);
  std::vector<char*> argv;
  for (std::string& word : command) argv.push_back(word.data());
  argv.push_back(nullptr);
  pid_t pid = -1;
  if (posix_spawnp(&pid, argv[0], &actions, nullptr, argv.data(), environ) != 0) pid = -1;
  posix_spawn_file_actions_destroy(&actions);
  return pid;
}

// Its exit status; -1 when a signal ended it.
inline int ExitOf(pid_t pid) {
  int status = 0;
  return waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

inline std::array<UniqueFd, 2> SocketPair() {
  std::array<int, 2> ends{-1, -1};
  EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()), 0);
  return {UniqueFd(ends[0]), UniqueFd(ends[1])};
}

// Listens, and hands each connection on.
class HardenerSocket {
 public:
  using Serve = std::function<void(UniqueFd connection)>;

  HardenerSocket(const std::string& path, Serve serve)
      : listener_(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.data(), std::min(path.size(), sizeof(address.sun_path) - 1));
    EXPECT_EQ(bind(listener_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)),
              0);
    EXPECT_EQ(listen(listener_.get(), 8), 0);
    thread_ = std::thread([this, serve = std::move(serve)] {
      for (;;) {
        UniqueFd connection(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
        if (!connection) return;
        serve(std::move(connection));
      }
    });
  }
  ~HardenerSocket() {
    shutdown(listener_.get(), SHUT_RDWR);
    thread_.join();
  }
  HardenerSocket(const HardenerSocket&) = delete;
  HardenerSocket& operator=(const HardenerSocket&) = delete;

 private:
  UniqueFd listener_;
  std::thread thread_;
};

// Starts the program for each connection, several at a time.
class HardenerProgram {
 public:
  HardenerProgram(const std::string& path, const HardenerCommand& command)
      : socket_(std::make_unique<HardenerSocket>(path, [this, command](UniqueFd connection) {
          const pid_t pid = StartHardener(command, connection.get());
          if (pid > 0) started_.push_back(pid);
        })) {}
  ~HardenerProgram() {
    socket_.reset();
    for (const pid_t pid : started_) ExitOf(pid);
  }
  HardenerProgram(const HardenerProgram&) = delete;
  HardenerProgram& operator=(const HardenerProgram&) = delete;

 private:
  std::vector<pid_t> started_;  // by the socket's thread
  std::unique_ptr<HardenerSocket> socket_;
};

}  // namespace seaworthy::docker
