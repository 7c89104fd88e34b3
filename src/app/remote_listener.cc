#include "remote_listener.h"

#include <arpa/inet.h>
#include <unistd.h>

#include <climits>

#include "seaworthy/directory.h"
#include "seaworthy/log.h"
#include "seaworthy/status_macros.h"

namespace seaworthy::app {
namespace {

constexpr std::chrono::milliseconds kKeyDeadline{5'000};
// A self-signed certificate is made anew long before it can expire.
constexpr std::chrono::hours kRenewEvery{24};
constexpr std::size_t kMaxClientCa = 1024 * 1024;

bool IsIpAddress(const std::string& name) {
  std::uint8_t address[sizeof(in6_addr)] = {};
  return inet_pton(AF_INET, name.c_str(), address) == 1 ||
         inet_pton(AF_INET6, name.c_str(), address) == 1;
}

// What the self-signed certificate says until an operator installs another.
tls::Subject SubjectOf(const Config::Remote& remote) {
  tls::Subject subject;
  subject.distinguished_name = "CN=seaworthyd";
  std::vector<std::string> names = remote.server_names;
  char host[HOST_NAME_MAX + 1] = {};
  if (names.empty() && gethostname(host, sizeof(host) - 1) == 0) names.emplace_back(host);
  for (const std::string& name : names) {
    (IsIpAddress(name) ? subject.ip_addresses : subject.dns_names).push_back(name);
  }
  return subject;
}

Result<std::string> ReadClientCa(const Config::Remote& remote) {
  ASSIGN_OR_RETURN(const Bytes content, ReadFile(remote.client_ca, kMaxClientCa));
  return std::string(AsText(content));
}

}  // namespace

RemoteListener::RemoteListener(Parts parts, const Config& config)
    : parts_(std::move(parts)),
      config_(config),
      problem_(Fail(Code::kUnavailable, "TPM_NOT_READ", "waits for the TPM")) {}

Result<tls::Front::Credentials> RemoteListener::MakeCredentials(const Config::Remote& remote) {
  tls::Front::Credentials credentials;
  ASSIGN_OR_RETURN(credentials.client_ca_pem, ReadClientCa(remote));
  ASSIGN_OR_RETURN(keys::Keys::ServerKey key,
                   parts_.keys.GetServerKey(DeadlineIn(kKeyDeadline), remote.key,
                                            remote.key_algorithm, SubjectOf(remote)));
  credentials.certificate_chain_pem = std::move(key.certificate_chain_pem);
  credentials.key = std::move(key.key);
  credentials.min_version = remote.min_tls_version == "1.2" ? TLS1_2_VERSION : TLS1_3_VERSION;
  const std::lock_guard lock(mutex_);
  self_signed_ = key.self_signed;
  return credentials;
}

Status RemoteListener::Open(const Config& config) {
  ASSIGN_OR_RETURN(tls::Front::Credentials credentials, MakeCredentials(config.remote));
  ASSIGN_OR_RETURN(std::shared_ptr<RemoteServer> server,
                   RemoteServer::Start({config, parts_.audit, parts_.make_services},
                                       std::move(credentials), parts_.loop));
  const std::string message = "the remote API listens on " + config.remote.listen + ", port " +
                              std::to_string(server->port());
  {
    const std::lock_guard lock(mutex_);
    if (stopped_) return {};
    server->SetRoles(config_.remote.roles);
    server_ = std::move(server);
  }
  Log(Level::kInfo, message);
  parts_.events.Publish("remote.listening", config.remote.listen, message);
  return {};
}

Status RemoteListener::Update(RemoteServer& server, const Config& config) {
  ASSIGN_OR_RETURN(tls::Front::Credentials credentials, MakeCredentials(config.remote));
  RETURN_IF_ERROR(server.Reload(std::move(credentials)));
  parts_.events.Publish("remote.credentials", config.remote.key,
                        "the remote API took up its certificate and client CA anew");
  return {};
}

void RemoteListener::Tend() {
  std::shared_ptr<RemoteServer> server;
  Config config;
  {
    const std::lock_guard lock(mutex_);
    const bool due = renew_ || Clock::now() - renewed_ > kRenewEvery;
    if (stopped_ || config_.remote.listen.empty() || (server_ && !due)) return;
    renew_ = false;
    server = server_;
    config = config_;
  }
  const Status status = server ? Update(*server, config) : Open(config);
  const std::lock_guard lock(mutex_);
  if (status.ok()) {
    renewed_ = Clock::now();
  } else {
    renew_ = true;
    if (Message(status) != Message(problem_)) {
      Log(Level::kWarning, "remote API: " + Message(status));
    }
  }
  problem_ = status;
}

Status RemoteListener::Reload(const Config& config) {
  if (!config_.remote.listen.empty()) RETURN_IF_ERROR(ReadClientCa(config.remote).status());
  const std::lock_guard lock(mutex_);
  config_ = config;
  renew_ = true;
  if (server_) server_->SetRoles(config.remote.roles);
  return {};
}

void RemoteListener::Renew() {
  const std::lock_guard lock(mutex_);
  renew_ = true;
}

Health RemoteListener::Check() const {
  const std::lock_guard lock(mutex_);
  if (!problem_.ok()) {
    const auto level = server_ ? Health::Level::kDegraded : Health::Level::kFailed;
    return {level, Reason(problem_) + ": " + Message(problem_)};
  }
  if (self_signed_) {
    return {Health::Level::kHealthy, "the certificate of the key " + config_.remote.key +
                                         " is self-signed; install one for it"};
  }
  return {};
}

std::shared_ptr<RemoteServer> RemoteListener::server() const {
  const std::lock_guard lock(mutex_);
  return server_;
}

std::optional<int> RemoteListener::port() const {
  const std::shared_ptr<RemoteServer> open = server();
  return open ? std::optional<int>(open->port()) : std::nullopt;
}

void RemoteListener::SetServing(const std::string& service, bool serving) {
  if (const auto open = server()) open->api().SetServing(service, serving);
}

void RemoteListener::StopAccepting() {
  {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
  }
  if (const auto open = server()) open->StopAccepting();
}

void RemoteListener::Shutdown(Deadline deadline) {
  if (const auto open = server()) open->api().Shutdown(deadline);
}

bool RemoteListener::Answers(Deadline deadline) {
  const auto open = server();
  return !open || open->api().Answers(deadline);
}

}  // namespace seaworthy::app
