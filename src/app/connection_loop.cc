#include "connection_loop.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>

#include "seaworthy/directory.h"
#include "seaworthy/log.h"
#include "seaworthy/status_macros.h"

namespace seaworthy::app {
namespace {

constexpr std::uint64_t kWakeId = 0;
// How long to leave the listeners alone when the process has no descriptor left: the waiting
// connection keeps the listener readable, and trying again at once would spin.
constexpr int kDescriptorPauseMs = 100;

}  // namespace

// A listener (accepted is set) or a duplicate of a connection (gone is set).
struct ConnectionLoop::Entry {
  std::uint64_t id = 0;
  UniqueFd fd;
  std::function<void(UniqueFd)> accepted;
  std::function<void()> gone;
  std::size_t open = 0;  // listener: its connections, touched by the loop's thread alone
  std::size_t max = 0;
};

ConnectionLoop::ConnectionLoop(UniqueFd epoll, UniqueFd wake)
    : epoll_(std::move(epoll)), wake_(std::move(wake)) {}

Result<std::unique_ptr<ConnectionLoop>> ConnectionLoop::Start() {
  UniqueFd epoll(epoll_create1(EPOLL_CLOEXEC));
  UniqueFd wake(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!epoll || !wake) return FromErrno(errno, "make the connection loop");
  epoll_event event = {};
  // Edge-triggered: each write is an event of its own and none is ever read away, so a wake-up
  // that comes while the thread handles the one before is not lost.
  event.events = EPOLLIN | EPOLLET;
  event.data.u64 = kWakeId;
  if (epoll_ctl(epoll.get(), EPOLL_CTL_ADD, wake.get(), &event) != 0) {
    return FromErrno(errno, "make the connection loop");
  }
  std::unique_ptr<ConnectionLoop> loop(new ConnectionLoop(std::move(epoll), std::move(wake)));
  loop->thread_ = std::thread([raw = loop.get()] { raw->Run(); });
  return loop;
}

ConnectionLoop::~ConnectionLoop() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  Wake();
  thread_.join();
}

Status ConnectionLoop::Listen(UniqueFd listener, std::size_t max,
                              std::function<void(UniqueFd)> accepted) {
  auto entry = std::make_shared<Entry>();
  entry->fd = std::move(listener);
  entry->accepted = std::move(accepted);
  entry->max = max;
  return Add(std::move(entry), EPOLLIN);
}

Status ConnectionLoop::Watch(int connection, std::function<void()> gone) {
  auto entry = std::make_shared<Entry>();
  entry->fd.reset(fcntl(connection, F_DUPFD_CLOEXEC, 0));
  if (!entry->fd) return FromErrno(errno, "duplicate a connection");
  entry->gone = std::move(gone);
  return Add(std::move(entry), EPOLLRDHUP);
}

Status ConnectionLoop::Add(std::shared_ptr<Entry> entry, std::uint32_t events) {
  const std::lock_guard lock(mutex_);
  entry->id = next_id_++;
  epoll_event event = {};
  event.events = events;
  event.data.u64 = entry->id;
  if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, entry->fd.get(), &event) != 0) {
    return FromErrno(errno, "watch a connection");
  }
  entries_.emplace(entry->id, std::move(entry));
  return {};
}

void ConnectionLoop::StopListening() {
  const std::lock_guard turn(turn_);
  const std::lock_guard lock(mutex_);
  std::erase_if(entries_, [](const auto& item) { return item.second->accepted != nullptr; });
}

bool ConnectionLoop::Answers(Deadline deadline) {
  std::unique_lock lock(mutex_);
  const std::uint64_t before = rounds_;
  Wake();
  return came_round_.wait_until(lock, deadline, [&] { return rounds_ > before; });
}

void ConnectionLoop::Wake() {
  const std::uint64_t one = 1;
  // Fails only when the counter is full, and then the thread is awake anyway.
  static_cast<void>(!write(wake_.get(), &one, sizeof(one)));
}

void ConnectionLoop::Run() {
  std::array<epoll_event, 64> events;
  for (;;) {
    const int count = epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()),
                                 out_of_descriptors_ ? kDescriptorPauseMs : -1);
    {
      const std::lock_guard lock(mutex_);
      if (stop_) return;
      rounds_++;
      came_round_.notify_all();
    }
    if (out_of_descriptors_ && count == 0) RearmListeners();
    const std::lock_guard turn(turn_);
    for (int i = 0; i < count; i++) Handle(events[static_cast<std::size_t>(i)].data.u64);
  }
}

void ConnectionLoop::Handle(std::uint64_t id) {
  if (id == kWakeId) return;
  std::shared_ptr<Entry> entry;
  {
    const std::lock_guard lock(mutex_);
    const auto found = entries_.find(id);
    if (found == entries_.end()) return;
    entry = found->second;
    if (entry->gone) entries_.erase(found);
  }
  if (entry->gone) {
    entry->fd.reset();
    entry->gone();
  } else {
    Accept(entry);
  }
}

void ConnectionLoop::Accept(const std::shared_ptr<Entry>& listener) {
  UniqueFd connection(accept4(listener->fd.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!connection) {
    if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
      Log(Level::kWarning, Message(FromErrno(errno, "accept a local connection")));
      SetArmed(*listener, false);
      out_of_descriptors_ = true;
    }
    return;
  }
  const Status watched = Watch(connection.get(), [this, weak = std::weak_ptr<Entry>(listener)] {
    const std::shared_ptr<Entry> owner = weak.lock();
    if (owner && owner->open-- == owner->max) SetArmed(*owner, true);
  });
  if (!watched.ok()) return Log(Level::kWarning, Message(watched));
  if (++listener->open == listener->max) {
    Log(Level::kWarning, "a local socket has all the connections it may have");
    SetArmed(*listener, false);
  }
  listener->accepted(std::move(connection));
}

void ConnectionLoop::SetArmed(Entry& listener, bool armed) {
  epoll_event event = {};
  event.events = armed ? EPOLLIN : 0U;
  event.data.u64 = listener.id;
  // Fails only when the listener is closed already.
  static_cast<void>(epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, listener.fd.get(), &event));
}

void ConnectionLoop::RearmListeners() {
  out_of_descriptors_ = false;
  const std::lock_guard lock(mutex_);
  for (const auto& [id, entry] : entries_) {
    if (entry->accepted && entry->open < entry->max) SetArmed(*entry, true);
  }
}

}  // namespace seaworthy::app
