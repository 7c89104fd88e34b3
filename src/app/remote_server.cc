#include "remote_server.h"

#include <grpcpp/server_context.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>

#include "seaworthy/bytes.h"
#include "seaworthy/directory.h"
#include "seaworthy/rpc/audit.h"
#include "seaworthy/status_macros.h"
#include "seaworthy/words.h"

namespace seaworthy::app {
namespace {

// How gRPC writes the name of an abstract Unix socket.
constexpr std::string_view kPeerScheme = "unix-abstract:";

std::string NamesOf(const std::vector<std::string>& names) {
  return names.empty() ? "a certificate without alternative names" : Join(names);
}

// Binds to an abstract name (unix(7)) that nobody could take before us.
Status BindAbstract(int socket, const std::string& name) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path + 1, name.data(), name.size());
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
  if (bind(socket, reinterpret_cast<const sockaddr*>(&address), size) != 0) {
    return FromErrno(errno, "name a connection");
  }
  return {};
}

}  // namespace

struct RemoteServer::Table {
  std::mutex mutex;                                    // guards what follows
  std::map<std::string, tls::ClientIdentity> clients;  // by the connection's name
  std::map<std::string, rpc::Role> roles;
  std::uint64_t next = 1;
};

RemoteServer::RemoteServer(rpc::AuditLog& audit, ConnectionLoop& loop,
                           std::map<std::string, rpc::Role> roles)
    : audit_(audit), loop_(loop), table_(std::make_shared<Table>()) {
  table_->roles = std::move(roles);
}

RemoteServer::~RemoteServer() {
  // Connections under way use both: the front must be gone before gRPC is.
  front_.reset();
}

Result<std::unique_ptr<RemoteServer>> RemoteServer::Start(Options options,
                                                          tls::Front::Credentials credentials,
                                                          ConnectionLoop& loop) {
  const Config::Remote& remote = options.config.remote;
  std::unique_ptr<RemoteServer> server(new RemoteServer(options.audit, loop, remote.roles));
  RemoteServer* raw = server.get();
  rpc::Gate::Options gate{
      [raw](const grpc::ServerContext& context) { return raw->Identify(context); }, options.audit};
  ASSIGN_OR_RETURN(server->api_, ApiServer::Start({remote.listen, options.config, std::move(gate),
                                                   std::move(options.make_services)}));
  tls::Front::Options front;
  front.listen = remote.listen;
  front.limits = remote.limits;
  front.connect = [raw](const tls::ClientIdentity& client) { return raw->Connect(client); };
  front.refused = [raw](const std::string& address, const std::string& reason,
                        const std::string& message) { raw->Refused(address, reason, message); };
  ASSIGN_OR_RETURN(server->front_, tls::Front::Start(std::move(front), std::move(credentials)));
  return server;
}

void RemoteServer::SetRoles(std::map<std::string, rpc::Role> roles) {
  const std::lock_guard lock(table_->mutex);
  table_->roles = std::move(roles);
}

Result<UniqueFd> RemoteServer::Connect(const tls::ClientIdentity& client) {
  int ends[2] = {-1, -1};
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0) {
    return FromErrno(errno, "make a connection to the API");
  }
  UniqueFd front_end(ends[0]);
  UniqueFd server_end(ends[1]);
  std::uint8_t random[8] = {};
  if (getrandom(random, sizeof(random), 0) != sizeof(random)) return FromErrno(errno, "getrandom");
  std::string name = "seaworthy/" + Hex(random) + "/";
  {
    const std::lock_guard lock(table_->mutex);
    name += std::to_string(table_->next++);
  }
  RETURN_IF_ERROR(BindAbstract(front_end.get(), name));
  {
    const std::lock_guard lock(table_->mutex);
    table_->clients.emplace(name, client);
  }
  Status watched = loop_.Watch(server_end.get(), [table = table_, name] {
    const std::lock_guard lock(table->mutex);
    table->clients.erase(name);
  });
  if (!watched.ok()) {
    const std::lock_guard lock(table_->mutex);
    table_->clients.erase(name);
    return watched;
  }
  api_->ServeNamedPeer(std::move(server_end));
  return front_end;
}

void RemoteServer::Refused(const std::string& address, const std::string& reason,
                           const std::string& message) {
  rpc::AuditRecord record;
  record.time = std::chrono::system_clock::now();
  record.peer = address;
  record.method = "tls.handshake";
  record.outcome = "refused";
  record.code = "UNAUTHENTICATED";
  record.reason = reason;
  record.message = message;
  // Refused anyway; AuditLog::health tells of a file that can't be written.
  static_cast<void>(audit_.Write(record));
}

Result<rpc::Peer> RemoteServer::Identify(const grpc::ServerContext& context) {
  const std::string peer = context.peer();
  const std::lock_guard lock(table_->mutex);
  const auto found = peer.starts_with(kPeerScheme)
                         ? table_->clients.find(peer.substr(kPeerScheme.size()))
                         : table_->clients.end();
  if (found == table_->clients.end()) {
    return Fail(Code::kUnauthenticated, "CONNECTION_GONE", "the connection is already closed");
  }
  const tls::ClientIdentity& client = found->second;
  // A certificate with several configured names has been given the roles of all of them.
  rpc::Peer result{rpc::Role::kNone, NamesOf(client.alternative_names) + " from " + client.address};
  for (const std::string& name : client.alternative_names) {
    const auto role = table_->roles.find(name);
    if (role == table_->roles.end() || role->second <= result.role) continue;
    result = {role->second, name + " from " + client.address};
  }
  return result;
}

}  // namespace seaworthy::app
