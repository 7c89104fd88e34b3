// KeyService over gRPC: messages to calls of Keys and back.
#include <grpcpp/grpcpp.h>

#include "seaworthy/modules/keys.h"
#include "seaworthy/rpc/serve.h"
#include "seaworthy/rpc/tpm_messages.h"
#include "seaworthy/status_macros.h"
#include "seaworthy/tpm/tss2_pem.h"
#include "seaworthy/v1/key.grpc.pb.h"
#include "seaworthy/verify_message.h"

namespace seaworthy::keys {
namespace {

using Clock = std::chrono::system_clock;

Status Invalid(std::string_view reason, const std::string& message) {
  return Fail(Code::kInvalidArgument, reason, message);
}

Result<tpm::KeyAlgorithm> ToDomain(v1::KeyAlgorithm algorithm) {
  switch (algorithm) {
    case v1::KEY_ALGORITHM_UNSPECIFIED:
    case v1::EC_P256:
      return tpm::KeyAlgorithm::kEcP256;
    case v1::EC_P384:
      return tpm::KeyAlgorithm::kEcP384;
    case v1::RSA_2048:
      return tpm::KeyAlgorithm::kRsa2048;
    case v1::RSA_3072:
      return tpm::KeyAlgorithm::kRsa3072;
    default:
      return Invalid("INVALID_ALGORITHM", "algorithm: unknown value " + std::to_string(algorithm));
  }
}

v1::KeyAlgorithm ToMessage(tpm::KeyAlgorithm algorithm) {
  switch (algorithm) {
    case tpm::KeyAlgorithm::kEcP256:
      return v1::EC_P256;
    case tpm::KeyAlgorithm::kEcP384:
      return v1::EC_P384;
    case tpm::KeyAlgorithm::kRsa2048:
      return v1::RSA_2048;
    case tpm::KeyAlgorithm::kRsa3072:
      return v1::RSA_3072;
  }
  return v1::KEY_ALGORITHM_UNSPECIFIED;
}

Result<std::optional<tpm::SignatureScheme>> ToDomain(v1::SignatureScheme scheme) {
  switch (scheme) {
    case v1::SIGNATURE_SCHEME_UNSPECIFIED:
      return std::nullopt;
    case v1::ECDSA:
      return tpm::SignatureScheme::kEcdsa;
    case v1::RSASSA_PKCS1_V1_5:
      return tpm::SignatureScheme::kRsaPkcs1;
    case v1::RSASSA_PSS:
      return tpm::SignatureScheme::kRsaPss;
    default:
      return Invalid("INVALID_SCHEME", "scheme: unknown value " + std::to_string(scheme));
  }
}

void Fill(Clock::time_point time, google::protobuf::Timestamp& message) {
  message.set_seconds(std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count());
}

void Fill(const tls::CertificateInfo& certificate, v1::Certificate& message) {
  const Clock::time_point now = Clock::now();
  const Clock::duration left = certificate.not_after - now;
  message.set_subject(certificate.subject);
  message.set_issuer(certificate.issuer);
  message.set_serial_hex(certificate.serial_hex);
  Fill(certificate.not_before, *message.mutable_not_before());
  Fill(certificate.not_after, *message.mutable_not_after());
  message.set_expired(left < Clock::duration::zero());
  message.set_not_yet_valid(now < certificate.not_before);
  message.set_days_left(std::chrono::floor<std::chrono::days>(left).count());
}

enum class Detail { kBrief, kFull };

void Fill(const Key& key, Detail detail, v1::Key& message) {
  message.set_name(key.name);
  if (!key.problem.ok()) {
    message.set_problem(Message(key.problem));
    return;
  }
  message.set_algorithm(ToMessage(key.public_key.algorithm));
  Fill(key.created, *message.mutable_created());
  message.set_public_key_pem(tls::PublicKeyPem(key.public_key.subject_public_key_info));
  message.set_tpm_name(Hex(key.public_key.name));
  if (detail == Detail::kFull) {
    message.set_tss2_pem(tpm::ToTss2Pem(key.wrapped));
    message.set_certificate_chain_pem(key.certificate_chain_pem);
  }
  message.mutable_attributes()->Assign(key.public_key.attributes.begin(),
                                       key.public_key.attributes.end());
  if (key.wrapped.policy) {
    rpc::ToMessage(key.wrapped.policy->selection, *message.mutable_policy());
  }
  if (key.certificate) Fill(*key.certificate, *message.mutable_certificate());
  message.set_rotation_pending(key.next.has_value());
  if (!key.next) return;
  const Result<tpm::PublicKey> next = tpm::ReadPublicKey(*key.next);
  if (next.ok()) message.set_next_public_key_pem(tls::PublicKeyPem(next->subject_public_key_info));
}

tls::Subject ToDomain(const v1::CsrSubject& message) {
  return {.distinguished_name = message.distinguished_name(),
          .dns_names = {message.dns_names().begin(), message.dns_names().end()},
          .ip_addresses = {message.ip_addresses().begin(), message.ip_addresses().end()},
          .uris = {message.uris().begin(), message.uris().end()}};
}

class KeyService final : public v1::KeyService::Service {
 public:
  KeyService(Keys& keys, const rpc::Gate& gate) : keys_(keys), gate_(gate) {}

