// The RPCs of AttestationService: messages in, domain calls, messages out.
#include <grpcpp/grpcpp.h>

#include "seaworthy/modules/attestation.h"
#include "seaworthy/rpc/serve.h"
#include "seaworthy/rpc/tpm_messages.h"
#include "seaworthy/status_macros.h"
#include "seaworthy/tls/x509.h"
#include "seaworthy/v1/attestation.grpc.pb.h"
#include "seaworthy/verify_message.h"

namespace seaworthy::attestation {
namespace {

Result<std::vector<tpm::PcrSelection>> Selections(const v1::QuoteRequest& request) {
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
                        response->set_public_area(ak.public_area.data(), ak.public_area.size());
                        response->set_public_key_pem(tls::PublicKeyPem(ak.subject_public_key_info));
                        response->set_tpm_name(Hex(ak.name));
                        return {};
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

 private:
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
