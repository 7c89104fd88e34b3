// NodeService: what the TPM and the daemon's parts are like, and what happens on the node.
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "seaworthy/events.h"
#include "seaworthy/module.h"
#include "seaworthy/rpc/serve.h"
#include "seaworthy/v1/node.grpc.pb.h"
#include "tpm_monitor.h"

namespace seaworthy::app {

struct NamedHealth {
  std::string name;
  Health health;
};

// What the service tells about; outlives it.
struct NodeView {
  TpmMonitor& monitor;
  const tpm::Broker& broker;
  const Events& events;
  std::function<std::vector<NamedHealth>()> modules;
  std::chrono::system_clock::time_point started;
};

class NodeService final : public v1::NodeService::Service {
 public:
  NodeService(const NodeView& node, const rpc::Gate& gate) : node_(node), gate_(gate) {}

  grpc::Status GetStatus(grpc::ServerContext* context, const v1::GetStatusRequest* request,
                         v1::GetStatusResponse* response) override;
  grpc::Status WatchEvents(grpc::ServerContext* context, const v1::WatchEventsRequest* request,
                           grpc::ServerWriter<v1::Event>* writer) override;

 private:
  const NodeView& node_;
  const rpc::Gate& gate_;
};

}  // namespace seaworthy::app
