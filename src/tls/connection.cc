// A connection's life: silence, handshake, relay, end. All on the loop but for StepOnPool.
#include "tls/connection.h"

#include <fcntl.h>
#include <openssl/err.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>

#include "tls/front_state.h"
#include "tls/identity.h"

namespace seaworthy::tls {
namespace {

// How long a client has to read the alert or the last bytes before the socket is closed under
// it; closing at once could reset the connection and take them from it.
constexpr std::chrono::milliseconds kLingerTime{1000};
// How long a connection with one direction ended may go without a byte.
constexpr std::chrono::milliseconds kHalfClosedTime{30'000};

bool MakeNonBlocking(int fd) {
  const int flags = fcntl(fd, F_GETFL);
  return flags >= 0 && fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0;
}

}  // namespace

// At the first byte, so that whoever only connects costs no token and no SSL.
void Front::State::Begin(Connection& connection) {
  char byte = 0;
  if (recv(connection.client.get(), &byte, 1, MSG_PEEK) <= 0) {
    // Closed before a word: a probe of the port, nothing was refused.
    return Drop(connection);
  }
  if (!rate_.Take(connection.source, std::chrono::steady_clock::now())) {
    RefuseFlood(connection.address, "HANDSHAKE_RATE", "too many handshakes for their rate limit");
    return Drop(connection);
  }
  {
    const std::scoped_lock lock(mutex_);
    connection.ssl.reset(SSL_new(context_.get()));
  }
  if (connection.ssl == nullptr || SSL_set_fd(connection.ssl.get(), connection.client.get()) != 1) {
    Refuse(connection.address, "HANDSHAKE_FAILED",
           Message(FromOpenssl(Code::kInternal, "OPENSSL_FAILED", "a new TLS connection")));
    return Drop(connection);
  }
  SSL_set_accept_state(connection.ssl.get());
  PostStep(connection);
}

void Front::State::PostStep(Connection& connection) {
  connection.phase = Connection::Phase::kStepping;
  Watch(connection, 0, 0);
  SetDeadline(connection, std::nullopt);
  pool_->Post([this, &connection] { StepOnPool(connection); });
}

void Front::State::StepOnPool(Connection& connection) {
  Stepped stepped{connection.id, StepHandshake(connection.ssl.get()), UniqueFd()};
  HandshakeStep& step = stepped.step;
  if (step.outcome == HandshakeStep::Outcome::kDone) {
    auto local = options_.connect(IdentityOf(connection.ssl.get(), connection.address));
    if (local.ok()) {
      stepped.local = *std::move(local);
    } else {
      step = {HandshakeStep::Outcome::kRefused, Reason(local.status()), Message(local.status())};
    }
  }
  if (step.outcome == HandshakeStep::Outcome::kRefused && options_.refused) {
    options_.refused(connection.address, step.reason, step.message);
  }
  {
    const std::scoped_lock lock(mutex_);
    stepped_.push_back(std::move(stepped));
  }
  Wake();
}

void Front::State::OnStepped(Stepped stepped) {
  Connection& connection = *connections_.at(stepped.id);
  switch (stepped.step.outcome) {
    case HandshakeStep::Outcome::kDone:
      return Establish(connection, std::move(stepped.local));
    case HandshakeStep::Outcome::kRefused:
      return Linger(connection);
    case HandshakeStep::Outcome::kWantsRead:
    case HandshakeStep::Outcome::kWantsWrite:
      connection.phase = Connection::Phase::kHandshake;
      SetDeadline(connection, connection.handshake_deadline);
      Watch(connection,
            stepped.step.outcome == HandshakeStep::Outcome::kWantsRead ? EPOLLIN : EPOLLOUT, 0);
  }
}

void Front::State::Establish(Connection& connection, UniqueFd local) {
  if (!local || !MakeNonBlocking(local.get())) return Drop(connection);
  connection.phase = Connection::Phase::kRelay;
  connection.local = std::move(local);
  connection.relay.emplace(connection.ssl.get(), connection.client.get(), connection.local.get());
  // The first bytes may be in the SSL already.
  PumpRelay(connection);
}

void Front::State::PumpRelay(Connection& connection) {
  Relay& relay = *connection.relay;
  switch (relay.Pump()) {
    case Relay::Next::kDone:
      if (relay.client_gone()) return Drop(connection);
      return Linger(connection);
    case Relay::Next::kAgain:
      pump_again_.insert(connection.id);
      break;
    case Relay::Next::kWait:
      Watch(connection, relay.client_interest(), relay.local_interest());
  }
  if (relay.half_closed() && (relay.moved() || !connection.deadline)) {
    SetDeadline(connection, DeadlineIn(kHalfClosedTime));
  }
}

void Front::State::Linger(Connection& connection) {
  connection.phase = Connection::Phase::kLinger;
  Watch(connection, 0, 0);
  connection.relay.reset();
  connection.local.reset();
  // Says close_notify when nothing worse was said; after an alert it does nothing.
  if (SSL_is_init_finished(connection.ssl.get()) == 1) SSL_shutdown(connection.ssl.get());
  ERR_clear_error();
  shutdown(connection.client.get(), SHUT_WR);
  SetDeadline(connection, DeadlineIn(kLingerTime));
  Watch(connection, EPOLLIN, 0);
}

// Takes what the client still sends until it closes or the time is over.
void Front::State::Drain(Connection& connection) {
  std::array<char, 16 * 1024> dropped;
  const ssize_t count = recv(connection.client.get(), dropped.data(), dropped.size(), 0);
  const bool more = count > 0 || (count < 0 && (errno == EAGAIN || errno == EINTR));
  if (!more) Drop(connection);
}

void Front::State::Drop(Connection& connection) {
  Watch(connection, 0, 0);
  SetDeadline(connection, std::nullopt);
  pump_again_.erase(connection.id);
  const auto held = per_source_.find(connection.source);
  if (--held->second == 0) per_source_.erase(held);
  connections_.erase(connection.id);
}

void Front::State::Watch(Connection& connection, std::uint32_t client, std::uint32_t local) {
  const std::uint64_t data = connection.id * 2;
  WatchOne(connection.client.get(), data, client, connection.client_watched);
  if (connection.local) WatchOne(connection.local.get(), data + 1, local, connection.local_watched);
}

void Front::State::WatchOne(int fd, std::uint64_t data, std::uint32_t wanted,
                            std::uint32_t& watched) {
  if (wanted == watched) return;
  const int operation = wanted == 0 ? EPOLL_CTL_DEL : watched == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
  epoll_event event = {};
  event.events = wanted;
  event.data.u64 = data;
  epoll_ctl(epoll_.get(), operation, fd, &event);
  watched = wanted;
}

void Front::State::SetDeadline(Connection& connection, std::optional<Deadline> deadline) {
  if (connection.deadline) deadlines_.erase({*connection.deadline, connection.id});
  if (deadline) deadlines_.insert({*deadline, connection.id});
  connection.deadline = deadline;
}

}  // namespace seaworthy::tls
