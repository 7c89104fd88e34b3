// The attestation module: the attestation key, quotes, certifications of keys, enrolment. The key
// is made in the TPM when first needed and kept, wrapped, in "<state>/attestation/ak.pem"; the
// certificate that somebody issued for it lies beside it in "ak-cert.pem".
#pragma once

#include <functional>
#include <memory>
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

class ImaFollower;

class Attestation final : public Module {
 public:
  struct Options {
    std::string state_dir;  // the daemon's; a folder "attestation" is made in it
    // EC P-256 or RSA-2048, for a key that is made anew; RSA where the TPM has no EC.
    tpm::KeyAlgorithm ak_algorithm = tpm::KeyAlgorithm::kEcP256;
    // The firmware's boot event log and the kernel's binary IMA list; empty: not sent.
    std::string boot_log = {};
    std::string ima_list = {};
    // Has the node's key of this name certified, by CertifyKey.
    std::function<Result<verify::KeyCertification>(Deadline, const std::string& name,
                                                   ByteView nonce)>
        certify = {};
  };

  Attestation(tpm::Broker& broker, Events& events, Options options);
  ~Attestation() override;

  // Nonces are 16 to 64 bytes, else INVALID_ARGUMENT (INVALID_NONCE).
  Result<verify::Evidence> Quote(Deadline deadline, ByteView nonce,
                                 const std::vector<tpm::PcrSelection>& selections);

  struct AttestRequest {
    ByteView nonce;
    std::vector<tpm::PcrSelection> selections;
    // Where the last round ended: entries judged, in the boot with this reset count.
    std::uint64_t ima_first = 0;
    std::uint32_t reset_count = 0;
    // Keys to certify, by name; more than verify::kMaxKeys is INVALID_ARGUMENT (TOO_MANY_KEYS).
    std::vector<std::string> keys = {};
  };
  using TakeEvidence = std::function<Status(const verify::Evidence& part)>;
  // A quote with the logs that explain it, in parts: logs are those of all parts one behind the
  // other, everything else is in the first. Each part has 1 MiB of each log, or little more.
  // FAILED_PRECONDITION: BOOT_LOG_UNREADABLE, IMA_LIST_UNREADABLE for logs that are there and
  // cannot be read. What `take` returns ends it.
  Status Attest(Deadline deadline, const AttestRequest& request, const TakeEvidence& take);

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
  struct Quoted {
    verify::Evidence evidence;
    std::uint32_t reset_count = 0;
  };
  Result<Quoted> MakeQuote(Deadline deadline, ByteView nonce,
                           const std::vector<tpm::PcrSelection>& selections);
  // Sends `part` with the IMA list from its ima_first on.
  Status SendWithImaList(Deadline deadline, verify::Evidence part, const TakeEvidence& take);

  tpm::Broker& broker_;
  Events& events_;
  const Options options_;
  std::timed_mutex making_;  // held while the key is made
  mutable std::mutex mutex_;
  std::optional<Ak> ak_;  // guarded by mutex_, as are the two below
  Status health_;
  // Goes on with the list where the last call ended; not here while a call has it.
  std::unique_ptr<ImaFollower> follower_;
};

}  // namespace seaworthy::attestation
