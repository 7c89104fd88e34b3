#include "app.h"

#include <grpcpp/impl/service_type.h>

#include <array>
#include <filesystem>
#include <thread>

#include "seaworthy/directory.h"
#include "seaworthy/log.h"
#include "seaworthy/status_macros.h"
#include "state_lock.h"

namespace seaworthy::app {
namespace {

constexpr char kNodeService[] = "seaworthy.v1.NodeService";
// seaworthy-mapper.socket's.
constexpr char kMapperSocket[] = "/run/seaworthy-mapper.sock";

Result<std::unique_ptr<rpc::AuditLog>> OpenAudit(const std::string& path) {
  if (!path.empty()) {
    const std::string parent = std::filesystem::path(path).parent_path().string();
    RETURN_IF_ERROR(Directory::Create(parent).status());
  }
  return rpc::AuditLog::Open(path);
}

// The worse of how the module started and what it says now.
Health HealthOf(const Module& module, const Status& started) {
  if (!started.ok()) return {Health::Level::kFailed, Reason(started) + ": " + Message(started)};
  return module.Check();
}

}  // namespace

App::App(const Config& config, UniqueFd state_lock, std::unique_ptr<rpc::AuditLog> audit,
         std::unique_ptr<ConnectionLoop> loop)
    : config_(config),
      state_lock_(std::move(state_lock)),
      audit_(std::move(audit)),
      loop_(std::move(loop)),
      broker_({config.tpm.tcti, config.node.state_dir,
               [this](bool available, const std::string& why) { TpmChanged(available, why); }}),
      monitor_(broker_, [this] { Tend(); }),
      node_{monitor_, broker_, events_, [this] { return CheckModules(); },
            std::chrono::system_clock::now()},
      attestation_(broker_, events_,
                   {config.node.state_dir, config.attestation.ak_algorithm,
                    config.attestation.boot_log, config.attestation.ima_list,
                    [this](Deadline deadline, const std::string& name, ByteView nonce) {
                      return keys_->Certify(deadline, name, nonce, false);
                    }}),
      integrity_(
          broker_, events_,
          {config.node.state_dir, config.attestation.ima_list, config.integrity.allowed_files}),
      volumes_(broker_, events_,
               {config.node.state_dir, config.attestation.boot_log, kMapperSocket}),
      docker_(events_, {config.docker.hardener_socket}) {}

App::~App() { Drain(DeadlineIn(std::chrono::milliseconds(0))); }

Result<std::unique_ptr<App>> App::Start(const Config& config) {
  SetLogLevel(config.log.level);
  ASSIGN_OR_RETURN(UniqueFd state_lock, LockStateDirectory(config.node.state_dir));
  ASSIGN_OR_RETURN(std::unique_ptr<rpc::AuditLog> audit, OpenAudit(config.audit.file));
  ASSIGN_OR_RETURN(std::unique_ptr<ConnectionLoop> loop, ConnectionLoop::Start());
  std::unique_ptr<App> app(
      new App(config, std::move(state_lock), std::move(audit), std::move(loop)));
  RETURN_IF_ERROR(app->MakeParts());
  app->StartModules();
  RETURN_IF_ERROR(app->StartLocalServers());
  app->monitor_.Start();
  return app;
}

Status App::MakeParts() {
  ASSIGN_OR_RETURN(provider_, tls::KeyProvider::Load(broker_));
  keys::Keys::Parts parts{broker_, *provider_, events_,
                          [this](Deadline deadline, const tpm::WrappedKey& key, ByteView nonce) {
                            return attestation_.CertifyKey(deadline, key, nonce);
                          },
                          [this](const std::string& name) { KeyChanged(name); }};
  keys_ = std::make_unique<keys::Keys>(std::move(parts), config_.node.state_dir);
  remote_ = std::make_unique<RemoteListener>(
      RemoteListener::Parts{*keys_, *audit_, events_, *loop_,
                            [this](const rpc::Gate& gate) { return MakeAllServices(gate); }},
      config_);
  return {};
}

void App::StartModules() {
  modules_.push_back({attestation_, "seaworthy.v1.AttestationService", {}});
  modules_.push_back({*keys_, "seaworthy.v1.KeyService", {}});
  modules_.push_back({integrity_, "seaworthy.v1.IntegrityService", {}});
  modules_.push_back({volumes_, "seaworthy.v1.VolumeService", {}});
  modules_.push_back({docker_, "seaworthy.v1.DockerService", {}});
  for (Listed& listed : modules_) {
    listed.started = listed.module.Start();
    if (listed.started.ok()) continue;
    Log(Level::kError,
        "module " + std::string(listed.module.name()) + ": " + Message(listed.started));
  }
}

Status App::StartLocalServers() {
  const auto make = [this](const rpc::Gate& gate) { return MakeAllServices(gate); };
  ASSIGN_OR_RETURN(admin_, LocalServer::Start({config_.local.admin_socket,
                                               {0700, 0600, static_cast<gid_t>(-1)},
                                               rpc::Role::kAdmin,
                                               config_,
                                               *audit_,
                                               make},
                                              *loop_));
  SocketAccess access{0750, 0660, static_cast<gid_t>(-1)};
  if (!config_.local.read_group.empty()) {
    ASSIGN_OR_RETURN(access.group, FindGroup(config_.local.read_group));
  }
  ASSIGN_OR_RETURN(reader_, LocalServer::Start({config_.local.read_socket, access,
                                                rpc::Role::kReader, config_, *audit_, make},
                                               *loop_));
  return {};
}

std::vector<std::unique_ptr<grpc::Service>> App::MakeAllServices(const rpc::Gate& gate) {
  std::vector<std::unique_ptr<grpc::Service>> services;
  services.push_back(std::make_unique<NodeService>(node_, gate));
  for (const Listed& listed : modules_) {
    for (auto& service : listed.module.MakeServices(gate)) services.push_back(std::move(service));
  }
  return services;
}

// Runs inside a TPM turn: says it and leaves.
void App::TpmChanged(bool available, const std::string& why) {
  if (drained_) return;  // our own closing
  Log(available ? Level::kInfo : Level::kWarning,
      available ? "the TPM is available" : "the TPM is not available: " + why);
  events_.Publish(available ? "tpm.available" : "tpm.lost", "", why);
}

void App::KeyChanged(const std::string& name) {
  if (config_.remote.listen.empty() || name != config_.remote.key) return;
  remote_->Renew();
  monitor_.Poke();
}

std::vector<NamedHealth> App::CheckModules() const {
  std::vector<NamedHealth> modules;
  for (const Listed& listed : modules_) {
    modules.push_back({std::string(listed.module.name()), HealthOf(listed.module, listed.started)});
  }
  Health audit;
  if (const Status status = audit_->health(); !status.ok()) {
    audit = {Health::Level::kFailed, Reason(status) + ": " + Message(status)};
  }
  modules.push_back({"audit", audit});
  if (!config_.remote.listen.empty()) modules.push_back({"remote", remote_->Check()});
  return modules;
}

void App::Tend() {
  remote_->Tend();
  SetServing(kNodeService, true);
  for (const Listed& listed : modules_) {
    const Health health = HealthOf(listed.module, listed.started);
    SetServing(listed.service, health.level != Health::Level::kFailed);
  }
}

void App::SetServing(const std::string& service, bool serving) {
  admin_->api().SetServing(service, serving);
  reader_->api().SetServing(service, serving);
  remote_->SetServing(service, serving);
}

Result<std::vector<std::string>> App::Reload(const Config& config) {
  std::vector<std::string> needing_restart = NeedingRestart(config_, config);
  const Config next = WithChangeable(config_, config);
  RETURN_IF_ERROR(integrity_.Allow(next.integrity.allowed_files));
  RETURN_IF_ERROR(remote_->Reload(next));
  RETURN_IF_ERROR(audit_->Reopen());
  SetLogLevel(next.log.level);
  monitor_.Poke();
  events_.Publish("config.reloaded", "", "the configuration was read again");
  return needing_restart;
}

void App::ReloadFailed(const std::string& why) { events_.Publish("config.rejected", "", why); }

void App::Drain(Deadline deadline) {
  if (drained_.exchange(true)) return;
  loop_->StopListening();
  if (remote_) remote_->StopAccepting();
  events_.Close();
  {
    // All at once: none may take calls while another waits for its own.
    std::array<std::thread, 3> shutdowns;
    if (remote_) shutdowns[0] = std::thread([&] { remote_->Shutdown(deadline); });
    if (reader_) shutdowns[1] = std::thread([&] { reader_->api().Shutdown(deadline); });
    if (admin_) shutdowns[2] = std::thread([&] { admin_->api().Shutdown(deadline); });
    for (std::thread& shutdown : shutdowns) {
      if (shutdown.joinable()) shutdown.join();
    }
  }
  monitor_.Stop();
  remote_.reset();
  for (auto listed = modules_.rbegin(); listed != modules_.rend(); ++listed) {
    listed->module.Stop();
  }
  broker_.Close();
}

bool App::Answers(Deadline deadline) {
  return monitor_.OnTime() && loop_->Answers(deadline) && admin_->api().Answers(deadline) &&
         reader_->api().Answers(deadline) && remote_->Answers(deadline);
}

}  // namespace seaworthy::app
