// OpenSSL keys whose private operations happen in the TPM: a provider inside the process,
// beside OpenSSL's own, that reads TSS2 PRIVATE KEY PEM and signs through the broker. Any
// SSL_CTX of the process, gRPC's too, and X509_sign and X509_REQ_sign can use such keys.
#pragma once

#include <chrono>
#include <memory>

#include "seaworthy/tls/openssl.h"
#include "seaworthy/tpm/broker.h"

namespace seaworthy::tls {

// Registers with OpenSSL's default library context when loaded and is gone from it when
// destroyed; one at a time in a process (OpenSSL gives a built-in provider no other way to
// find its broker). Keys hold on to nothing of it, but signing needs it alive.
class KeyProvider {
 public:
  struct Options {
    // The longest one signature may wait for the TPM: OpenSSL's interfaces carry no deadline.
    std::chrono::milliseconds sign_timeout{10'000};
  };

  static Result<std::unique_ptr<KeyProvider>> Load(tpm::Broker& broker, Options options);
  static Result<std::unique_ptr<KeyProvider>> Load(tpm::Broker& broker) {
    return Load(broker, Options{});
  }
  ~KeyProvider();

  KeyProvider(const KeyProvider&) = delete;
  KeyProvider& operator=(const KeyProvider&) = delete;

  // The key as OpenSSL sees it. Reads no TPM.
  Result<EvpPkeyPtr> Key(const tpm::WrappedKey& key) const;

 private:
  class State;
  explicit KeyProvider(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace seaworthy::tls
