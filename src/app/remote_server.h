// The API for clients on the network. tls::Front terminates mutual TLS; each authenticated
// connection goes on over a socket pair into a gRPC server. The front's end of the pair is
// bound to a name that is used once, and gRPC tells that name with each call of the
// connection: so a call's certificate is known without trusting anything the client sends.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "api_server.h"
#include "connection_loop.h"
#include "seaworthy/tls/front.h"

namespace seaworthy::app {

class RemoteServer {
 public:
  struct Options {
    const Config& config;
    rpc::AuditLog& audit;
    MakeServices make_services;
  };

  static Result<std::unique_ptr<RemoteServer>> Start(Options options,
                                                     tls::Front::Credentials credentials,
                                                     ConnectionLoop& loop);
  ~RemoteServer();

  int port() const { return front_->port(); }
  ApiServer& api() { return *api_; }

  // For handshakes from now on.
  Status Reload(tls::Front::Credentials credentials) {
    return front_->Reload(std::move(credentials));
  }
  // For each call from now on, also on connections that are open.
  void SetRoles(std::map<std::string, rpc::Role> roles);

  void StopAccepting() { front_->StopAccepting(); }

 private:
  RemoteServer(rpc::AuditLog& audit, ConnectionLoop& loop, std::map<std::string, rpc::Role> roles);
  Result<UniqueFd> Connect(const tls::ClientIdentity& client);
  void Refused(const std::string& address, const std::string& reason, const std::string& message);
  Result<rpc::Peer> Identify(const grpc::ServerContext& context);

  // Outlives the server in the loop's callbacks.
  struct Table;

  rpc::AuditLog& audit_;
  ConnectionLoop& loop_;
  std::shared_ptr<Table> table_;
  std::unique_ptr<ApiServer> api_;
  std::unique_ptr<tls::Front> front_;
};

}  // namespace seaworthy::app
