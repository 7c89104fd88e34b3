// A few threads that do pieces of work in the order in which they were posted.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace seaworthy::tls {

// For threads that write to sockets through OpenSSL, which can't be told MSG_NOSIGNAL: a
// client that went away must not end the process. What such a thread writes to is its own
// affair, so it is not done for the whole process.
void BlockSigpipe();

class WorkQueue {
 public:
  explicit WorkQueue(std::size_t threads);
  // Waits for the work that has begun and drops the rest.
  ~WorkQueue();
  WorkQueue(const WorkQueue&) = delete;
  WorkQueue& operator=(const WorkQueue&) = delete;

  void Post(std::function<void()> work);

 private:
  void Run();

  std::mutex mutex_;
  std::condition_variable posted_;
  std::deque<std::function<void()>> work_;
  bool stopping_ = false;
  std::vector<std::jthread> threads_;
};

}  // namespace seaworthy::tls