  grpc::Status CreateKey(grpc::ServerContext* context, const v1::CreateKeyRequest* request,
                         v1::Key* response) override {
    return rpc::Serve(
        gate_, *context, "seaworthy.v1.KeyService.CreateKey", request->name(),
        [&](const rpc::Call& call) -> Status {
          tpm::KeyTemplate key_template;
          ASSIGN_OR_RETURN(key_template.algorithm, ToDomain(request->algorithm()));
          if (request->has_policy()) {
            ASSIGN_OR_RETURN(key_template.policy, rpc::FromMessage(request->policy(), "policy"));
          }
          ASSIGN_OR_RETURN(const Key key,
                           keys_.Create(call.deadline, request->name(), key_template));
          Fill(key, Detail::kFull, *response);
          return {};
        });
  }

  grpc::Status ListKeys(grpc::ServerContext* context, const v1::ListKeysRequest*,
                        v1::ListKeysResponse* response) override {
    return rpc::Serve(gate_, *context, "seaworthy.v1.KeyService.ListKeys", "",
                      [&](const rpc::Call&) -> Status {
                        ASSIGN_OR_RETURN(const Keys::Listing listing, keys_.List());
                        for (const Key& key : listing.keys) {
                          Fill(key, Detail::kBrief, *response->add_keys());
                        }
                        response->set_truncated(listing.truncated);
                        return {};
                      });
  }

  grpc::Status GetKey(grpc::ServerContext* context, const v1::GetKeyRequest* request,
                      v1::Key* response) override {
    return rpc::Serve(gate_, *context, "seaworthy.v1.KeyService.GetKey", request->name(),
                      [&](const rpc::Call&) -> Status {
                        ASSIGN_OR_RETURN(const Key key, keys_.Get(request->name()));
                        Fill(key, Detail::kFull, *response);
                        return {};
                      });
  }

  grpc::Status DeleteKey(grpc::ServerContext* context, const v1::DeleteKeyRequest* request,
                         v1::DeleteKeyResponse*) override {
    return rpc::Serve(gate_, *context, "seaworthy.v1.KeyService.DeleteKey", request->name(),
                      [&](const rpc::Call&) { return keys_.Delete(request->name()); });
  }

  grpc::Status Sign(grpc::ServerContext* context, const v1::SignRequest* request,
                    v1::SignResponse* response) override {
    return rpc::Serve(gate_, *context, "seaworthy.v1.KeyService.Sign", request->name(),
                      [&](const rpc::Call& call) -> Status {
                        ASSIGN_OR_RETURN(const tpm::HashAlgorithm hash,
                                         rpc::FromMessage(request->hash(), "hash"));
                        ASSIGN_OR_RETURN(const auto scheme, ToDomain(request->scheme()));
                        ASSIGN_OR_RETURN(const Bytes signature,
                                         keys_.Sign(call.deadline, request->name(), scheme, hash,
                                                    AsBytes(request->digest())));
                        response->set_signature(signature.data(), signature.size());
                        return {};
                      });
  }

