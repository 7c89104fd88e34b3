#include "seaworthy/tls/front.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>

#include <array>
#include <cerrno>

#include "seaworthy/directory.h"
#include "seaworthy/status_macros.h"
#include "tls/front_state.h"
#include "tls/tls_context.h"

namespace seaworthy::tls {
namespace {

// What epoll's data says: these two, or twice a connection's id plus the side.
constexpr std::uint64_t kListenerData = 0;
constexpr std::uint64_t kWakeData = 1;
constexpr int kEvents = 64;
constexpr int kAcceptedAtOnce = 64;
constexpr std::chrono::milliseconds kExhaustedPause{100};

Status CheckLimits(const Front::Limits& limits) {
  const bool positive = limits.connections > 0 && limits.connections_per_source > 0 &&
                        limits.handshakes_per_second > 0 &&
                        limits.handshakes_per_second_per_source > 0 &&
                        limits.handshake_timeout.count() > 0 && limits.handshake_threads > 0;
  if (positive) return {};
  return Fail(Code::kInvalidArgument, "INVALID_LIMITS", "the limits must be greater than zero");
}

Status AddToEpoll(int epoll, int fd, std::uint64_t data) {
  epoll_event event = {};
  event.events = EPOLLIN;
  event.data.u64 = data;
  if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0) return FromErrno(errno, "epoll_ctl");
  return {};
}

}  // namespace

Front::State::State(Options options, SslCtxPtr context, Listener listener, UniqueFd epoll,
                    UniqueFd wake)
    : options_(std::move(options)),
      port_(listener.port),
      epoll_(std::move(epoll)),
      wake_(std::move(wake)),
      context_(std::move(context)),
      listener_(std::move(listener.fd)),
      rate_(options_.limits.handshakes_per_second, options_.limits.handshakes_per_second_per_source,
            std::chrono::steady_clock::now()) {}

Front::State::~State() {
  stopping_ = true;
  Wake();
  if (loop_.joinable()) loop_.join();
  pool_.reset();
}

Status Front::State::Start() {
  RETURN_IF_ERROR(AddToEpoll(epoll_.get(), listener_.get(), kListenerData));
  RETURN_IF_ERROR(AddToEpoll(epoll_.get(), wake_.get(), kWakeData));
  pool_ = std::make_unique<WorkQueue>(options_.limits.handshake_threads);
  loop_ = std::jthread([this] { Run(); });
  return {};
}

void Front::State::Use(SslCtxPtr context) {
  const std::scoped_lock lock(mutex_);
  context_.swap(context);
}

void Front::State::StopAccepting() {
  std::unique_lock lock(mutex_);
  stop_accepting_ = true;
  Wake();
  listener_closed_.wait(lock, [this] { return !accepting_; });
}

void Front::State::Wake() {
  const std::uint64_t one = 1;
  // Fails only when the counter is full, and then the loop wakes anyway.
  [[maybe_unused]] const ssize_t written = write(wake_.get(), &one, sizeof(one));
}

void Front::State::Run() {
  BlockSigpipe();
  std::array<epoll_event, kEvents> events;
  while (!stopping_) {
    const int count = epoll_wait(epoll_.get(), events.data(), kEvents, WaitMilliseconds());
    for (int i = 0; i < count; ++i) {
      const std::uint64_t data = events[static_cast<std::size_t>(i)].data.u64;
      if (data == kListenerData) {
        AcceptAll();
      } else if (data == kWakeData) {
        OnWake();
      } else {
        OnEvent(data / 2);
      }
    }
    PumpAgain();
    ExpireDeadlines();
  }
}

int Front::State::WaitMilliseconds() const {
  if (!pump_again_.empty()) return 0;
  std::optional<Deadline> next = accept_again_;
  if (!deadlines_.empty() && (!next || deadlines_.begin()->first < *next)) {
    next = deadlines_.begin()->first;
  }
  // Rounded up, or the last millisecond would be spent in a busy loop.
  return next ? static_cast<int>(TimeLeft(*next).count()) + 1 : -1;
}

void Front::State::OnWake() {
  std::uint64_t ignored = 0;
  [[maybe_unused]] const ssize_t size = read(wake_.get(), &ignored, sizeof(ignored));
  std::vector<Stepped> stepped;
  bool close_listener = false;
  {
    const std::scoped_lock lock(mutex_);
    stepped.swap(stepped_);
    close_listener = stop_accepting_ && accepting_;
  }
  if (close_listener) CloseListener();
  for (Stepped& each : stepped) OnStepped(std::move(each));
}

void Front::State::CloseListener() {
  accept_again_.reset();
  listener_.reset();
  const std::scoped_lock lock(mutex_);
  accepting_ = false;
  listener_closed_.notify_all();
}

