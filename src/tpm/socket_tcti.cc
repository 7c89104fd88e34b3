#include "tpm/socket_tcti.h"

#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>
#include <utility>

#include "seaworthy/directory.h"
#include "seaworthy/handle.h"
#include "seaworthy/status_macros.h"

namespace seaworthy::tpm {
namespace {

constexpr std::string_view kPrefix = "swtpm:";
constexpr std::uint64_t kMagic = 0x5345415357545054;  // "SEASWTPT"
constexpr std::size_t kHeaderSize = 10;               // tag, size, response code
constexpr std::size_t kMaxResponse = 4096;            // TPM2_MAX_RESPONSE_SIZE
// The wait for the first byte is bounded by DeadlineTcti; the rest of a response follows at
// once or the TPM is broken.
constexpr int kRestTimeoutMs = 5000;

struct SocketTcti {
  TSS2_TCTI_CONTEXT_COMMON_V1 table;
  int fd;
  bool has_header;  // of the response that is being received
  std::uint8_t header[kHeaderSize];
};

SocketTcti& Of(TSS2_TCTI_CONTEXT* context) { return *reinterpret_cast<SocketTcti*>(context); }

TSS2_RC Transmit(TSS2_TCTI_CONTEXT* context, size_t size, const uint8_t* command) {
  // A command is far smaller than the socket's buffer: this does not block on a TPM that reads.
  const ssize_t sent = send(Of(context).fd, command, size, MSG_NOSIGNAL | MSG_DONTWAIT);
  return sent == static_cast<ssize_t>(size) ? TSS2_RC_SUCCESS : TSS2_TCTI_RC_IO_ERROR;
}

bool ReceiveAll(int fd, uint8_t* to, std::size_t size) {
  while (size > 0) {
    pollfd readable = {fd, POLLIN, 0};
    const int ready = poll(&readable, 1, kRestTimeoutMs);
    if (ready < 0 && errno == EINTR) continue;
    if (ready <= 0) return false;
    const ssize_t got = recv(fd, to, size, 0);
    if (got <= 0) return false;
    to += got;
    size -= static_cast<std::size_t>(got);
  }
  return true;
}

std::size_t ResponseSize(const SocketTcti& tcti) {
  return std::size_t{tcti.header[2]} << 24 | std::size_t{tcti.header[3]} << 16 |
         std::size_t{tcti.header[4]} << 8 | std::size_t{tcti.header[5]};
}

// Called twice a response: without a buffer it answers how large that has to be.
TSS2_RC Receive(TSS2_TCTI_CONTEXT* context, size_t* size, uint8_t* response, int32_t) {
  SocketTcti& tcti = Of(context);
  if (!tcti.has_header && !ReceiveAll(tcti.fd, tcti.header, kHeaderSize)) {
    return TSS2_TCTI_RC_IO_ERROR;
  }
  tcti.has_header = true;
  const std::size_t total = ResponseSize(tcti);
  if (total < kHeaderSize || total > kMaxResponse) return TSS2_TCTI_RC_MALFORMED_RESPONSE;
  const std::size_t room = std::exchange(*size, total);
  if (response == nullptr) return TSS2_RC_SUCCESS;
  if (room < total) return TSS2_TCTI_RC_INSUFFICIENT_BUFFER;
  tcti.has_header = false;
  std::copy_n(tcti.header, kHeaderSize, response);
  return ReceiveAll(tcti.fd, response + kHeaderSize, total - kHeaderSize) ? TSS2_RC_SUCCESS
                                                                          : TSS2_TCTI_RC_IO_ERROR;
}

TSS2_RC GetPollHandles(TSS2_TCTI_CONTEXT* context, TSS2_TCTI_POLL_HANDLE* handles, size_t* count) {
  if (handles != nullptr && *count > 0) handles[0] = {Of(context).fd, POLLIN, 0};
  *count = 1;
  return TSS2_RC_SUCCESS;
}

Status Invalid(const std::string& tcti, std::string_view why) {
  return Fail(Code::kInvalidArgument, "INVALID_TCTI",
              "[tpm] tcti \"" + tcti + "\": " + std::string(why));
}

Result<std::map<std::string, std::string>> ParseArguments(const std::string& tcti) {
  std::map<std::string, std::string> arguments;
  std::string_view rest = std::string_view(tcti).substr(kPrefix.size());
  while (!rest.empty()) {
    const std::string_view argument = rest.substr(0, rest.find(','));
    rest.remove_prefix(std::min(rest.size(), argument.size() + 1));
    const std::size_t equals = argument.find('=');
    const std::string name(argument.substr(0, equals));
    if (equals == std::string_view::npos || (name != "path" && name != "host" && name != "port")) {
      return Invalid(tcti, "takes path=, or host= and port=");
    }
    arguments[name] = argument.substr(equals + 1);
  }
  return arguments;
}

Result<UniqueFd> ConnectUnix(const std::string& tcti, const std::string& path) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path)) return Invalid(tcti, "the path is too long");
  std::memcpy(address.sun_path, path.data(), path.size());
  // Non-blocking: with its backlog full a hung TPM's socket would hold connect() for ever.
  UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd || connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) {
    return FromErrno(errno, "connect to " + path);
  }
  return fd;
}

Result<UniqueFd> ConnectTcp(const std::string& host, const std::string& port) {
  addrinfo hints = {};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  if (const int error = getaddrinfo(host.c_str(), port.c_str(), &hints, &found); error != 0) {
    return Fail(Code::kInvalidArgument, "INVALID_TCTI",
                "[tpm] tcti: host " + host + " port " + port + ": " + gai_strerror(error));
  }
  const CPtr<addrinfo, freeaddrinfo> owner(found);
  UniqueFd fd(socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (connect(fd.get(), found->ai_addr, found->ai_addrlen) != 0 && errno != EINPROGRESS) {
    return FromErrno(errno, "connect to " + host + ":" + port);
  }
  pollfd connected = {fd.get(), POLLOUT, 0};
  int error = 0;
  socklen_t size = sizeof(error);
  if (poll(&connected, 1, kRestTimeoutMs) <= 0)
    error = ETIMEDOUT;
  else
    getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &error, &size);
  if (error != 0) return FromErrno(error, "connect to " + host + ":" + port);
  return fd;
}

}  // namespace

bool IsSocketTcti(const std::string& tcti) { return tcti.starts_with(kPrefix); }

Result<TSS2_TCTI_CONTEXT*> OpenSocketTcti(const std::string& tcti) {
  ASSIGN_OR_RETURN(auto arguments, ParseArguments(tcti));
  UniqueFd fd;
  if (arguments.contains("path")) {
    ASSIGN_OR_RETURN(fd, ConnectUnix(tcti, arguments["path"]));
  } else {
    ASSIGN_OR_RETURN(fd, ConnectTcp(arguments.contains("host") ? arguments["host"] : "127.0.0.1",
                                    arguments.contains("port") ? arguments["port"] : "2321"));
  }
  auto* context = new SocketTcti{};
  context->table.magic = kMagic;
  context->table.version = 1;
  context->table.transmit = Transmit;
  context->table.receive = Receive;
  context->table.getPollHandles = GetPollHandles;
  context->fd = fd.release();
  return reinterpret_cast<TSS2_TCTI_CONTEXT*>(context);
}

void CloseSocketTcti(TSS2_TCTI_CONTEXT* context) {
  close(Of(context).fd);
  delete &Of(context);
}

}  // namespace seaworthy::tpm
