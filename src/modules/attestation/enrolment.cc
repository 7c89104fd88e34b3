// Enrolment: endorsement keys, credentials, the attestation key's certificate.
#include "seaworthy/directory.h"
#include "seaworthy/modules/attestation.h"
#include "seaworthy/status_macros.h"
#include "seaworthy/tls/x509.h"

namespace seaworthy::attestation {
namespace {

constexpr char kFolder[] = "attestation";
constexpr char kCertificateFile[] = "ak-cert.pem";

Status CheckForKey(const tls::CertificateInfo& leaf, const tpm::PublicKey& ak) {
  if (leaf.subject_public_key_info == ak.subject_public_key_info) return {};
  return Fail(Code::kInvalidArgument, "CERTIFICATE_KEY_MISMATCH",
              "certificate_chain_pem: the first certificate is not for the attestation key");
}

Status Damaged(const Directory& directory, const Status& why) {
  return Fail(Code::kFailedPrecondition, "AK_CERTIFICATE_DAMAGED",
              directory.path() + "/" + kCertificateFile + ": " + Message(why) +
                  "; install the certificate again, or remove the file");
}

}  // namespace

Result<std::string> Attestation::AttestationCertificate(const tpm::PublicKey& ak) const {
  ASSIGN_OR_RETURN(const Directory state, Directory::Open(options_.state_dir));
  ASSIGN_OR_RETURN(const Directory directory, state.OpenExisting(kFolder));
  const Result<Bytes> file = directory.Read(kCertificateFile, tls::kMaxChainBytes);
  if (file.status().code() == Code::kNotFound) return std::string();
  if (!file.ok()) return Damaged(directory, file.status());
  // What is expired by now is for the verifier to judge; a certificate of another key is nobody's.
  const Result<tls::CertificateInfo> leaf = tls::ReadLeaf(AsText(*file));
  const Status fits = leaf.ok() ? CheckForKey(*leaf, ak) : leaf.status();
  if (!fits.ok()) return Damaged(directory, fits);
  return std::string(AsText(*file));
}

Result<tpm::PublicKey> Attestation::InstallCertificate(Deadline deadline,
                                                       const std::string& chain_pem) {
  ASSIGN_OR_RETURN(const tls::CertificateInfo leaf,
                   tls::CheckChain(chain_pem, std::chrono::system_clock::now()));
  ASSIGN_OR_RETURN(Ak ak, LoadOrCreate(deadline));
  RETURN_IF_ERROR(CheckForKey(leaf, ak.public_key));
  ASSIGN_OR_RETURN(const Directory state, Directory::Open(options_.state_dir));
  ASSIGN_OR_RETURN(const Directory directory, state.OpenExisting(kFolder));
  RETURN_IF_ERROR(directory.Replace(kCertificateFile, AsBytes(chain_pem)));
  events_.Publish("attestation.certificate_installed", "",
                  "a certificate was installed for the attestation key");
  return std::move(ak.public_key);
}

Result<Attestation::Identity> Attestation::Endorsement(Deadline deadline) {
  ASSIGN_OR_RETURN(Ak ak, LoadOrCreate(deadline));
  ASSIGN_OR_RETURN(tpm::Endorsement endorsement, broker_.Run(deadline, [](tpm::Context& context) {
    return tpm::ReadEndorsement(context);
  }));
  return Identity{std::move(endorsement), std::move(ak.public_key)};
}

Result<Bytes> Attestation::ActivateCredential(Deadline deadline, ByteView ek_name,
                                              const tpm::Credential& credential) {
  ASSIGN_OR_RETURN(const Ak ak, LoadOrCreate(deadline));
  return broker_.Run(deadline, [&](tpm::Context& context) {
    return tpm::ActivateCredential(context, ek_name, ak.wrapped, credential);
  });
}

}  // namespace seaworthy::attestation
