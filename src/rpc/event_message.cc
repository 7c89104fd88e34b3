#include "seaworthy/rpc/event_message.h"

namespace seaworthy::rpc {

void ToMessage(std::chrono::system_clock::time_point time, google::protobuf::Timestamp& message) {
  const auto since = time.time_since_epoch();
  const auto seconds = std::chrono::floor<std::chrono::seconds>(since);
  message.set_seconds(seconds.count());
  message.set_nanos(static_cast<std::int32_t>(
      std::chrono::duration_cast<std::chrono::nanoseconds>(since - seconds).count()));
}

void ToMessage(const Event& event, v1::Event& message) {
  ToMessage(event.time, *message.mutable_time());
  message.set_type(event.type);
  message.set_target(event.target);
  message.set_message(event.message);
}

}  // namespace seaworthy::rpc