void Front::State::PauseAccepting(bool pause) {
  if (!listener_) return;
  epoll_event event = {};
  event.events = pause ? 0U : EPOLLIN;
  event.data.u64 = kListenerData;
  epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, listener_.get(), &event);
  if (pause) {
    accept_again_ = DeadlineIn(kExhaustedPause);
  } else {
    accept_again_.reset();
  }
}

void Front::State::AcceptAll() {
  for (int i = 0; i < kAcceptedAtOnce && listener_; ++i) {
    Accepted accepted = Accept(listener_.get());
    if (accepted.exhausted) return PauseAccepting(true);
    if (!accepted.fd) return;
    Admit(std::move(accepted));
  }
}

void Front::State::Admit(Accepted accepted) {
  const std::string address = ToString(accepted.address);
  const std::string source = SourceOf(accepted.address);
  if (connections_.size() >= options_.limits.connections) {
    return RefuseFlood(address, "TOO_MANY_CONNECTIONS", "all connections are in use");
  }
  const auto held = per_source_.find(source);
  if (held != per_source_.end() && held->second >= options_.limits.connections_per_source) {
    return RefuseFlood(address, "TOO_MANY_CONNECTIONS",
                       "this source has all the connections that one may have");
  }
  auto connection = std::make_unique<Connection>();
  connection->id = next_id_++;
  connection->address = address;
  connection->source = source;
  connection->client = std::move(accepted.fd);
  connection->handshake_deadline = DeadlineIn(options_.limits.handshake_timeout);
  Connection& admitted = *connection;
  ++per_source_[source];
  connections_.emplace(admitted.id, std::move(connection));
  SetDeadline(admitted, admitted.handshake_deadline);
  Watch(admitted, EPOLLIN, 0);
}

void Front::State::OnEvent(std::uint64_t id) {
  const auto found = connections_.find(id);
  // Gone by an earlier event of the same round.
  if (found == connections_.end()) return;
  Connection& connection = *found->second;
  switch (connection.phase) {
    case Connection::Phase::kSilent:
      return Begin(connection);
    case Connection::Phase::kHandshake:
      return PostStep(connection);
    case Connection::Phase::kStepping:
      return;
    case Connection::Phase::kRelay:
      return PumpRelay(connection);
    case Connection::Phase::kLinger:
      return Drain(connection);
  }
}

void Front::State::PumpAgain() {
  for (const std::uint64_t id : std::exchange(pump_again_, {})) OnEvent(id);
}

void Front::State::ExpireDeadlines() {
  const Deadline now = std::chrono::steady_clock::now();
  if (accept_again_ && *accept_again_ <= now) PauseAccepting(false);
  while (!deadlines_.empty() && deadlines_.begin()->first <= now) {
    Connection& connection = *connections_.at(deadlines_.begin()->second);
    if (connection.phase == Connection::Phase::kSilent ||
        connection.phase == Connection::Phase::kHandshake) {
      Refuse(connection.address, "HANDSHAKE_TIMEOUT",
             "the client did not complete the handshake in time");
    }
    Drop(connection);
  }
}

void Front::State::Refuse(const std::string& address, const std::string& reason,
                          const std::string& message) {
  if (!options_.refused) return;
  // On the pool: what the owner does with it may take its time.
  pool_->Post([this, address, reason, message] { options_.refused(address, reason, message); });
}

void Front::State::RefuseFlood(const std::string& address, const std::string& reason,
                               const std::string& message) {
  const std::string sentence =
      flood_reports_.Next(reason, message, std::chrono::steady_clock::now());
  if (!sentence.empty()) Refuse(address, reason, sentence);
}

Front::Front(std::unique_ptr<State> state) : state_(std::move(state)) {}
Front::~Front() = default;

Result<std::unique_ptr<Front>> Front::Start(Options options, Credentials credentials) {
  RETURN_IF_ERROR(CheckLimits(options.limits));
  ASSIGN_OR_RETURN(SslCtxPtr context, MakeServerContext(credentials));
  ASSIGN_OR_RETURN(Listener listener, Listen(options.listen));
  UniqueFd epoll(epoll_create1(EPOLL_CLOEXEC));
  UniqueFd wake(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  if (!epoll || !wake) return FromErrno(errno, "epoll and eventfd of the TLS front");
  auto state = std::make_unique<State>(std::move(options), std::move(context), std::move(listener),
                                       std::move(epoll), std::move(wake));
  RETURN_IF_ERROR(state->Start());
  return std::unique_ptr<Front>(new Front(std::move(state)));
}

int Front::port() const { return state_->port(); }

Status Front::Reload(Credentials credentials) {
  ASSIGN_OR_RETURN(SslCtxPtr context, MakeServerContext(credentials));
  state_->Use(std::move(context));
  return {};
}

void Front::StopAccepting() { state_->StopAccepting(); }

}  // namespace seaworthy::tls
