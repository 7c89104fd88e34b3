#include "local_server.h"

#include <fcntl.h>
#include <grpcpp/server_context.h>

#include <charconv>

#include "seaworthy/status_macros.h"

namespace seaworthy::app {
namespace {

// Connections get numbers from this range, the next free one each time round. So a number is
// not soon taken again, and a call that outlives its connection is not taken for another's.
constexpr int kFirstNumber = 1024;
constexpr int kNumbers = 4096;

UniqueFd Renumber(UniqueFd connection, int at_least) {
  UniqueFd renumbered(fcntl(connection.get(), F_DUPFD_CLOEXEC, at_least));
  // Where the process may not have so many descriptors, the number at hand has to do.
  return renumbered ? std::move(renumbered) : std::move(connection);
}

}  // namespace

Result<std::unique_ptr<LocalServer>> LocalServer::Start(Options options, ConnectionLoop& loop) {
  ASSIGN_OR_RETURN(UniqueFd listener, ListenLocal(options.path, options.access));
  std::unique_ptr<LocalServer> server(new LocalServer(options.path, options.role));
  LocalServer* raw = server.get();
  rpc::Gate::Options gate{
      [raw](const grpc::ServerContext& context) { return raw->Identify(context); }, options.audit};
  ASSIGN_OR_RETURN(server->api_, ApiServer::Start({options.path, options.config, std::move(gate),
                                                   std::move(options.make_services)}));
  RETURN_IF_ERROR(
      loop.Listen(std::move(listener), options.config.local.max_connections,
                  [raw](UniqueFd connection) { raw->Accepted(std::move(connection)); }));
  return server;
}

LocalServer::~LocalServer() { unlink(path_.c_str()); }

void LocalServer::Accepted(UniqueFd connection) {
  ucred peer = {};
  socklen_t size = sizeof(peer);
  if (getsockopt(connection.get(), SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return;
  {
    const std::lock_guard lock(mutex_);
    connection = Renumber(std::move(connection), kFirstNumber + next_number_);
    next_number_ = (next_number_ + 1) % kNumbers;
    // Stays until the number comes round again: a call may end after its connection did.
    peers_[connection.get()] = peer;
  }
  api_->ServeDescriptor(std::move(connection));
}

Result<rpc::Peer> LocalServer::Identify(const grpc::ServerContext& context) {
  constexpr std::string_view kPrefix = "fd:";
  const std::string name = context.peer();
  int number = -1;
  if (name.starts_with(kPrefix)) {
    std::from_chars(name.data() + kPrefix.size(), name.data() + name.size(), number);
  }
  const std::lock_guard lock(mutex_);
  const auto found = peers_.find(number);
  if (found == peers_.end()) return rpc::Peer{role_, "unknown"};
  return rpc::Peer{role_, "uid=" + std::to_string(found->second.uid) +
                              " pid=" + std::to_string(found->second.pid)};
}

}  // namespace seaworthy::app
