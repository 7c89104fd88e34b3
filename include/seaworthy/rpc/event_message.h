// Events between the API's messages and ours, for every service that tells of them.
#pragma once

#include <google/protobuf/timestamp.pb.h>

#include "seaworthy/events.h"
#include "seaworthy/v1/node.pb.h"

namespace seaworthy::rpc {

void ToMessage(std::chrono::system_clock::time_point time, google::protobuf::Timestamp& message);

// All but `missed`, which the watcher knows.
void ToMessage(const Event& event, v1::Event& message);

}  // namespace seaworthy::rpc
