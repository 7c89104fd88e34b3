// The attestation module: the attestation key, quotes, certifications of keys, enrolment. The key
// is made in the TPM when first needed and kept, wrapped, in "<state>/attestation/ak.pem"; the
// certificate that somebody issued for it lies beside it in "ak-cert.pem".
#pragma once

#include <mutex>
#include <optional>
#include <string>

#include "seaworthy/directory.h"
#include "seaworthy/events.h"
#include "seaworthy/module.h"
#include "seaworthy/tpm/endorsement.h"
#include "seaworthy/tpm/quote.h"
#include "seaworthy/verify.h"

namespace seaworthy::attestation {

class Attestation final : public Module {
 public:
  struct Options {
    std::string state_dir;  // the daemon's; a folder "attestation" is made in it
    // EC P-256 or RSA-2048, for a key that is made anew; RSA where the TPM has no EC.
    tpm::KeyAlgorithm ak_algorithm = tpm::KeyAlgorithm::kEcP256;
  };

  Attestation(tpm::Broker& broker, Events& events, Options options);

  // Nonces are 16 to 64 bytes, else INVALID_ARGUMENT (INVALID_NONCE).
  Result<verify::Evidence> Quote(Deadline deadline, ByteView nonce,
                                 const std::vector<tpm::PcrSelection>& selections);
  Result<verify::KeyCertification> CertifyKey(Deadline deadline, const tpm::WrappedKey& key,
                                              ByteView nonce);
  // Made when absent. FAILED_PRECONDITION (AK_DAMAGED) when its file is not what it should be;
  // the file is left as it is.
  Result<tpm::PublicKey> AttestationKey(Deadline deadline);

  // The chain, PEM, leaf first; empty when none is installed. FAILED_PRECONDITION
  // (AK_CERTIFICATE_DAMAGED) when the file is not one for this key.
  Result<std::string> AttestationCertificate(const tpm::PublicKey& ak) const;
  // INVALID_ARGUMENT with the reasons of tls::CheckChain, or CERTIFICATE_KEY_MISMATCH; what was
  // there stays then.
  Result<tpm::PublicKey> InstallCertificate(Deadline deadline, const std::string& chain_pem);

  // What a verifier makes a credential from.
  struct Identity {
    tpm::Endorsement endorsement;
    tpm::PublicKey ak;
  };
  Result<Identity> Endorsement(Deadline deadline);
  // The secret in a credential for this attestation key; see tpm/endorsement.h.
  Result<Bytes> ActivateCredential(Deadline deadline, ByteView ek_name,
                                   const tpm::Credential& credential);

  std::string_view name() const override { return "attestation"; }
  Status Start() override;
  void Stop() noexcept override {}
  Health Check() const override;
  std::vector<std::unique_ptr<grpc::Service>> MakeServices(const rpc::Gate& gate) override;

 private:
  struct Ak {
    tpm::WrappedKey wrapped;
    tpm::PublicKey public_key;
  };
  // The kept key, nothing when there is none yet, or AK_DAMAGED.
  static Result<std::optional<Ak>> Load(const Directory& directory);
  static Result<Ak> Parse(ByteView file);
  std::optional<Ak> Kept() const;
  // Takes over what Load found, the error too.
  Status Keep(Result<std::optional<Ak>> found);
  Result<Ak> LoadOrCreate(Deadline deadline);
  Result<tpm::WrappedKey> Create(Deadline deadline);

  tpm::Broker& broker_;
  Events& events_;
  const Options options_;
  std::timed_mutex making_;  // held while the key is made
  mutable std::mutex mutex_;
  std::optional<Ak> ak_;  // guarded by mutex_, as is health_
  Status health_;
};

}  // namespace seaworthy::attestation
