// The composition root: makes the daemon's parts, gives them to each other, and takes them
// down in reverse order.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "config.h"
#include "connection_loop.h"
#include "local_server.h"
#include "node_service.h"
#include "remote_listener.h"
#include "seaworthy/modules/attestation.h"
#include "seaworthy/modules/docker.h"
#include "seaworthy/modules/integrity.h"
#include "seaworthy/modules/keys.h"
#include "seaworthy/modules/volumes.h"
#include "seaworthy/rpc/audit.h"
#include "seaworthy/tls/key_provider.h"
#include "tpm_monitor.h"

namespace seaworthy::app {

class App {
 public:
  // Returns when the local sockets answer. Needs no TPM: what does comes up when it is there.
  static Result<std::unique_ptr<App>> Start(const Config& config);
  ~App();

  App(const App&) = delete;
  App& operator=(const App&) = delete;

  // Takes over what can change and returns the keys that need a restart; on an error
  // everything stays as it was.
  Result<std::vector<std::string>> Reload(const Config& config);

  // Tells watchers that a new configuration was not taken over.
  void ReloadFailed(const std::string& why);

  // Accepts nothing more, lets calls finish until the deadline, stops the modules.
  void Drain(Deadline deadline);

  // Whether every thread that must come round does; for the watchdog.
  bool Answers(Deadline deadline);

  std::vector<NamedHealth> CheckModules() const;
  tpm::Broker& broker() { return broker_; }
  std::optional<int> remote_port() const { return remote_->port(); }

 private:
  // A module and the name its service has in grpc.health.v1.
  struct Listed {
    Module& module;
    std::string service;
    Status started;
  };

  App(const Config& config, UniqueFd state_lock, std::unique_ptr<rpc::AuditLog> audit,
      std::unique_ptr<ConnectionLoop> loop);
  Status MakeParts();
  void StartModules();
  Status StartLocalServers();
  std::vector<std::unique_ptr<grpc::Service>> MakeAllServices(const rpc::Gate& gate);
  void TpmChanged(bool available, const std::string& why);
  void KeyChanged(const std::string& name);
  void Tend();
  void SetServing(const std::string& service, bool serving);

  Config config_;
  const UniqueFd state_lock_;
  const std::unique_ptr<rpc::AuditLog> audit_;
  const std::unique_ptr<ConnectionLoop> loop_;
  Events events_;
  tpm::Broker broker_;
  TpmMonitor monitor_;
  NodeView node_;
  std::unique_ptr<tls::KeyProvider> provider_;
  attestation::Attestation attestation_;
  integrity::Integrity integrity_;
  volumes::Volumes volumes_;
  docker::Docker docker_;
  std::unique_ptr<keys::Keys> keys_;
  std::vector<Listed> modules_;
  std::unique_ptr<RemoteListener> remote_;
  std::unique_ptr<LocalServer> admin_;
  std::unique_ptr<LocalServer> reader_;
  std::atomic<bool> drained_ = false;
};

}  // namespace seaworthy::app
