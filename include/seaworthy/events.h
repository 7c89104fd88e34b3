// What happens on the node, for whoever watches: a bounded ring of recent events with any
// number of readers. Publishers never wait. Thread-safe.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <string>
#include <vector>

#include "seaworthy/deadline.h"

namespace seaworthy {

struct Event {
  std::chrono::system_clock::time_point time;
  std::string type;    // stable, for example "key.created"
  std::string target;  // may be empty
  std::string message;
  std::uint64_t sequence = 0;  // counts from 1 since the daemon started
};

class Events {
 public:
  static constexpr std::size_t kKept = 256;

  void Publish(std::string type, std::string target, std::string message);

  // The sequence number the next event will get.
  std::uint64_t NextSequence() const;

  // Waits until an event with a sequence of at least `from` exists, the deadline passes or
  // the stream is closed; returns those still kept, oldest first (empty on the latter two).
  std::vector<Event> WaitFrom(std::uint64_t from, Deadline deadline) const;

  // Ends all waits, now and later; for draining.
  void Close();
  bool closed() const;

 private:
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  std::deque<Event> kept_;
  std::uint64_t next_ = 1;
  bool closed_ = false;
};

}  // namespace seaworthy
