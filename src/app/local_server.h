// The API on one Unix socket. Who may connect is the directory's matter (local_socket.h); the
// role is the server's, the same for each connection. The peer's uid and pid are known for
// the audit only: the kernel tells them of a descriptor, and gRPC names a call's connection
// by the descriptor's number.
#pragma once

#include <sys/socket.h>

#include <atomic>
#include <memory>
#include <string>
#include <unordered_map>

#include "api_server.h"
#include "connection_loop.h"
#include "local_socket.h"

namespace seaworthy::app {

class LocalServer {
 public:
  struct Options {
    std::string path;
    SocketAccess access;
    rpc::Role role;
    const Config& config;
    rpc::AuditLog& audit;
    MakeServices make_services;
  };

  static Result<std::unique_ptr<LocalServer>> Start(Options options, ConnectionLoop& loop);
  // The loop's listeners must be stopped before.
  ~LocalServer();

  ApiServer& api() { return *api_; }

 private:
  LocalServer(std::string path, rpc::Role role) : path_(std::move(path)), role_(role) {}
  void Accepted(UniqueFd connection);
  Result<rpc::Peer> Identify(const grpc::ServerContext& context);

  const std::string path_;
  const rpc::Role role_;
  std::mutex mutex_;
  std::unordered_map<int, ucred> peers_;  // by descriptor; guarded by mutex_, as is next_number_
  int next_number_ = 0;
  std::unique_ptr<ApiServer> api_;
};

}  // namespace seaworthy::app
