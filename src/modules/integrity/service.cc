// The RPCs of IntegrityService.
#include <grpcpp/grpcpp.h>

#include "modules/integrity/kernel_state.h"
#include "seaworthy/modules/integrity.h"
#include "seaworthy/rpc/serve.h"
#include "seaworthy/v1/integrity.grpc.pb.h"

namespace seaworthy::integrity {
namespace {

v1::ImaPolicyState ToMessage(CustomPolicy policy) {
  switch (policy) {
    case CustomPolicy::kNotLoaded:
      return v1::IMA_POLICY_NOT_LOADED;
    case CustomPolicy::kLoaded:
      return v1::IMA_POLICY_LOADED;
    case CustomPolicy::kExtensible:
      return v1::IMA_POLICY_EXTENSIBLE;
    case CustomPolicy::kUnknown:
      break;
  }
  return v1::IMA_POLICY_STATE_UNSPECIFIED;
}

void ToMessage(const ImaState& ima, v1::ImaState& message) {
  message.set_present(ima.present);
  message.set_template_name(ima.template_name);
  message.set_hash(ima.hash);
  message.set_entries(ima.entries);
  message.set_violations(ima.violations);
  message.mutable_boot_policies()->Assign(ima.boot_policies.begin(), ima.boot_policies.end());
  message.set_custom_policy(ToMessage(ima.custom_policy));
  message.set_appraisal(ima.appraisal);
}

void ToMessage(const KernelState& state, v1::IntegrityState& message) {
  ToMessage(state.ima, *message.mutable_ima());
  message.mutable_evm()->set_present(state.evm.present);
  message.mutable_evm()->set_value(state.evm.value);
  message.set_lockdown(state.lockdown);
  message.mutable_security_modules()->Assign(state.security_modules.begin(),
                                             state.security_modules.end());
  for (const Keyring& keyring : state.keyrings) {
    v1::Keyring& added = *message.add_keyrings();
    added.set_name(keyring.name);
    added.set_keys(keyring.keys);
  }
  for (const Feature& feature : state.features) {
    v1::IntegrityFeature& added = *message.add_features();
    added.set_name(feature.name);
    added.set_available(feature.available);
    added.set_detail(feature.detail);
  }
}

class Service final : public v1::IntegrityService::Service {
 public:
  explicit Service(const rpc::Gate& gate) : gate_(gate) {}

  grpc::Status GetIntegrityState(grpc::ServerContext* context,
                                 const v1::GetIntegrityStateRequest* /*request*/,
                                 v1::IntegrityState* response) override {
    return rpc::Serve(gate_, *context, "seaworthy.v1.IntegrityService.GetIntegrityState", "",
                      [&](const rpc::Call& /*call*/) -> Status {
                        ToMessage(ReadKernelState(), *response);
                        return {};
                      });
  }

 private:
  const rpc::Gate& gate_;
};

}  // namespace

std::vector<std::unique_ptr<grpc::Service>> Integrity::MakeServices(const rpc::Gate& gate) {
  std::vector<std::unique_ptr<grpc::Service>> services;
  services.push_back(std::make_unique<Service>(gate));
  return services;
}

}  // namespace seaworthy::integrity
