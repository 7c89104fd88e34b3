#include "tls/relay.h"

#include <openssl/err.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <cerrno>

namespace seaworthy::tls {
namespace {

// Rounds of 64 KiB each way before other connections have their turn.
constexpr int kRounds = 8;

bool WouldBlock() { return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR; }

// Whether the other end of a stream socket is closed altogether and not only for writing.
bool HungUp(int fd) {
  pollfd state = {fd, 0, 0};
  return poll(&state, 1, 0) == 1 && (state.revents & (POLLHUP | POLLERR)) != 0;
}

}  // namespace

bool Relay::NoteWant(int result, Wants& wants) {
  switch (SSL_get_error(ssl_, result)) {
    case SSL_ERROR_WANT_READ:
      wants = Wants::kRead;
      return true;
    case SSL_ERROR_WANT_WRITE:
      wants = Wants::kWrite;
      return true;
    default:
      return false;
  }
}

void Relay::LoseClient() {
  client_gone_ = true;
  inbound_ended_ = true;
  outbound_.Clear();
}

bool Relay::ReadClient() {
  read_wants_ = Wants::kNothing;
  if (inbound_ended_ || inbound_.full()) return false;
  ERR_clear_error();
  std::size_t count = 0;
  const int result = SSL_read_ex(ssl_, inbound_.free_space(), inbound_.room(), &count);
  if (result == 1) {
    // Nobody reads it: it is taken off the network and dropped.
    if (!inbound_closed_) inbound_.Added(count);
    return true;
  }
  if (NoteWant(result, read_wants_)) return false;
  if (SSL_get_error(ssl_, result) == SSL_ERROR_ZERO_RETURN) {
    inbound_ended_ = true;
  } else {
    LoseClient();
  }
  return true;
}

bool Relay::WriteLocal() {
  if (inbound_closed_) return false;
  if (inbound_.empty()) {
    if (!inbound_ended_) return false;
    shutdown(local_fd_, SHUT_WR);
    inbound_closed_ = true;
    return true;
  }
  const ssize_t count = send(local_fd_, inbound_.data(), inbound_.size(), MSG_NOSIGNAL);
  if (count >= 0) {
    inbound_.Removed(static_cast<std::size_t>(count));
    return count > 0;
  }
  if (WouldBlock()) return false;
  inbound_.Clear();
  inbound_closed_ = true;
  return true;
}

bool Relay::ReadLocal() {
  if (outbound_ended_ || outbound_.full() || client_gone_) return false;
  const ssize_t count = recv(local_fd_, outbound_.free_space(), outbound_.room(), 0);
  if (count > 0) {
    outbound_.Added(static_cast<std::size_t>(count));
    return true;
  }
  if (count < 0 && WouldBlock()) return false;
  outbound_ended_ = true;
  if (count < 0 || HungUp(local_fd_)) {
    inbound_.Clear();
    inbound_closed_ = true;
  }
  return true;
}

bool Relay::WriteClient() {
  write_wants_ = Wants::kNothing;
  if (client_gone_ || outbound_closed_) return false;
  if (outbound_.empty()) return outbound_ended_ && CloseClient();
  ERR_clear_error();
  std::size_t count = 0;
  const int result = SSL_write_ex(ssl_, outbound_.data(), outbound_.size(), &count);
  if (result == 1) {
    outbound_.Removed(count);
    return true;
  }
  if (NoteWant(result, write_wants_)) return false;
  LoseClient();
  return true;
}

bool Relay::CloseClient() {
  ERR_clear_error();
  const int result = SSL_shutdown(ssl_);
  if (result < 0 && NoteWant(result, write_wants_)) return false;
  if (result < 0) LoseClient();
  shutdown(client_fd_, SHUT_WR);
  outbound_closed_ = true;
  return true;
}

bool Relay::Done() const {
  const bool outbound_over = client_gone_ || outbound_closed_;
  return inbound_closed_ && outbound_over;
}

Relay::Next Relay::Pump() {
  moved_ = false;
  for (int round = 0; round < kRounds; ++round) {
    bool moved = ReadClient();
    moved = WriteLocal() || moved;
    moved = ReadLocal() || moved;
    moved = WriteClient() || moved;
    moved_ = moved_ || moved;
    if (Done()) return Next::kDone;
    if (!moved) return Next::kWait;
  }
  return Next::kAgain;
}

std::uint32_t Relay::client_interest() const {
  const bool read = read_wants_ == Wants::kRead || write_wants_ == Wants::kRead;
  const bool write = read_wants_ == Wants::kWrite || write_wants_ == Wants::kWrite;
  return (read ? EPOLLIN : 0U) | (write ? EPOLLOUT : 0U);
}

std::uint32_t Relay::local_interest() const {
  const bool read = !outbound_ended_ && !outbound_.full() && !client_gone_;
  const bool write = !inbound_closed_ && !inbound_.empty();
  return (read ? EPOLLIN : 0U) | (write ? EPOLLOUT : 0U);
}

}  // namespace seaworthy::tls
