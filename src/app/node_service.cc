#include "node_service.h"

#include "seaworthy/os/platform.h"
#include "seaworthy/rpc/event_message.h"
#include "seaworthy/rpc/tpm_messages.h"
#include "seaworthy/status_macros.h"
#include "version.h"

namespace seaworthy::app {
namespace {

using std::chrono::milliseconds;

// How long a status poll waits for fresh facts from a busy TPM; less than the caller's
// deadline in any case.
constexpr milliseconds kStatusPatience{500};
// How soon a watcher that has gone is noticed on a node where nothing happens.
constexpr milliseconds kWatchRound{500};

v1::Health ToProto(Health::Level level) {
  switch (level) {
    case Health::Level::kHealthy:
      return v1::HEALTHY;
    case Health::Level::kDegraded:
      return v1::DEGRADED;
    case Health::Level::kFailed:
      return v1::FAILED;
  }
  return v1::HEALTH_UNSPECIFIED;
}

void Fill(const tpm::Properties& properties, v1::TpmStatus& status) {
  status.set_manufacturer(properties.manufacturer);
  status.set_vendor(properties.vendor);
  status.set_firmware(properties.firmware);
  status.set_specification(properties.specification);
  status.set_srk_name(Hex(properties.srk_name));
  v1::LockoutStatus& lockout = *status.mutable_lockout();
  lockout.set_in_lockout(properties.in_lockout);
  lockout.set_failures(properties.lockout_failures);
  lockout.set_max_failures(properties.max_failures);
  lockout.set_recovery_interval_seconds(properties.recovery_interval_seconds);
  lockout.set_lockout_recovery_seconds(properties.lockout_recovery_seconds);
  for (const tpm::HashAlgorithm bank : properties.pcr_banks)
    status.add_pcr_banks(rpc::ToMessage(bank));
  for (const tpm::KeyAlgorithm algorithm : properties.key_algorithms) {
    status.add_key_algorithms(std::string(tpm::ToString(algorithm)));
  }
}

}  // namespace

grpc::Status NodeService::GetStatus(grpc::ServerContext* context, const v1::GetStatusRequest*,
                                    v1::GetStatusResponse* response) {
  return rpc::Serve(
      gate_, *context, "seaworthy.v1.NodeService.GetStatus", "", [&](const rpc::Call& call) {
        response->set_version(kVersion);
        rpc::ToMessage(node_.started, *response->mutable_started());
        response->set_caller_role(static_cast<v1::Role>(call.peer.role));
        for (const NamedHealth& module : node_.modules()) {
          v1::ModuleStatus& status = *response->add_modules();
          status.set_name(module.name);
          status.set_health(ToProto(module.health.level));
          status.set_detail(module.health.detail);
        }
        for (const os::Facility& found : os::LookAtPlatform()) {
          v1::Facility& facility = *response->add_facilities();
          facility.set_name(found.name);
          facility.set_present(found.present);
          facility.set_detail(found.detail);
        }
        const milliseconds patience = std::min(kStatusPatience, TimeLeft(call.deadline) / 2);
        const TpmMonitor::Snapshot snapshot = node_.monitor.Latest(DeadlineIn(patience));
        v1::TpmStatus& status = *response->mutable_tpm();
        status.set_tcti(node_.broker.tcti());
        status.set_available(snapshot.health.ok());
        if (snapshot.health.ok()) {
          Fill(*snapshot.properties, status);
        } else {
          status.set_problem(Reason(snapshot.health) + ": " + Message(snapshot.health));
        }
        return Status();
      });
}

// Goes on past the gate's default deadline: a watch has no natural end. gRPC marks the call
// as cancelled when the client's own deadline passes.
grpc::Status NodeService::WatchEvents(grpc::ServerContext* context,
                                      const v1::WatchEventsRequest* request,
                                      grpc::ServerWriter<v1::Event>* writer) {
  return rpc::Serve(
      gate_, *context, "seaworthy.v1.NodeService.WatchEvents", "", [&](const rpc::Call&) -> Status {
        ASSIGN_OR_RETURN(const rpc::Watch watch, rpc::Watch::Begin(gate_));
        std::uint64_t next = request->include_recent() ? 1 : node_.events.NextSequence();
        // Events that were forgotten before the watch began are not missed ones.
        bool may_miss = !request->include_recent();
        // The client learns at once that it watches, and not with the first event.
        writer->SendInitialMetadata();
        while (!context->IsCancelled() && !node_.events.closed()) {
          for (const Event& event : node_.events.WaitFrom(next, DeadlineIn(kWatchRound))) {
            v1::Event message;
            rpc::ToMessage(event, message);
            if (may_miss) message.set_missed(event.sequence - next);
            if (!writer->Write(message)) return {};
            next = event.sequence + 1;
            may_miss = true;
          }
        }
        return {};
      });
}

}  // namespace seaworthy::app
