// Keeps the remote API up: its server key lives in the TPM, so the listener can only open when
// the TPM is there, and its certificate can change at any time.
#pragma once

#include <chrono>
#include <memory>
#include <mutex>
#include <optional>

#include "remote_server.h"
#include "seaworthy/events.h"
#include "seaworthy/modules/keys.h"

namespace seaworthy::app {

class RemoteListener {
 public:
  struct Parts {
    keys::Keys& keys;
    rpc::AuditLog& audit;
    Events& events;
    ConnectionLoop& loop;
    MakeServices make_services;
  };

  RemoteListener(Parts parts, const Config& config);

  // Opens the listener when it is not, and renews its credentials when that is due. Waits for
  // the TPM: for the monitor's thread alone.
  void Tend();

  // Takes over roles at once, and client CA, server names and TLS version with the next Tend.
  // Nothing is taken over when the client CA can't be read.
  Status Reload(const Config& config);

  // The server key has another certificate: for the next Tend.
  void Renew();

  Health Check() const;
  // The port in use; nothing while the listener is not open.
  std::optional<int> port() const;

  void SetServing(const std::string& service, bool serving);
  void StopAccepting();
  void Shutdown(Deadline deadline);
  bool Answers(Deadline deadline);

 private:
  using Clock = std::chrono::steady_clock;

  Result<tls::Front::Credentials> MakeCredentials(const Config::Remote& remote);
  Status Open(const Config& config);
  Status Update(RemoteServer& server, const Config& config);
  std::shared_ptr<RemoteServer> server() const;

  Parts parts_;
  mutable std::mutex mutex_;  // guards what follows
  Config config_;
  std::shared_ptr<RemoteServer> server_;
  bool renew_ = false;
  bool stopped_ = false;
  bool self_signed_ = false;
  Clock::time_point renewed_;
  Status problem_;
};

}  // namespace seaworthy::app
