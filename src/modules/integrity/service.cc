// The RPCs of IntegrityService.
#include <grpcpp/grpcpp.h>

#include "modules/integrity/ima_watch.h"
#include "modules/integrity/kernel_state.h"
#include "seaworthy/modules/integrity.h"
#include "seaworthy/rpc/event_message.h"
#include "seaworthy/rpc/serve.h"
#include "seaworthy/status_macros.h"
#include "seaworthy/v1/integrity.grpc.pb.h"

namespace seaworthy::integrity {
namespace {

// How soon a watcher that has gone is noticed, and a change of the state is told.
constexpr std::chrono::milliseconds kWatchRound{250};
constexpr std::string_view kEvents = "integrity.";

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

void ToMessage(const ImaListState& list, v1::ImaListState& message) {
  message.set_entries(list.entries);
  message.set_confirmed(list.confirmed);
  message.set_violations(list.violations);
  message.set_unexpected(list.unexpected);
  message.set_bytes(list.bytes);
  message.set_problem_reason(list.problem.ok() ? "" : Reason(list.problem));
  message.set_problem(Message(list.problem));
}

class Service final : public v1::IntegrityService::Service {
 public:
  Service(const Integrity& integrity, const Events& events, const rpc::Gate& gate)
      : integrity_(integrity), events_(events), gate_(gate) {}

  grpc::Status GetIntegrityState(grpc::ServerContext* context,
                                 const v1::GetIntegrityStateRequest* /*request*/,
                                 v1::IntegrityState* response) override {
    return rpc::Serve(gate_, *context, "seaworthy.v1.IntegrityService.GetIntegrityState", "",
                      [&](const rpc::Call& /*call*/) -> Status {
                        ToMessage(ReadKernelState(), *response);
                        ToMessage(integrity_.list(), *response->mutable_list());
                        v1::ImaPolicyFile& policy = *response->mutable_policy_file();
                        policy.set_installed_sha256(InstalledPolicySha256("/"));
                        policy.set_active_sha256(integrity_.active_policy());
                        return {};
                      });
  }

  // As NodeService.WatchEvents, goes on past the gate's default deadline.
  grpc::Status WatchIntegrity(grpc::ServerContext* context,
                              const v1::WatchIntegrityRequest* request,
                              grpc::ServerWriter<v1::IntegrityUpdate>* writer) override {
    return rpc::Serve(gate_, *context, "seaworthy.v1.IntegrityService.WatchIntegrity", "",
                      [&](const rpc::Call& /*call*/) -> Status {
                        ASSIGN_OR_RETURN(const rpc::Watch watch, rpc::Watch::Begin(gate_));
                        Follow(*context, request->include_recent(), *writer);
                        return {};
                      });
  }

 private:
  void Follow(const grpc::ServerContext& context, bool include_recent,
              grpc::ServerWriter<v1::IntegrityUpdate>& writer) const {
    std::uint64_t next = include_recent ? 1 : events_.NextSequence();
    bool may_miss = !include_recent;
    std::optional<ImaListState> told;
    while (!context.IsCancelled() && !events_.closed()) {
      const auto wait = told ? kWatchRound : std::chrono::milliseconds(0);
      const std::vector<Event> events = events_.WaitFrom(next, DeadlineIn(wait));
      const ImaListState now = integrity_.list();
      v1::IntegrityUpdate update;
      std::uint64_t missed = 0;
      for (const Event& event : events) {
        if (may_miss) missed += event.sequence - next;
        next = event.sequence + 1;
        may_miss = true;
        if (!event.type.starts_with(kEvents)) continue;
        v1::Event& added = *update.add_events();
        rpc::ToMessage(event, added);
        added.set_missed(std::exchange(missed, 0));
      }
      if (told == now && update.events().empty()) continue;
      ToMessage(now, *update.mutable_list());
      if (!writer.Write(update)) return;
      told = now;
    }
  }

  const Integrity& integrity_;
  const Events& events_;
  const rpc::Gate& gate_;
};

}  // namespace

std::vector<std::unique_ptr<grpc::Service>> Integrity::MakeServices(const rpc::Gate& gate) {
  std::vector<std::unique_ptr<grpc::Service>> services;
  services.push_back(std::make_unique<Service>(*this, events_, gate));
  return services;
}

}  // namespace seaworthy::integrity
