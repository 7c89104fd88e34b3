// The integrity module: what the kernel's IMA and EVM do on the node.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "seaworthy/module.h"

namespace seaworthy::integrity {

class Integrity final : public Module {
 public:
  std::string_view name() const override { return "integrity"; }
  Status Start() override { return {}; }
  void Stop() noexcept override {}
  Health Check() const override { return {}; }
  std::vector<std::unique_ptr<grpc::Service>> MakeServices(const rpc::Gate& gate) override;
};

}  // namespace seaworthy::integrity
