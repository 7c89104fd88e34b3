// Maps or unmaps one encrypted volume and exits; systemd starts it for each connection to its
// socket, which is its standard input.
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>

#include "seaworthy/log.h"
#include "seaworthy/modules/volumes/mapper.h"

namespace {

constexpr int kExitUsage = 2;
// The client has connected to ask at once. The unit bounds what is done then.
constexpr std::chrono::seconds kPatience{10};

bool KeepsPackets(int fd) {
  int type = 0;
  socklen_t size = sizeof(type);
  return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_SEQPACKET;
}

}  // namespace

int main(int argc, char** /*argv*/) {
  if (argc > 1 || !KeepsPackets(STDIN_FILENO)) {
    std::fputs("seaworthy-mapper: is started by seaworthy-mapper.socket, for seaworthyd\n", stderr);
    return kExitUsage;
  }
  seaworthy::SetLogName("seaworthy-mapper");
  const seaworthy::Status done = seaworthy::volumes::ServeMapperRequest(STDIN_FILENO, kPatience);
  if (done.ok()) return 0;
  seaworthy::Log(seaworthy::Level::kWarning, seaworthy::Message(done));
  return 1;
}
