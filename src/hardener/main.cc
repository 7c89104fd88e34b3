// Audits, hardens or rolls back Docker's engine, once, and exits; systemd starts it for each
// connection to its socket, which is its standard input. Or settles what a power cut (--recover) or
// a kill (--settle) left; or stays and watches (--watch).
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <string_view>
#include <utility>

#include "seaworthy/directory.h"
#include "seaworthy/handle.h"
#include "seaworthy/log.h"
#include "seaworthy/modules/docker/hardener.h"

namespace {

namespace docker = seaworthy::docker;

constexpr int kExitUsage = 2;
// The client has connected to ask at once. Each call bounds what it does then.
constexpr std::chrono::seconds kPatience{10};
constexpr std::chrono::seconds kEnginePatience{60};
constexpr unsigned kLongestLife = 720;  // seconds; a transaction has ten minutes

struct Arguments {
  docker::HardenerOptions options;
  bool recover = false;  // before an engine runs
  bool settle = false;
  bool watch = false;
};

// The unit gives none; an operator may, whose engine or state is elsewhere.
bool Read(int argc, char** argv, Arguments& arguments) {
  const std::pair<std::string_view, std::string*> places[] = {
      {"--engine", &arguments.options.socket},
      {"--state", &arguments.options.state},
      {"--profiles", &arguments.options.profiles},
  };
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    const std::pair<std::string_view, bool*> modes[] = {{"--recover", &arguments.recover},
                                                        {"--settle", &arguments.settle},
                                                        {"--watch", &arguments.watch}};
    const auto* const mode =
        std::ranges::find(modes, argument, &std::pair<std::string_view, bool*>::first);
    if (mode != std::end(modes)) {
      *mode->second = true;
      continue;
    }
    std::string* value = nullptr;
    for (const auto& [name, target] : places) {
      if (argument == name) value = target;
    }
    if (value == nullptr || ++i == argc) return false;
    *value = argv[i];
  }
  return true;
}

bool IsStream(int fd) {
  int type = 0;
  socklen_t size = sizeof(type);
  return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_STREAM;
}

int watched = -1;  // for the handler of signals

// A stop comes after the transaction; a watch sees it as the end of what it reads. No SIG_IGN,
// which programs that are started would keep.
void PutOffStop(int socket) {
  watched = socket;
  struct sigaction action = {};
  action.sa_handler = [](int) {
    const int error = errno;
    shutdown(watched, SHUT_RD);
    errno = error;
  };
  action.sa_flags = SA_RESTART;
  sigaction(SIGTERM, &action, nullptr);
}

seaworthy::Status Watch(const docker::HardenerOptions& options) {
  std::array<int, 2> ends{-1, -1};
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0) {
    return seaworthy::FromErrno(errno, "make a pair of sockets");
  }
  const seaworthy::UniqueFd stop(ends[0]);
  const seaworthy::UniqueFd other(ends[1]);
  PutOffStop(stop.get());
  return docker::WatchWithHardener(options, stop.get());
}

seaworthy::Status Serve(const docker::HardenerOptions& options) {
  PutOffStop(-1);
  return docker::ServeHardenerRequest(STDIN_FILENO, options, kPatience);
}

seaworthy::Status Undo(const Arguments& arguments) {
  PutOffStop(-1);
  return docker::RecoverWithHardener(arguments.options,
                                     arguments.settle ? kEnginePatience : std::chrono::seconds(0));
}

}  // namespace

int main(int argc, char** argv) {
  Arguments arguments;
  const bool understood = Read(argc, argv, arguments);
  const bool undoes = arguments.recover || arguments.settle;
  const bool asked = !undoes && !arguments.watch;
  if (!understood || (asked && !IsStream(STDIN_FILENO))) {
    std::fputs(
        "seaworthy-hardener: is started by seaworthy-hardener.socket, for seaworthyd; or\n"
        "  seaworthy-hardener --recover|--settle|--watch [--engine PATH] [--state FOLDER]\n",
        stderr);
    return kExitUsage;
  }
  // Who names places starts it by hand, outside of the unit's sandbox.
  arguments.options.units_alone = argc == 1 || (argc == 2 && arguments.watch);
  seaworthy::SetLogName("seaworthy-hardener");
  // What hangs is killed, and settled. A watch has no such end.
  if (!arguments.watch) alarm(kLongestLife);
  arguments.options.watching = [] { alarm(0); };
  const seaworthy::Status done = asked    ? Serve(arguments.options)
                                 : undoes ? Undo(arguments)
                                          : Watch(arguments.options);
  if (done.ok()) return 0;
  seaworthy::Log(seaworthy::Level::kWarning, seaworthy::Message(done));
  return 1;
}
