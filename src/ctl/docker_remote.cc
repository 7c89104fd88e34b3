#include "ctl/docker_remote.h"

#include "seaworthy/v1/docker.grpc.pb.h"

namespace seaworthy::ctl {
namespace {

using Docker = v1::DockerService::Stub;

// An engine that hangs is a report as well, after a minute.
constexpr std::chrono::seconds kLookingTimeout{120};
// As long as the daemon itself waits.
constexpr std::chrono::seconds kTransactionTimeout{660};

docker::Outcome OutcomeNamed(const std::string& name) {
  for (const docker::Outcome outcome :
       {docker::Outcome::kPass, docker::Outcome::kFail, docker::Outcome::kAccepted,
        docker::Outcome::kNotApplicable, docker::Outcome::kManual}) {
    if (ToString(outcome) == name) return outcome;
  }
  // Also of a daemon that knows more of them.
  return docker::Outcome::kCannotTell;
}

docker::Effect EffectNamed(const std::string& name) {
  for (const docker::Effect effect : {docker::Effect::kNone, docker::Effect::kReload}) {
    if (Name(effect) == name) return effect;
  }
  return docker::Effect::kRestart;
}

docker::ReportedFinding FromMessage(const v1::EngineFinding& message) {
  docker::ReportedFinding finding;
  finding.check = message.check();
  finding.subject = message.subject();
  finding.outcome = OutcomeNamed(message.outcome());
  finding.text = message.text();
  finding.evidence = message.evidence();
  finding.section = message.section();
  finding.title = message.title();
  finding.remediation = message.remediation();
  finding.daemon_key = message.daemon_key();
  return finding;
}

docker::EngineEvent FromMessage(const v1::EngineEvent& message) {
  using Kind = docker::EngineEvent::Kind;
  docker::EngineEvent event;
  event.time = message.time();
  for (const Kind kind : {Kind::kAppeared, Kind::kGone, Kind::kConfiguration, Kind::kEngineGone,
                          Kind::kEngineBack, Kind::kRestarted, Kind::kDrift}) {
    if (ToString(kind) == message.kind()) event.kind = kind;
  }
  event.text = message.text();
  for (const auto& [outcome, count] : message.counts()) event.counts[OutcomeNamed(outcome)] = count;
  if (message.has_finding()) event.finding = FromMessage(message.finding());
  event.path = message.path();
  event.sha256 = message.sha256();
  event.transaction = message.transaction();
  return event;
}

std::vector<docker::FileChange> FromMessages(
    const google::protobuf::RepeatedPtrField<v1::HardenedFile>& messages) {
  std::vector<docker::FileChange> files;
  for (const v1::HardenedFile& message : messages) {
    docker::FileChange& file = files.emplace_back();
    file.path = message.path();
    if (message.has_before()) file.before = message.before().value();
    if (message.has_after()) file.after = message.after().value();
  }
  return files;
}

Status FromMessage(const v1::HardeningPlan& message, docker::Plan& plan) {
  plan.profile = message.profile();
  plan.socket = message.socket();
  plan.engine = message.engine();
  for (const v1::SettingChange& change : message.changes()) {
    plan.changes.push_back({change.key(), change.before(), change.origin(), change.after(),
                            EffectNamed(change.effect()), change.why()});
  }
  for (const v1::SkippedSetting& skipped : message.skipped()) {
    plan.skipped.push_back({skipped.key(), skipped.why()});
  }
  for (const v1::NeededConsent& needed : message.consents()) {
    const Result<docker::Consent> consent = docker::ParseConsent(needed.consent());
    if (!consent.ok()) return consent.status();
    plan.consents.push_back({*consent, needed.why()});
  }
  plan.warnings.assign(message.warnings().begin(), message.warnings().end());
  plan.files = FromMessages(message.files());
  plan.effect = EffectNamed(message.effect());
  plan.canary = message.canary();
  plan.digest = message.digest();
  return {};
}

docker::Transaction FromMessage(const v1::HardeningTransaction& message) {
  docker::Transaction transaction;
  transaction.id = message.id();
  transaction.kind = message.kind();
  transaction.undoes = message.undoes();
  transaction.profile = message.profile();
  transaction.engine = message.engine();
  transaction.begun = message.begun();
  transaction.ended = message.ended();
  transaction.result = message.result();
  transaction.reason = message.reason();
  transaction.problem = message.problem();
  transaction.files = FromMessages(message.files());
  return transaction;
}

template <class Request>
void WriteChange(const docker::HardeningOptions& options, Request& request) {
  for (const docker::Consent consent : options.consents) {
    request.add_consents(std::string(Name(consent)));
  }
  if (options.canary) request.mutable_canary()->set_value(*options.canary);
}

template <class Request>
Outcome Follow(Session& session,
               std::unique_ptr<grpc::ClientReader<v1::HardeningProgress>> (Docker::*method)(
                   grpc::ClientContext*, const Request&),
               const Request& request, const docker::StepSink& step,
               docker::Transaction& transaction) {
  bool ended = false;
  const std::function<Status(const v1::HardeningProgress&)> take =
      [&](const v1::HardeningProgress& progress) -> Status {
    if (progress.has_transaction()) {
      transaction = FromMessage(progress.transaction());
      ended = true;
    } else if (step) {
      step({progress.step().name(), progress.step().text()});
    }
    return {};
  };
  Outcome outcome = session.client().Stream(method, request, take, kTransactionTimeout);
  return ended ? Outcome() : outcome;
}

}  // namespace

Outcome AuditOver(Session& session, docker::AuditReport& report) {
  v1::EngineAudit audit;
  Outcome outcome =
      session.client().Call(&Docker::AuditEngine, v1::AuditEngineRequest(), audit, kLookingTimeout);
  if (!outcome.ok()) return outcome;
  report.time = audit.time();
  report.socket = audit.socket();
  report.engine = audit.engine();
  for (const v1::EngineFinding& finding : audit.findings()) {
    report.findings.push_back(FromMessage(finding));
  }
  return {};
}

Outcome WatchOver(Session& session, const std::function<bool(const docker::EngineEvent&)>& next) {
  return session.client().Watch(
      &Docker::WatchEngine, v1::WatchEngineRequest(),
      [&next](const v1::EngineEvent& event) { return next(FromMessage(event)); });
}

Outcome PlanOver(Session& session, const std::string& profile, docker::Plan& plan) {
  v1::PlanHardeningRequest request;
  request.set_profile(profile);
  v1::HardeningPlan message;
  Outcome outcome =
      session.client().Call(&Docker::PlanHardening, request, message, kLookingTimeout);
  if (!outcome.ok()) return outcome;
  if (Status status = FromMessage(message, plan); !status.ok()) {
    return {ExitCode::kFailed, status, ""};
  }
  return {};
}

Outcome ApplyOver(Session& session, const docker::HardeningOptions& options,
                  const docker::StepSink& step, docker::Transaction& transaction) {
  v1::ApplyHardeningRequest request;
  request.set_profile(options.profile);
  WriteChange(options, request);
  request.set_plan_digest(options.digest);
  if (options.digest.empty()) {
    docker::Plan plan;
    if (Outcome outcome = PlanOver(session, options.profile, plan); !outcome.ok()) return outcome;
    request.set_plan_digest(plan.digest);
  }
  return Follow(session, &Docker::ApplyHardening, request, step, transaction);
}

Outcome RollBackOver(Session& session, const docker::HardeningOptions& options,
                     const std::string& id, const docker::StepSink& step,
                     docker::Transaction& transaction) {
  v1::RollBackHardeningRequest request;
  WriteChange(options, request);
  request.set_transaction(id);
  return Follow(session, &Docker::RollBackHardening, request, step, transaction);
}

Outcome HistoryOver(Session& session, std::vector<docker::Transaction>& transactions) {
  v1::ListHardeningResponse list;
  Outcome outcome = session.client().Call(&Docker::ListHardening, v1::ListHardeningRequest(), list);
  if (!outcome.ok()) return outcome;
  for (const v1::HardeningTransaction& transaction : list.transactions()) {
    transactions.push_back(FromMessage(transaction));
  }
  return {};
}

}  // namespace seaworthy::ctl
