#include "modules/docker/hardener_socket.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "seaworthy/directory.h"
#include "seaworthy/status_macros.h"

namespace seaworthy::docker {
namespace {

// How soon one who wants no answer any more is noticed.
constexpr std::chrono::milliseconds kRound{250};
constexpr std::size_t kPiece = std::size_t{64} << 10;

Status TimedOut() {
  return Fail(Code::kDeadlineExceeded, "HARDENER_TIMEOUT",
              "the hardener did not take or answer the request in time");
}

Status Gone() {
  return Fail(Code::kUnavailable, "HARDENER_GONE",
              "the hardener's connection ended without an answer");
}

// Bounds the next call, connect() too.
Status LimitWait(int socket, Deadline deadline) {
  const auto left = TimeLeft(deadline).count();
  if (left == 0) return TimedOut();  // zero would be without end
  const timeval time = {.tv_sec = left / 1000, .tv_usec = left % 1000 * 1000};
  if (setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &time, sizeof(time)) == 0) return {};
  return FromErrno(errno, "setsockopt of the hardener's socket");
}

Status FromSocketErrno(int error, std::string_view what) {
  if (error == EAGAIN) return TimedOut();
  if (error == EPIPE || error == ECONNRESET) return Gone();
  return FromErrno(error, what);
}

}  // namespace

Result<UniqueFd> ConnectToHardener(const std::string& path, Deadline deadline) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path)) {
    return Fail(Code::kInvalidArgument, "SOCKET_PATH_TOO_LONG", path + ": is no path of a socket");
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  UniqueFd connection(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!connection) return FromErrno(errno, "make a socket");
  RETURN_IF_ERROR(LimitWait(connection.get(), deadline));
  if (connect(connection.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) ==
      0) {
    return connection;
  }
  if (errno == ENOENT || errno == ECONNREFUSED) {
    return Fail(Code::kUnavailable, "HARDENER_MISSING",
                path + ": nobody listens there; is seaworthy-hardener.socket active?");
  }
  return FromSocketErrno(errno, "connect to " + path);
}

Status SendLine(int socket, Deadline deadline, std::string_view line) {
  const std::string whole = std::string(line) + "\n";
  std::string_view rest = whole;
  while (!rest.empty()) {
    RETURN_IF_ERROR(LimitWait(socket, deadline));
    const ssize_t sent = send(socket, rest.data(), rest.size(), MSG_NOSIGNAL);
    if (sent >= 0) {
      rest.remove_prefix(static_cast<std::size_t>(sent));
    } else if (errno != EINTR) {
      return FromSocketErrno(errno, "send to the hardener's socket");
    }
  }
  return {};
}

bool TrySendLine(int socket, std::string_view line) {
  const std::string whole = std::string(line) + "\n";
  const ssize_t sent = send(socket, whole.data(), whole.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  return sent == static_cast<ssize_t>(whole.size());
}

Status LineReader::Wait(Deadline deadline, const std::function<bool()>& wanted) const {
  for (;;) {
    if (wanted && !wanted()) {
      return Fail(Code::kCancelled, "CLIENT_GONE", "the client ended the call");
    }
    const std::chrono::milliseconds left = TimeLeft(deadline);
    if (left.count() == 0) return TimedOut();
    pollfd ready = {.fd = socket_, .events = POLLIN, .revents = 0};
    const int count = poll(&ready, 1, static_cast<int>(std::min(left, kRound).count()));
    if (count > 0) return {};
    if (count < 0 && errno != EINTR) return FromErrno(errno, "poll of the hardener's socket");
  }
}

Result<std::string> LineReader::Next(Deadline deadline, const std::function<bool()>& wanted) {
  std::size_t looked_at = 0;
  for (;;) {
    const std::size_t end = buffer_.find('\n', looked_at);
    if (std::min(end, buffer_.size()) > max_) {
      return Fail(
          Code::kResourceExhausted, "HARDENER_LINE_TOO_LONG",
          "a line over the hardener's socket has more than " + std::to_string(max_) + " bytes");
    }
    if (end != std::string::npos) {
      std::string line = buffer_.substr(0, end);
      buffer_.erase(0, end + 1);
      return line;
    }
    looked_at = buffer_.size();
    RETURN_IF_ERROR(Wait(deadline, wanted));
    buffer_.resize(looked_at + kPiece);
    const ssize_t got = recv(socket_, buffer_.data() + looked_at, kPiece, MSG_DONTWAIT);
    const int error = errno;
    buffer_.resize(looked_at + static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
    if (got == 0) return Gone();
    if (got < 0 && error != EINTR && error != EAGAIN) {
      return FromSocketErrno(error, "receive from the hardener's socket");
    }
  }
}

}  // namespace seaworthy::docker