  grpc::Status SignBatch(grpc::ServerContext* context, const v1::SignBatchRequest* request,
                         v1::SignBatchResponse* response) override {
    return rpc::Serve(gate_, *context, "seaworthy.v1.KeyService.SignBatch", request->name(),
                      [&](const rpc::Call& call) -> Status {
                        ASSIGN_OR_RETURN(const tpm::HashAlgorithm hash,
                                         rpc::FromMessage(request->hash(), "hash"));
                        ASSIGN_OR_RETURN(const auto scheme, ToDomain(request->scheme()));
                        std::vector<ByteView> digests;
                        for (const std::string& digest : request->digests())
                          digests.push_back(AsBytes(digest));
                        ASSIGN_OR_RETURN(
                            const std::vector<Bytes> signatures,
                            keys_.SignBatch(call.deadline, request->name(), scheme, hash, digests));
                        for (const Bytes& signature : signatures) {
                          response->add_signatures(signature.data(), signature.size());
                        }
                        return {};
                      });
  }

  grpc::Status CreateCsr(grpc::ServerContext* context, const v1::CreateCsrRequest* request,
                         v1::CreateCsrResponse* response) override {
    return rpc::Serve(gate_, *context, "seaworthy.v1.KeyService.CreateCsr", request->name(),
                      [&](const rpc::Call&) -> Status {
                        ASSIGN_OR_RETURN(
                            *response->mutable_csr_pem(),
                            keys_.CreateCsr(request->name(), ToDomain(request->subject())));
                        return {};
                      });
  }

  grpc::Status InstallCertificate(grpc::ServerContext* context,
                                  const v1::InstallCertificateRequest* request,
                                  v1::Key* response) override {
    return rpc::Serve(gate_, *context, "seaworthy.v1.KeyService.InstallCertificate",
                      request->name(), [&](const rpc::Call&) -> Status {
                        ASSIGN_OR_RETURN(const Key key,
                                         keys_.InstallCertificate(
                                             request->name(), request->certificate_chain_pem()));
                        Fill(key, Detail::kFull, *response);
                        return {};
                      });
  }

  grpc::Status RotateKey(grpc::ServerContext* context, const v1::RotateKeyRequest* request,
                         v1::RotateKeyResponse* response) override {
    return rpc::Serve(gate_, *context, "seaworthy.v1.KeyService.RotateKey", request->name(),
                      [&](const rpc::Call& call) -> Status {
                        ASSIGN_OR_RETURN(const Keys::Rotation rotation,
                                         keys_.Rotate(call.deadline, request->name(),
                                                      ToDomain(request->subject())));
                        response->set_csr_pem(rotation.csr_pem);
                        response->set_next_public_key_pem(
                            tls::PublicKeyPem(rotation.next.subject_public_key_info));
                        return {};
                      });
  }

  grpc::Status CertifyKey(grpc::ServerContext* context, const v1::CertifyKeyRequest* request,
                          v1::CertifyKeyResponse* response) override {
    return rpc::Serve(gate_, *context, "seaworthy.v1.KeyService.CertifyKey", request->name(),
                      [&](const rpc::Call& call) -> Status {
                        ASSIGN_OR_RETURN(const verify::KeyCertification certification,
                                         keys_.Certify(call.deadline, request->name(),
                                                       AsBytes(request->nonce()), request->next()));
                        verify::ToMessage(certification, *response->mutable_certification());
                        return {};
                      });
  }

 private:
  Keys& keys_;
  const rpc::Gate& gate_;
};

}  // namespace

std::vector<std::unique_ptr<grpc::Service>> Keys::MakeServices(const rpc::Gate& gate) {
  std::vector<std::unique_ptr<grpc::Service>> services;
  services.push_back(std::make_unique<KeyService>(*this, gate));
  return services;
}

}  // namespace seaworthy::keys
