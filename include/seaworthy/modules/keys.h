// The keys module: keys made in the TPM, kept wrapped on disk with their certificates.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "seaworthy/events.h"
#include "seaworthy/module.h"
#include "seaworthy/tls/key_provider.h"
#include "seaworthy/tls/x509.h"
#include "seaworthy/tpm/key.h"
#include "seaworthy/verify.h"

namespace seaworthy::keys {

// One key as its files say.
struct Key {
  std::string name;
  std::chrono::system_clock::time_point created;
  tpm::WrappedKey wrapped;
  tpm::PublicKey public_key;
  std::string certificate_chain_pem;  // empty when none
  std::optional<tls::CertificateInfo> certificate;
  std::optional<tpm::WrappedKey> next;  // waits for its certificate
  Status problem;                       // not OK: damaged; then only name and problem hold
};

class Keys final : public Module {
 public:
  static constexpr std::size_t kMaxKeys = 1024;

  struct Parts {
    tpm::Broker& broker;
    const tls::KeyProvider& provider;
    Events& events;
    // Has the attestation key certify one of ours.
    std::function<Result<verify::KeyCertification>(Deadline, const tpm::WrappedKey&, ByteView)>
        certify;
    // A key was installed a certificate, rotated or deleted; called without locks held.
    std::function<void(const std::string& name)> changed;
  };

  Keys(Parts parts, std::string state_dir);
  ~Keys() override;

  Result<Key> Create(Deadline deadline, const std::string& name, tpm::KeyTemplate key_template);
  struct Listing {
    std::vector<Key> keys;
    bool truncated = false;
  };
  Result<Listing> List() const;
  Result<Key> Get(const std::string& name) const;
  Status Delete(const std::string& name);
  Result<Bytes> Sign(Deadline deadline, const std::string& name,
                     std::optional<tpm::SignatureScheme> scheme, tpm::HashAlgorithm hash,
                     ByteView digest);
  // One to kMaxBatch digests, each in a turn of its own at the TPM; all of them or none.
  static constexpr std::size_t kMaxBatch = 64;
  Result<std::vector<Bytes>> SignBatch(Deadline deadline, const std::string& name,
                                       std::optional<tpm::SignatureScheme> scheme,
                                       tpm::HashAlgorithm hash, std::span<const ByteView> digests);
  Result<std::string> CreateCsr(const std::string& name, const tls::Subject& subject);
  Result<Key> InstallCertificate(const std::string& name, const std::string& chain_pem);
  struct Rotation {
    std::string csr_pem;
    tpm::PublicKey next;
  };
  Result<Rotation> Rotate(Deadline deadline, const std::string& name, const tls::Subject& subject);
  Result<verify::KeyCertification> Certify(Deadline deadline, const std::string& name,
                                           ByteView nonce, bool next);

  // The key for a TLS server of the daemon's own: made (EC P-256) when absent; while no
  // certificate is installed the chain is a self-signed one.
  struct ServerKey {
    tls::EvpPkeyPtr key;
    std::string certificate_chain_pem;
    bool self_signed = false;
  };
  Result<ServerKey> GetServerKey(Deadline deadline, const std::string& name,
                                 tpm::KeyAlgorithm algorithm, const tls::Subject& subject);

  std::string_view name() const override { return "keys"; }
  Status Start() override;
  void Stop() noexcept override {}
  Health Check() const override;
  std::vector<std::unique_ptr<grpc::Service>> MakeServices(const rpc::Gate& gate) override;

 private:
  class State;
  std::unique_ptr<State> state_;
};

}  // namespace seaworthy::keys
