// Bounds how long a call that streams may wait for a client that does not read: gRPC itself lets a
// write wait as long as the connection lives.
#pragma once

#include <condition_variable>
#include <mutex>
#include <thread>

#include "seaworthy/deadline.h"
#include "seaworthy/status.h"

namespace grpc {
class ServerContext;
}  // namespace grpc

namespace seaworthy::rpc {

// Cancels the call when the deadline passes while this lives.
class StreamDeadline {
 public:
  StreamDeadline(grpc::ServerContext& context, Deadline deadline);
  StreamDeadline(const StreamDeadline&) = delete;
  StreamDeadline& operator=(const StreamDeadline&) = delete;
  ~StreamDeadline();

  // Why a write failed: DEADLINE_EXCEEDED (CLIENT_TOO_SLOW) or CANCELLED (CLIENT_GONE).
  Status NotTaken() const;

 private:
  const Deadline deadline_;
  std::mutex mutex_;
  std::condition_variable ended_;
  bool end_ = false;  // guarded by mutex_
  std::thread timer_;
};

}  // namespace seaworthy::rpc
