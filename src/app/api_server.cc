#include "api_server.h"

#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/impl/service_type.h>
#include <grpcpp/resource_quota.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>
#include <grpcpp/server_posix.h>
#include <sys/socket.h>

#include <mutex>

#include "http2_ping.h"

namespace seaworthy::app {
namespace {

// For all buffers of one server's connections; gRPC pushes back beyond it.
constexpr std::size_t kMemoryQuota = 64 * 1024 * 1024;
constexpr int kMaxMetadata = 16 * 1024;
// Pollers that wait for work when nothing is to do; more threads come and go with the calls.
constexpr int kMinPollers = 1;
constexpr int kMaxPollers = 2;

using std::chrono::milliseconds;

// Of the calls at once, the part that may be watches.
constexpr std::size_t kWatchShare = 4;
// For the last answers to reach the sockets.
constexpr milliseconds kFlushTime{200};

using Acceptor = grpc::ServerBuilder::experimental_type::ExternalConnectionType;

// Both are process-wide switches of gRPC's, to be set before the first server is built.
void SetGlobalOptions(bool reflection) {
  static std::once_flag once;
  std::call_once(once, [&] {
    grpc::EnableDefaultHealthCheckService(true);
    if (reflection) grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  });
}

void ApplyLimits(grpc::ServerBuilder& builder, const Config& config) {
  const Config::Limits& limits = config.limits;
  const int message_bytes = static_cast<int>(limits.max_message_bytes);
  const int keepalive_ms = static_cast<int>(limits.keepalive_time.count());
  builder.SetMaxReceiveMessageSize(message_bytes);
  builder.SetMaxSendMessageSize(message_bytes);
  builder.AddChannelArgument(GRPC_ARG_MAX_METADATA_SIZE, kMaxMetadata);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS,
                             static_cast<int>(limits.max_streams_per_connection));
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, keepalive_ms);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS,
                             static_cast<int>(limits.keepalive_timeout.count()));
  // Watchers of events are silent for long: their own pings are welcome, but not a flood.
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 5'000);
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);

  grpc::ResourceQuota quota;
  quota.Resize(kMemoryQuota);
  quota.SetMaxThreads(static_cast<int>(limits.max_concurrent_calls) + kMaxPollers);
  builder.SetResourceQuota(quota);
  builder.SetSyncServerOption(grpc::ServerBuilder::NUM_CQS, 1);
  builder.SetSyncServerOption(grpc::ServerBuilder::MIN_POLLERS, kMinPollers);
  builder.SetSyncServerOption(grpc::ServerBuilder::MAX_POLLERS, kMaxPollers);
}

rpc::Gate::Options WithLimits(rpc::Gate::Options gate, const Config::Limits& limits) {
  gate.default_deadline = limits.default_deadline;
  gate.max_watches = limits.max_concurrent_calls / kWatchShare;
  return gate;
}

}  // namespace

ApiServer::ApiServer(Options options)
    : gate_(WithLimits(std::move(options.gate), options.config.limits)),
      services_(options.make_services(gate_)) {}

ApiServer::~ApiServer() { Shutdown(DeadlineIn(std::chrono::milliseconds(0))); }

Result<std::unique_ptr<ApiServer>> ApiServer::Start(Options options) {
  const std::string name = options.name;
  const Config& config = options.config;
  SetGlobalOptions(config.api.reflection);
  std::unique_ptr<ApiServer> server(new ApiServer(std::move(options)));
  grpc::ServerBuilder builder;
  ApplyLimits(builder, config);
  for (const auto& service : server->services_) builder.RegisterService(service.get());
  // The security is outside: a directory's mode, or the TLS front.
  server->acceptor_ = builder.experimental().AddExternalConnectionAcceptor(
      Acceptor::FROM_FD, grpc::InsecureServerCredentials());
  server->server_ = builder.BuildAndStart();
  if (!server->server_) {
    return Fail(Code::kInternal, "GRPC_SERVER", "gRPC did not start the server for " + name);
  }
  return server;
}

void ApiServer::ServeDescriptor(UniqueFd connection) {
  const std::lock_guard lock(mutex_);
  if (!stopped_) grpc::AddInsecureChannelFromFd(server_.get(), connection.release());
}

void ApiServer::ServeNamedPeer(UniqueFd connection) {
  const std::lock_guard lock(mutex_);
  if (stopped_) return;
  grpc::experimental::ExternalConnectionAcceptor::NewConnectionParameters parameters;
  parameters.listener_fd = -1;
  parameters.fd = connection.release();
  acceptor_->HandleNewConnection(&parameters);
}

void ApiServer::SetServing(const std::string& service, bool serving) {
  grpc::HealthCheckServiceInterface* health = server_->GetHealthCheckService();
  if (health != nullptr) health->SetServingStatus(service, serving);
}

void ApiServer::Shutdown(Deadline deadline) {
  {
    const std::lock_guard lock(mutex_);
    if (stopped_ || !server_) return;
    stopped_ = true;
  }
  // Counted by the gate, because gRPC's own shutdown waits for idle connections as well, and
  // gRPC's own clients are slow to leave when they have nothing to do.
  const bool idle = gate_.Drain(deadline);
  server_->Shutdown(std::chrono::system_clock::now() + (idle ? kFlushTime : milliseconds(0)));
}

bool ApiServer::Answers(Deadline deadline) {
  int ends[2] = {-1, -1};
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0) return false;
  const UniqueFd ours(ends[0]);
  ServeDescriptor(UniqueFd(ends[1]));
  return AnswersHttp2Ping(ours.get(), deadline);
}

}  // namespace seaworthy::app
