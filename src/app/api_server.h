// One gRPC server of the API: the services behind a gate of its own, with the limits of the
// configuration. It listens on nothing; connections are given to it.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "config.h"
#include "seaworthy/deadline.h"
#include "seaworthy/handle.h"
#include "seaworthy/module.h"
#include "seaworthy/rpc/serve.h"

namespace grpc {
class Server;
class Service;
namespace experimental {
class ExternalConnectionAcceptor;
}
}  // namespace grpc

namespace seaworthy::app {

using MakeServices = std::function<std::vector<std::unique_ptr<grpc::Service>>(const rpc::Gate&)>;

class ApiServer {
 public:
  struct Options {
    std::string name;  // for errors
    const Config& config;
    rpc::Gate::Options gate;
    MakeServices make_services;
  };

  static Result<std::unique_ptr<ApiServer>> Start(Options options);
  ~ApiServer();

  // Serves a connected socket. ServerContext::peer() of its calls is "fd:<number>".
  void ServeDescriptor(UniqueFd connection);
  // The same, and peer() is the address that the socket's other end is bound to.
  void ServeNamedPeer(UniqueFd connection);

  // What grpc.health.v1 says of a service; empty: of the server.
  void SetServing(const std::string& service, bool serving);

  // Takes no new calls, waits for those under way until the deadline, then cancels them.
  void Shutdown(Deadline deadline);

  // Whether the server's threads answer an HTTP/2 ping in time; for the watchdog.
  bool Answers(Deadline deadline);

 private:
  explicit ApiServer(Options options);

  rpc::Gate gate_;
  std::vector<std::unique_ptr<grpc::Service>> services_;
  std::unique_ptr<grpc::experimental::ExternalConnectionAcceptor> acceptor_;
  std::unique_ptr<grpc::Server> server_;
  std::mutex mutex_;
  bool stopped_ = false;  // guarded by mutex_: gRPC takes no connection after its shutdown
};

}  // namespace seaworthy::app
