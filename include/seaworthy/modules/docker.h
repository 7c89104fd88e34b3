// The docker module: Docker's engine audited and hardened, by a process that has the privilege.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "seaworthy/events.h"
#include "seaworthy/module.h"

namespace seaworthy::docker {

class Docker final : public Module {
 public:
  struct Options {
    std::string hardener_socket;  // of seaworthy-hardener
  };

  // `events` outlives it.
  Docker(Events& events, Options options);

  std::string_view name() const override { return "docker"; }
  Status Start() override { return {}; }
  void Stop() noexcept override {}
  // Nothing is asked of a node without an engine, and nothing is wrong with it.
  Health Check() const override { return {}; }
  std::vector<std::unique_ptr<grpc::Service>> MakeServices(const rpc::Gate& gate) override;

 private:
  Events& events_;
  const Options options_;
  std::atomic<int> watches_ = 0;  // of all servers
};

}  // namespace seaworthy::docker
