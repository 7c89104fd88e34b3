#include "support/tpm_bus.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace seaworthy::testing {
namespace {

constexpr std::string_view kPrefix = "swtpm:path=";
constexpr std::size_t kHeaderSize = 10;  // tag, size, code

[[noreturn]] void Abort(const char* what) {
  std::perror(what);
  std::abort();
}

UniqueFd Socket(const std::string& path, bool listens) {
  UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path.c_str(), sizeof(address.sun_path) - 1);
  const auto* const at = reinterpret_cast<const sockaddr*>(&address);
  const bool ok = listens ? bind(fd.get(), at, sizeof(address)) == 0 && listen(fd.get(), 1) == 0
                          : connect(fd.get(), at, sizeof(address)) == 0;
  if (!ok && listens) Abort("socket of the TPM's bus");
  if (!ok) fd.reset();
  return fd;
}

std::uint32_t Number(const Bytes& message, std::size_t at) {
  return std::uint32_t{message[at]} << 24 | std::uint32_t{message[at + 1]} << 16 |
         std::uint32_t{message[at + 2]} << 8 | std::uint32_t{message[at + 3]};
}

bool ReceiveAll(int fd, std::uint8_t* to, std::size_t size) {
  return size == 0 || recv(fd, to, size, MSG_WAITALL) == static_cast<ssize_t>(size);
}

// A command or a response; empty when the other side has gone.
Bytes Receive(int fd) {
  Bytes message(kHeaderSize);
  if (!ReceiveAll(fd, message.data(), kHeaderSize)) return {};
  message.resize(std::max<std::size_t>(Number(message, 2), kHeaderSize));
  if (!ReceiveAll(fd, message.data() + kHeaderSize, message.size() - kHeaderSize)) return {};
  return message;
}

void Send(int fd, const Bytes& message) {
  (void)send(fd, message.data(), message.size(), MSG_NOSIGNAL);
}

}  // namespace

TpmBus::TpmBus(const std::string& tpm)
    : tpm_path_(tpm.substr(kPrefix.size())), listener_(Socket(root_ / "socket", true)) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) Abort("pipe");
  end_read_.reset(ends[0]);
  end_write_.reset(ends[1]);
  thread_ = std::thread([this] { Serve(); });
}

TpmBus::~TpmBus() {
  end_write_.reset();
  thread_.join();
}

std::string TpmBus::tcti() const { return std::string(kPrefix) + (root_ / "socket"); }

void TpmBus::Meddle(Meddler meddler) {
  const std::lock_guard lock(mutex_);
  meddler_ = std::move(meddler);
}

Bytes TpmBus::TakeHeard() {
  const std::lock_guard lock(mutex_);
  return std::exchange(heard_, {});
}

std::vector<std::uint32_t> TpmBus::TakeCommands() {
  const std::lock_guard lock(mutex_);
  return std::exchange(commands_, {});
}

void TpmBus::Serve() {
  for (;;) {
    pollfd fds[] = {{listener_.get(), POLLIN, 0}, {end_read_.get(), POLLIN, 0}};
    if (poll(fds, 2, -1) <= 0) continue;
    if (fds[1].revents != 0) return;
    const UniqueFd program(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (program) Relay(program.get());
  }
}

void TpmBus::Relay(int program) {
  const UniqueFd fd = Socket(tpm_path_, false);
  if (!fd) return;  // the TPM is gone
  const Tpm tpm = [&](const Bytes& command) {
    Send(fd.get(), command);
    return Receive(fd.get());
  };
  for (;;) {
    pollfd fds[] = {{program, POLLIN, 0}, {end_read_.get(), POLLIN, 0}};
    if (poll(fds, 2, -1) <= 0) continue;
    if (fds[1].revents != 0) return;
    const Bytes command = Receive(program);
    if (command.empty()) return;
    const Bytes response = Answer(command, tpm);
    if (response.empty()) return;
    Send(program, response);
  }
}

Bytes TpmBus::Answer(const Bytes& command, const Tpm& tpm) {
  const std::lock_guard lock(mutex_);
  const std::uint32_t code = Number(command, 6);
  commands_.push_back(code);
  Bytes response = meddler_ ? meddler_(code, command, tpm) : tpm(command);
  heard_.insert(heard_.end(), command.begin(), command.end());
  heard_.insert(heard_.end(), response.begin(), response.end());
  return response;
}

}  // namespace seaworthy::testing
