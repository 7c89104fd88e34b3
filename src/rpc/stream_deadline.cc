#include "seaworthy/rpc/stream_deadline.h"

#include <grpcpp/server_context.h>

namespace seaworthy::rpc {

StreamDeadline::StreamDeadline(grpc::ServerContext& context, Deadline deadline)
    : deadline_(deadline), timer_([this, &context] {
        std::unique_lock lock(mutex_);
        if (!ended_.wait_until(lock, deadline_, [this] { return end_; })) context.TryCancel();
      }) {}

StreamDeadline::~StreamDeadline() {
  {
    const std::lock_guard lock(mutex_);
    end_ = true;
  }
  ended_.notify_one();
  timer_.join();
}

Status StreamDeadline::NotTaken() const {
  if (TimeLeft(deadline_).count() == 0) {
    return Fail(Code::kDeadlineExceeded, "CLIENT_TOO_SLOW",
                "the client did not take the answer in time");
  }
  return Fail(Code::kCancelled, "CLIENT_GONE", "the client ended the call");
}

}  // namespace seaworthy::rpc
