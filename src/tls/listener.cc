#include "tls/listener.h"

#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>

#include "seaworthy/directory.h"
#include "seaworthy/status_macros.h"

namespace seaworthy::tls {
namespace {

constexpr int kBacklog = 128;
// A client that is gone without a word is noticed after 60 + 4 * 15 seconds of silence, or a
// minute after bytes to it stay unanswered.
constexpr int kKeepaliveIdleSeconds = 60;
constexpr int kKeepaliveIntervalSeconds = 15;
constexpr int kKeepaliveCount = 4;
constexpr int kUnansweredMilliseconds = 60'000;

bool Set(int fd, int level, int option, int value) {
  return setsockopt(fd, level, option, &value, sizeof(value)) == 0;
}

bool IsExhaustion(int error) {
  return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

}  // namespace

Result<Listener> Listen(const std::string& text) {
  ASSIGN_OR_RETURN(SocketAddress address, ParseAddress(text));
  Listener listener;
  listener.fd.reset(socket(address.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!listener.fd) return FromErrno(errno, "socket for " + text);
  const int fd = listener.fd.get();
  Set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
  // "[::]" takes IPv4 clients too, whatever the system's default.
  if (address.any.sa_family == AF_INET6) Set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 0);
  if (bind(fd, &address.any, address.size()) != 0) return FromErrno(errno, "bind to " + text);
  if (listen(fd, kBacklog) != 0) return FromErrno(errno, "listen on " + text);
  socklen_t size = sizeof(address);
  if (getsockname(fd, &address.any, &size) != 0) return FromErrno(errno, "getsockname " + text);
  // The port is at the same place in both families.
  listener.port = ntohs(address.v4.sin_port);
  return listener;
}

Accepted Accept(int listener) {
  Accepted accepted;
  while (true) {
    socklen_t size = sizeof(accepted.address);
    accepted.fd.reset(
        accept4(listener, &accepted.address.any, &size, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (accepted.fd) break;
    if (errno == EAGAIN || errno == EWOULDBLOCK) return accepted;
    if (IsExhaustion(errno)) {
      accepted.exhausted = true;
      return accepted;
    }
    // The rest are errors of that one connection (accept(2)), or of a listener that was closed.
    if (errno == EBADF || errno == EINVAL || errno == ENOTSOCK) return accepted;
  }
  const int fd = accepted.fd.get();
  Set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  Set(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
  Set(fd, IPPROTO_TCP, TCP_KEEPIDLE, kKeepaliveIdleSeconds);
  Set(fd, IPPROTO_TCP, TCP_KEEPINTVL, kKeepaliveIntervalSeconds);
  Set(fd, IPPROTO_TCP, TCP_KEEPCNT, kKeepaliveCount);
  Set(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, kUnansweredMilliseconds);
  return accepted;
}

}  // namespace seaworthy::tls
