// Docker's engine of another node, or of this one without root: what the daemon there answers, as
// if it had been done here.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "ctl/session.h"
#include "seaworthy/modules/docker/engine_audit.h"
#include "seaworthy/modules/docker/engine_watch.h"
#include "seaworthy/modules/docker/hardening.h"

namespace seaworthy::ctl {

Outcome AuditOver(Session& session, docker::AuditReport& report);

// Until `next` returns false, or the daemon ends it.
Outcome WatchOver(Session& session, const std::function<bool(const docker::EngineEvent&)>& next);

Outcome PlanOver(Session& session, const std::string& profile, docker::Plan& plan);

// Of the options profile, consents, digest and canary; without a digest by the plan that is made
// first. Done when there is a transaction, whatever it says.
Outcome ApplyOver(Session& session, const docker::HardeningOptions& options,
                  const docker::StepSink& step, docker::Transaction& transaction);

// Of the options consents and canary; an empty id: the last. Done as ApplyOver is.
Outcome RollBackOver(Session& session, const docker::HardeningOptions& options,
                     const std::string& id, const docker::StepSink& step,
                     docker::Transaction& transaction);

Outcome HistoryOver(Session& session, std::vector<docker::Transaction>& transactions);

}  // namespace seaworthy::ctl
