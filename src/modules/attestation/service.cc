// The RPCs of AttestationService: messages in, domain calls, messages out.
#include <grpcpp/grpcpp.h>

#include "seaworthy/modules/attestation.h"
#include "seaworthy/rpc/serve.h"
#include "seaworthy/rpc/stream_deadline.h"
#include "seaworthy/rpc/tpm_messages.h"
#include "seaworthy/status_macros.h"
#include "seaworthy/tls/x509.h"
#include "seaworthy/v1/attestation.grpc.pb.h"
#include "seaworthy/verify_message.h"

namespace seaworthy::attestation {
namespace {

template <class Request>
Result<std::vector<tpm::PcrSelection>> Selections(const Request& request) {
  if (request.pcrs().empty()) {
    return std::vector<tpm::PcrSelection>{{tpm::HashAlgorithm::kSha256, tpm::kAllPcrs}};
  }
  std::vector<tpm::PcrSelection> selections;
  for (int i = 0; i < request.pcrs_size(); ++i) {
    const std::string field = "pcrs[" + std::to_string(i) + "]";
    ASSIGN_OR_RETURN(const tpm::PcrSelection selection, rpc::FromMessage(request.pcrs(i), field));
    for (const tpm::PcrSelection& earlier : selections) {
      if (earlier.bank == selection.bank) {
        return Fail(Code::kInvalidArgument, "INVALID_PCR", field + ".bank: is there twice");
      }
    }
    selections.push_back(selection);
  }
  return selections;
}

void ToMessage(const tpm::PublicKey& ak, v1::AttestationKey& message) {
  message.set_public_area(ak.public_area.data(), ak.public_area.size());
  message.set_public_key_pem(tls::PublicKeyPem(ak.subject_public_key_info));
  message.set_tpm_name(Hex(ak.name));
}

void ToMessage(const Attestation::Identity& identity, v1::Endorsement& message) {
  for (const tpm::EndorsementKey& key : identity.endorsement.keys) {
    v1::EndorsementKey& added = *message.add_endorsement_keys();
    added.set_public_area(key.public_area.data(), key.public_area.size());
    added.set_tpm_name(Hex(key.name));
    added.set_certificate(key.certificate.data(), key.certificate.size());
  }
  for (const Bytes& certificate : identity.endorsement.chain) {
    message.add_certificate_chain(certificate.data(), certificate.size());
  }
  ToMessage(identity.ak, *message.mutable_attestation_key());
}

Bytes ToBytes(const std::string& field) { return {field.begin(), field.end()}; }

class Service final : public v1::AttestationService::Service {
 public:
  Service(Attestation& attestation, const rpc::Gate& gate)
      : attestation_(attestation), gate_(gate) {}

  grpc::Status GetAttestationKey(grpc::ServerContext* context,
                                 const v1::GetAttestationKeyRequest* /*request*/,
                                 v1::AttestationKey* response) override {
    return rpc::Serve(gate_, *context, "seaworthy.v1.AttestationService.GetAttestationKey", "",
                      [&](const rpc::Call& call) -> Status {
                        ASSIGN_OR_RETURN(const tpm::PublicKey ak,
                                         attestation_.AttestationKey(call.deadline));
                        return Tell(ak, *response);
                      });
  }

  grpc::Status Quote(grpc::ServerContext* context, const v1::QuoteRequest* request,
                     v1::QuoteResponse* response) override {
    return rpc::Serve(gate_, *context, "seaworthy.v1.AttestationService.Quote", "",
                      [&](const rpc::Call& call) -> Status {
                        ASSIGN_OR_RETURN(const auto selections, Selections(*request));
                        ASSIGN_OR_RETURN(const verify::Evidence evidence,
                                         attestation_.Quote(call.deadline,
                                                            AsBytes(request->nonce()), selections));
                        verify::ToMessage(evidence, *response->mutable_evidence());
                        return {};
                      });
  }

  grpc::Status Attest(grpc::ServerContext* context, const v1::AttestRequest* request,
                      grpc::ServerWriter<v1::Evidence>* writer) override {
    return rpc::Serve(gate_, *context, "seaworthy.v1.AttestationService.Attest", "",
                      [&](const rpc::Call& call) -> Status {
                        ASSIGN_OR_RETURN(const auto selections, Selections(*request));
                        const rpc::StreamDeadline bound(*context, call.deadline);
                        v1::Evidence message;
                        return attestation_.Attest(
                            call.deadline,
                            {.nonce = AsBytes(request->nonce()),
                             .selections = selections,
                             .ima_first = request->ima_first(),
                             .reset_count = request->reset_count(),
                             .keys = {request->keys().begin(), request->keys().end()}},
                            [&](const verify::Evidence& part) -> Status {
                              verify::ToMessage(part, message);
                              if (writer->Write(message)) return {};
                              return bound.NotTaken();
                            });
                      });
  }

  grpc::Status GetEndorsement(grpc::ServerContext* context,
                              const v1::GetEndorsementRequest* /*request*/,
                              v1::Endorsement* response) override {
    return rpc::Serve(gate_, *context, "seaworthy.v1.AttestationService.GetEndorsement", "",
                      [&](const rpc::Call& call) -> Status {
                        ASSIGN_OR_RETURN(const Attestation::Identity identity,
                                         attestation_.Endorsement(call.deadline));
                        ToMessage(identity, *response);
                        return {};
                      });
  }

  grpc::Status ActivateCredential(grpc::ServerContext* context,
                                  const v1::ActivateCredentialRequest* request,
                                  v1::ActivateCredentialResponse* response) override {
    return rpc::Serve(gate_, *context, "seaworthy.v1.AttestationService.ActivateCredential", "",
                      [&](const rpc::Call& call) -> Status {
                        const tpm::Credential credential{ToBytes(request->credential_blob()),
                                                         ToBytes(request->encrypted_secret())};
                        ASSIGN_OR_RETURN(const Bytes secret,
                                         attestation_.ActivateCredential(
                                             call.deadline,
                                             AsBytes(request->endorsement_key_name()), credential));
                        response->set_secret(secret.data(), secret.size());
                        return {};
                      });
  }

  grpc::Status InstallAttestationCertificate(
      grpc::ServerContext* context, const v1::InstallAttestationCertificateRequest* request,
      v1::AttestationKey* response) override {
    return rpc::Serve(
        gate_, *context, "seaworthy.v1.AttestationService.InstallAttestationCertificate", "",
        [&](const rpc::Call& call) -> Status {
          ASSIGN_OR_RETURN(
              const tpm::PublicKey ak,
              attestation_.InstallCertificate(call.deadline, request->certificate_chain_pem()));
          return Tell(ak, *response);
        });
  }

 private:
  Status Tell(const tpm::PublicKey& ak, v1::AttestationKey& message) const {
    ToMessage(ak, message);
    ASSIGN_OR_RETURN(const std::string certificate, attestation_.AttestationCertificate(ak));
    message.set_certificate_chain_pem(certificate);
    return {};
  }

  Attestation& attestation_;
  const rpc::Gate& gate_;
};

}  // namespace

std::vector<std::unique_ptr<grpc::Service>> Attestation::MakeServices(const rpc::Gate& gate) {
  std::vector<std::unique_ptr<grpc::Service>> services;
  services.push_back(std::make_unique<Service>(*this, gate));
  return services;
}

}  // namespace seaworthy::attestation
