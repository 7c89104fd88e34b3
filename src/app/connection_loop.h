// Accepts local connections and notices when connections end, for all servers, on one thread.
// gRPC takes a connected descriptor but tells nobody when it is done with it; so the loop
// keeps a duplicate of each and polls it: gRPC shuts a socket down before it closes it, and
// that, like the peer's close, shows on the duplicate as a hang-up.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <thread>

#include "seaworthy/deadline.h"
#include "seaworthy/handle.h"
#include "seaworthy/status.h"

namespace seaworthy::app {

class ConnectionLoop {
 public:
  static Result<std::unique_ptr<ConnectionLoop>> Start();
  ~ConnectionLoop();

  // Accepts on `listener`, at most `max` connections at a time; more wait in its backlog.
  // `accepted` runs on the loop's thread.
  Status Listen(UniqueFd listener, std::size_t max, std::function<void(UniqueFd)> accepted);

  // Calls `gone` on the loop's thread once the connection is over on either side.
  Status Watch(int connection, std::function<void()> gone);

  // Closes all listeners. When it returns no `accepted` runs or will.
  void StopListening();

  // Whether the thread comes round in time; for the watchdog.
  bool Answers(Deadline deadline);

 private:
  struct Entry;
  ConnectionLoop(UniqueFd epoll, UniqueFd wake);
  Status Add(std::shared_ptr<Entry> entry, std::uint32_t events);
  void Run();
  void Handle(std::uint64_t id);
  void Accept(const std::shared_ptr<Entry>& listener);
  void SetArmed(Entry& listener, bool armed);
  void RearmListeners();
  void Wake();

  UniqueFd epoll_;
  UniqueFd wake_;
  // Held while callbacks run on the loop's thread, so that StopListening can wait for them.
  std::mutex turn_;
  std::mutex mutex_;  // guards what follows
  std::map<std::uint64_t, std::shared_ptr<Entry>> entries_;
  std::uint64_t next_id_ = 1;
  std::uint64_t rounds_ = 0;
  std::condition_variable came_round_;
  bool stop_ = false;
  bool out_of_descriptors_ = false;
  std::thread thread_;
};

}  // namespace seaworthy::app
