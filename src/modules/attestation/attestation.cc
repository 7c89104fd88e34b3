#include "seaworthy/modules/attestation.h"

#include <algorithm>

#include "modules/attestation/ima_follower.h"
#include "seaworthy/directory.h"
#include "seaworthy/status_macros.h"
#include "seaworthy/tpm/tss2_pem.h"

namespace seaworthy::attestation {
namespace {

constexpr char kFolder[] = "attestation";
constexpr char kFile[] = "ak.pem";
constexpr std::size_t kMinNonce = 16;
constexpr std::size_t kMaxNonce = 64;
constexpr const char* kAkAttributes[] = {"fixedTPM", "fixedParent", "sensitiveDataOrigin",
                                         "restricted", "sign"};

Status CheckNonce(ByteView nonce) {
  if (nonce.size() >= kMinNonce && nonce.size() <= kMaxNonce) return {};
  return Fail(Code::kInvalidArgument, "INVALID_NONCE",
              "nonce: has " + std::to_string(nonce.size()) + " bytes, takes 16 to 64");
}

Status Damaged(const Directory& directory, const Status& why) {
  return Fail(Code::kFailedPrecondition, "AK_DAMAGED",
              directory.path() + "/" + kFile + ": " + Message(why) +
                  "; restore the file, or move it away to have a new attestation key made, which "
                  "then has to be enrolled again");
}

}  // namespace

Attestation::Attestation(tpm::Broker& broker, Events& events, Options options)
    : broker_(broker), events_(events), options_(std::move(options)) {}

Attestation::~Attestation() = default;

Status Attestation::Start() {
  // Made when first needed; but a damaged file is told at once.
  ASSIGN_OR_RETURN(const Directory state, Directory::Create(options_.state_dir));
  ASSIGN_OR_RETURN(const Directory directory, state.OpenSubdirectory(kFolder));
  // What is wrong with the file is in Check(); the module itself works on.
  static_cast<void>(Keep(Load(directory)));
  return {};
}

Health Attestation::Check() const {
  const std::lock_guard lock(mutex_);
  if (health_.ok()) return {};
  return {Health::Level::kFailed, Reason(health_) + ": " + Message(health_)};
}

// The file may be anything by now; a key that is not an attestation key must not be used as
// one.
Result<Attestation::Ak> Attestation::Parse(ByteView file) {
  Ak ak;
  ASSIGN_OR_RETURN(ak.wrapped, tpm::ParseTss2Pem(AsText(file)));
  ASSIGN_OR_RETURN(ak.public_key, tpm::ReadPublicKey(ak.wrapped));
  for (const std::string_view needed : kAkAttributes) {
    if (std::ranges::find(ak.public_key.attributes, needed) == ak.public_key.attributes.end()) {
      return Fail(Code::kInvalidArgument, "AK_UNSUITABLE",
                  "the key lacks the attribute " + std::string(needed));
    }
  }
  return ak;
}

Result<std::optional<Attestation::Ak>> Attestation::Load(const Directory& directory) {
  Result<Bytes> file = directory.Read(kFile, tpm::kMaxTss2Pem);
  if (file.status().code() == Code::kNotFound) return std::optional<Ak>();
  if (!file.ok()) return Damaged(directory, file.status());
  Result<Ak> ak = Parse(*file);
  if (!ak.ok()) return Damaged(directory, ak.status());
  return std::optional(*std::move(ak));
}

std::optional<Attestation::Ak> Attestation::Kept() const {
  const std::lock_guard lock(mutex_);
  return ak_;
}

Status Attestation::Keep(Result<std::optional<Ak>> found) {
  const std::lock_guard lock(mutex_);
  health_ = found.status();
  if (found.ok()) ak_ = *std::move(found);
  return health_;
}

Result<Attestation::Ak> Attestation::LoadOrCreate(Deadline deadline) {
  if (std::optional<Ak> kept = Kept()) return *std::move(kept);
  // One caller makes the key; mutex_ stays free meanwhile, for Check must not wait for the TPM.
  const std::unique_lock making(making_, deadline);
  if (!making.owns_lock()) {
    return Fail(Code::kDeadlineExceeded, "TPM_BUSY", "the attestation key is still being made");
  }
  if (std::optional<Ak> kept = Kept()) return *std::move(kept);
  ASSIGN_OR_RETURN(const Directory state, Directory::Create(options_.state_dir));
  ASSIGN_OR_RETURN(const Directory directory, state.OpenSubdirectory(kFolder));
  RETURN_IF_ERROR(Keep(Load(directory)));
  if (std::optional<Ak> kept = Kept()) return *std::move(kept);
  ASSIGN_OR_RETURN(const tpm::WrappedKey made, Create(deadline));
  const std::string pem = tpm::ToTss2Pem(made);
  ASSIGN_OR_RETURN(Ak ak, Parse(AsBytes(pem)));
  RETURN_IF_ERROR(directory.Replace(kFile, AsBytes(pem)));
  RETURN_IF_ERROR(Keep(std::optional(ak)));
  events_.Publish("attestation.key_created", "", "a new attestation key was made");
  return ak;
}

Result<tpm::WrappedKey> Attestation::Create(Deadline deadline) {
  return broker_.Run(deadline, [&](tpm::Context& context) -> Result<tpm::WrappedKey> {
    Result<tpm::WrappedKey> key =
        tpm::CreateKey(context, {.algorithm = options_.ak_algorithm, .restricted = true});
    if (key.status().code() != Code::kUnimplemented) return key;
    return tpm::CreateKey(context, {.algorithm = tpm::KeyAlgorithm::kRsa2048, .restricted = true});
  });
}

Result<tpm::PublicKey> Attestation::AttestationKey(Deadline deadline) {
  ASSIGN_OR_RETURN(Ak ak, LoadOrCreate(deadline));
  return std::move(ak.public_key);
}

Result<Attestation::Quoted> Attestation::MakeQuote(
    Deadline deadline, ByteView nonce, const std::vector<tpm::PcrSelection>& selections) {
  RETURN_IF_ERROR(CheckNonce(nonce));
  ASSIGN_OR_RETURN(Ak ak, LoadOrCreate(deadline));
  ASSIGN_OR_RETURN(tpm::Quote quote, broker_.Run(deadline, [&](tpm::Context& context) {
    return tpm::MakeQuote(context, ak.wrapped, nonce, selections);
  }));
  verify::Evidence evidence{std::move(ak.public_key.public_area),
                            std::move(quote.attestation.attested),
                            std::move(quote.attestation.signature),
                            {}};
  for (tpm::PcrValue& value : quote.pcrs) {
    evidence.pcrs.push_back(
        {static_cast<std::uint16_t>(value.bank), value.index, std::move(value.digest)});
  }
  return Quoted{std::move(evidence), quote.reset_count};
}

Result<verify::Evidence> Attestation::Quote(Deadline deadline, ByteView nonce,
                                            const std::vector<tpm::PcrSelection>& selections) {
  ASSIGN_OR_RETURN(Quoted quoted, MakeQuote(deadline, nonce, selections));
  return std::move(quoted.evidence);
}

Result<verify::KeyCertification> Attestation::CertifyKey(Deadline deadline,
                                                         const tpm::WrappedKey& key,
                                                         ByteView nonce) {
  RETURN_IF_ERROR(CheckNonce(nonce));
  ASSIGN_OR_RETURN(Ak ak, LoadOrCreate(deadline));
  ASSIGN_OR_RETURN(tpm::Attestation certified, broker_.Run(deadline, [&](tpm::Context& context) {
    return tpm::Certify(context, ak.wrapped, key, nonce);
  }));
  ASSIGN_OR_RETURN(tpm::PublicKey key_public, tpm::ReadPublicKey(key));
  return verify::KeyCertification{std::move(key_public.public_area),
                                  std::move(ak.public_key.public_area),
                                  std::move(certified.attested), std::move(certified.signature)};
}

}  // namespace seaworthy::attestation
