#include "seaworthy/events.h"

namespace seaworthy {

void Events::Publish(std::string type, std::string target, std::string message) {
  const std::lock_guard lock(mutex_);
  kept_.push_back({std::chrono::system_clock::now(), std::move(type), std::move(target),
                   std::move(message), next_++});
  if (kept_.size() > kKept) kept_.pop_front();
  changed_.notify_all();
}

std::uint64_t Events::NextSequence() const {
  const std::lock_guard lock(mutex_);
  return next_;
}

std::vector<Event> Events::WaitFrom(std::uint64_t from, Deadline deadline) const {
  std::unique_lock lock(mutex_);
  changed_.wait_until(lock, deadline, [&] { return closed_ || next_ > from; });
  std::vector<Event> events;
  for (const Event& event : kept_) {
    if (event.sequence >= from) events.push_back(event);
  }
  return events;
}

void Events::Close() {
  const std::lock_guard lock(mutex_);
  closed_ = true;
  changed_.notify_all();
}

bool Events::closed() const {
  const std::lock_guard lock(mutex_);
  return closed_;
}

}  // namespace seaworthy
