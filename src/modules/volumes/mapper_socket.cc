#include "modules/volumes/mapper_socket.h"

#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>

#include "modules/volumes/mapper_protocol.h"
#include "seaworthy/directory.h"
#include "seaworthy/status_macros.h"

namespace seaworthy::volumes {
namespace {

Status TimedOut() {
  return Fail(Code::kDeadlineExceeded, "MAPPER_TIMEOUT",
              "the mapper did not take or answer the request in time");
}

// Bounds the next call, connect() too.
Status LimitWait(int socket, Deadline deadline) {
  const auto left = TimeLeft(deadline).count();
  if (left == 0) return TimedOut();  // zero would be without end
  const timeval time = {.tv_sec = left / 1000, .tv_usec = left % 1000 * 1000};
  for (const int option : {SO_SNDTIMEO, SO_RCVTIMEO}) {
    if (setsockopt(socket, SOL_SOCKET, option, &time, sizeof(time)) != 0) {
      return FromErrno(errno, "setsockopt of the mapper's socket");
    }
  }
  return {};
}

Status FromSocketErrno(int error, std::string_view what) {
  if (error == EAGAIN) return TimedOut();
  if (error == EPIPE || error == ECONNRESET) {
    return Fail(Code::kUnavailable, "MAPPER_GONE", "the mapper's connection ended without answer");
  }
  return FromErrno(error, what);
}

union Control {
  cmsghdr alignment;
  char room[CMSG_SPACE(sizeof(int))];
};
// Without the padding, in which another descriptor finds room: if more come the kernel closes them
// and tells.
constexpr std::size_t kOneDescriptor = CMSG_LEN(sizeof(int));

UniqueFd DescriptorIn(msghdr& message) {
  const cmsghdr* const part = CMSG_FIRSTHDR(&message);
  if (part == nullptr || part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) return {};
  int fd = -1;
  std::memcpy(&fd, CMSG_DATA(part), sizeof(fd));
  return UniqueFd(fd);
}

}  // namespace

Result<UniqueFd> ConnectToMapper(const std::string& path, Deadline deadline) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path)) {
    return Fail(Code::kInvalidArgument, "SOCKET_PATH_TOO_LONG", path + ": is no path of a socket");
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  UniqueFd connection(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  if (!connection) return FromErrno(errno, "make a socket");
  RETURN_IF_ERROR(LimitWait(connection.get(), deadline));
  if (connect(connection.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) ==
      0) {
    return connection;
  }
  if (errno == ENOENT || errno == ECONNREFUSED) {
    return Fail(Code::kUnavailable, "MAPPER_MISSING",
                path + ": nobody listens there; is seaworthy-mapper.socket active?");
  }
  return FromSocketErrno(errno, "connect to " + path);
}

Status SendPacket(int socket, Deadline deadline, ByteView bytes, int fd) {
  iovec part = {.iov_base = const_cast<std::uint8_t*>(bytes.data()), .iov_len = bytes.size()};
  msghdr message = {};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  Control control = {};
  if (fd >= 0) {
    message.msg_control = &control;
    message.msg_controllen = kOneDescriptor;
    cmsghdr* const head = CMSG_FIRSTHDR(&message);
    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN(sizeof(fd));
    std::memcpy(CMSG_DATA(head), &fd, sizeof(fd));
  }
  for (;;) {
    RETURN_IF_ERROR(LimitWait(socket, deadline));
    if (sendmsg(socket, &message, MSG_NOSIGNAL) >= 0) return {};
    if (errno != EINTR) return FromSocketErrno(errno, "send to the mapper's socket");
  }
}

Result<Packet> ReceivePacket(int socket, Deadline deadline) {
  SecretBytes buffer(kMaxMapperPacket);
  iovec part = {.iov_base = buffer.data(), .iov_len = buffer.size()};
  Control control = {};
  msghdr message = {};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = &control;
  message.msg_controllen = kOneDescriptor;
  ssize_t got = -1;
  while (got < 0) {
    RETURN_IF_ERROR(LimitWait(socket, deadline));
    got = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
    if (got < 0 && errno != EINTR) {
      return FromSocketErrno(errno, "receive from the mapper's socket");
    }
  }
  Packet packet;
  packet.fd = DescriptorIn(message);
  if (got == 0) return FromSocketErrno(ECONNRESET, "");
  if ((message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0) {
    return Fail(Code::kInvalidArgument, "MAPPER_PACKET_REFUSED",
                "the packet is too long, or brings more than one descriptor");
  }
  packet.bytes = SecretBytes::Copy(buffer.view().first(static_cast<std::size_t>(got)));
  return packet;
}

}  // namespace seaworthy::volumes
