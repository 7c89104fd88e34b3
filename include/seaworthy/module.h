// A part of the daemon with a life of its own. Modules are listed by hand in app/app.cc; one
// that fails degrades the daemon's health and takes no other down.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "seaworthy/status.h"

namespace grpc {
class Service;
}

namespace seaworthy {

namespace rpc {
class Gate;
}

struct Health {
  enum class Level { kHealthy, kDegraded, kFailed };
  Level level = Level::kHealthy;
  std::string detail;  // what is not as it should be, and what to do
};

class Module {
 public:
  virtual ~Module() = default;
  virtual std::string_view name() const = 0;
  // In list order; must be able to follow a kill -9 at any point of an earlier life. An
  // error makes the module's health FAILED and is not fatal.
  virtual Status Start() = 0;
  // In reverse order.
  virtual void Stop() noexcept = 0;
  // Cheap; takes no TPM turn. Feeds NodeService.GetStatus and the watchdog.
  virtual Health Check() const = 0;
  // The module's gRPC services behind `gate`; called once for each server, which owns them.
  // The gate outlives the services.
  virtual std::vector<std::unique_ptr<grpc::Service>> MakeServices(const rpc::Gate& gate) = 0;
};

}  // namespace seaworthy
