#include "seaworthy/modules/docker/hardening.h"

#include <sys/random.h>

#include <algorithm>
#include <set>

#include "modules/docker/engine_json.h"
#include "modules/docker/hardening/change.h"
#include "modules/docker/hardening/config_files.h"
#include "modules/docker/hardening/plan.h"
#include "modules/docker/hardening/profile.h"
#include "modules/docker/hardening/validate.h"
#include "modules/docker/judge_swarm.h"
#include "modules/docker/selinux_facts.h"
#include "modules/docker/utc_time.h"
#include "seaworthy/json/foreign_json.h"
#include "seaworthy/status_macros.h"
#include "seaworthy/words.h"

namespace seaworthy::docker {
namespace {

using nlohmann::json;

constexpr EngineVersion kValidates = {23, 0, 0};

// What is asked of the engine before anything is done.
struct Engine {
  Facts facts;
  std::string unit;
  EngineSituation situation;
};

// Before absolute paths.
std::string RootOf(const HardeningOptions& options) { return os::RootPrefix(options.root); }

std::string ProcOf(const HardeningOptions& options) { return RootOf(options) + "/proc"; }

std::string StateOf(const HardeningOptions& options) { return RootOf(options) + options.state; }

Result<Engine> LookAtEngine(Deadline deadline, const HardeningOptions& options) {
  ASSIGN_OR_RETURN(Facts facts,
                   CollectFacts(deadline, {.root = options.root, .socket = options.socket}));
  RETURN_IF_ERROR(facts.version.status());
  RETURN_IF_ERROR(facts.info.status());
  RETURN_IF_ERROR(facts.containers.status());
  RETURN_IF_ERROR(facts.process.status());
  Engine engine{std::move(facts), "", {}};
  engine.unit = UnitOfProcess(ProcOf(options), engine.facts.process->pid);
  engine.situation = {
      engine.facts.engine_version,
      ParseEngineFlags(engine.facts.process->arguments, engine.facts.engine_version),
      InSwarm(engine.facts)};
  return engine;
}

std::string NewId() {
  std::uint8_t random[4] = {};
  // So few bytes are never cut short.
  if (getrandom(random, sizeof(random), 0) != sizeof(random)) random[0] = 1;
  return UtcDigits() + "-" + Hex(random);
}

Status CheckConsents(const Plan& plan, const std::set<Consent>& given) {
  std::vector<std::string> missing;
  for (const NeededConsent& needed : plan.consents) {
    if (given.contains(needed.consent)) continue;
    missing.push_back(std::string(Name(needed.consent)) + ": " + needed.why);
  }
  if (missing.empty()) return {};
  return Fail(Code::kFailedPrecondition, "CONSENT_NEEDED",
              "it is done only with consent to " + Join(missing, "; "));
}

// What has changed since the plan was made, by somebody who does not wait for locks.
Status CheckFiles(const std::vector<FileChange>& files, const HardeningOptions& options) {
  for (const FileChange& file : files) {
    ASSIGN_OR_RETURN(const std::optional<std::string> now,
                     ReadConfigFile(RootOf(options) + file.path));
    if (now == file.before) continue;
    return Fail(Code::kAborted, "FILES_CHANGED",
                file.path + ": is no longer as it was; nothing was changed");
  }
  return {};
}

Result<OpenTransaction> Begin(const Engine& engine, const EngineService& service,
                              const HardeningOptions& options, std::vector<FileChange> files) {
  OpenTransaction open;
  open.transaction.id = NewId();
  open.transaction.begun = UtcNow();
  open.transaction.engine = Text(At(*engine.facts.version, {"Version"}));
  open.transaction.files = std::move(files);
  open.engine = service.ToJson();
  open.engine["version"] = open.transaction.engine;
  open.config_file = engine.facts.config_file.path;
  open.swarm = engine.situation.swarm;
  const auto is_config = [&](const FileChange& file) { return file.path == open.config_file; };
  if (std::ranges::none_of(open.transaction.files, is_config)) {
    ASSIGN_OR_RETURN(const std::optional<std::string> now,
                     ReadConfigFile(RootOf(options) + open.config_file));
    open.transaction.files.push_back({open.config_file, now, now});
  }
  open.containers = RunningContainers(*engine.facts.containers);
  return open;
}

// libselinux and containerd are asked only for a profile with which it matters.
Result<Plan> PlanFor(const Profile& profile, Engine& engine) {
  const bool matters = std::ranges::any_of(
      profile.settings, [](const ProfileSetting& setting) { return setting.only == "selinux"; });
  if (matters) {
    const Result<SelinuxState> selinux = CollectSelinuxState(engine.facts);
    engine.facts.selinux_missing =
        selinux.ok() ? WhySelinuxWouldNotWork(*selinux) : Message(selinux.status());
  }
  return MakePlan(profile, engine.facts, engine.unit);
}

EngineService ServiceOf(const Engine& engine, const HardeningOptions& options) {
  return {ProcOf(options), options.socket, engine.unit, *engine.facts.process};
}

Status Settle(const Journal& journal, const HardeningOptions& options, const StepSink& step,
              std::optional<Transaction>& settled) {
  ASSIGN_OR_RETURN(std::optional<OpenTransaction> open, journal.Current());
  if (!open) return {};
  ASSIGN_OR_RETURN(EngineService service, EngineService::FromJson(ProcOf(options), open->engine));
  ASSIGN_OR_RETURN(const EngineVersion version,
                   ParseEngineVersion(Text(At(open->engine, {"version"}))));
  const EngineSituation situation{
      version, ParseEngineFlags(Texts(At(open->engine, {"arguments"})), version), open->swarm};
  HardeningOptions there = options;
  there.socket = Text(At(open->engine, {"socket"}));
  Change change(journal, *std::move(open), std::move(service), situation, there, step);
  ASSIGN_OR_RETURN(settled, change.Recover());
  return {};
}

// Which transaction's files are to be brought back.
Result<Transaction> Choose(const std::string& state, const std::string& id) {
  ASSIGN_OR_RETURN(const std::vector<Transaction> history, ReadHistory(state));
  std::set<std::string> undone;
  for (const Transaction& entry : history) {
    if (entry.result != "applied") continue;
    const bool chosen =
        id.empty() ? entry.kind == "apply" && !undone.contains(entry.id) : entry.id == id;
    if (chosen) return entry;
    if (!entry.undoes.empty()) undone.insert(entry.undoes);
  }
  return Fail(Code::kNotFound, "TRANSACTION_UNKNOWN",
              id.empty() ? "there is nothing that was applied and not rolled back"
                         : Quoted(id) + " is no transaction that was applied");
}

// A restart that its containers do not live through, for one who did not plan it.
Status CheckContainersConsent(const Course& course, const OpenTransaction& open,
                              const HardeningOptions& options) {
  if (course.effect != Effect::kRestart || course.keeps_containers) return {};
  Plan plan;
  if (course.ends_containers) {
    plan.consents.push_back({Consent::kMoveData, "the engine's data is elsewhere then"});
  }
  if (!open.containers.empty()) {
    plan.consents.push_back(
        {Consent::kStopContainers, std::to_string(open.containers.size()) + " containers run now"});
  }
  return CheckConsents(plan, options.consents);
}

}  // namespace

Result<Plan> PlanHardening(Deadline deadline, const HardeningOptions& options) {
  ASSIGN_OR_RETURN(const Profile profile, ChooseProfile(options));
  ASSIGN_OR_RETURN(Engine engine, LookAtEngine(deadline, options));
  return PlanFor(profile, engine);
}

Result<Transaction> ApplyHardening(Deadline deadline, const HardeningOptions& options,
                                   const StepSink& step) {
  ASSIGN_OR_RETURN(const Profile profile, ChooseProfile(options));
  ASSIGN_OR_RETURN(const Journal journal, Journal::Open(StateOf(options)));
  std::optional<Transaction> settled;
  RETURN_IF_ERROR(Settle(journal, options, step, settled));
  ASSIGN_OR_RETURN(Engine engine, LookAtEngine(deadline, options));
  ASSIGN_OR_RETURN(const Plan plan, PlanFor(profile, engine));
  if (!options.digest.empty() && options.digest != plan.digest) {
    return Fail(Code::kAborted, "PLAN_CHANGED",
                "what would be done is no longer what the plan said; nothing was changed");
  }
  RETURN_IF_ERROR(CheckConsents(plan, options.consents));
  EngineService service = ServiceOf(engine, options);
  ASSIGN_OR_RETURN(OpenTransaction open, Begin(engine, service, options, plan.files));
  open.transaction.kind = "apply";
  open.transaction.profile = plan.profile;
  open.effect = plan.effect;
  if (plan.files.empty()) {
    open.transaction.ended = UtcNow();
    open.transaction.result = "unchanged";
    return open.transaction;
  }
  RETURN_IF_ERROR(CheckFiles(plan.files, options));
  const ConfigTexts texts = TextsOf(plan.files, open.config_file);
  if (engine.situation.version >= kValidates && texts.after) {
    RETURN_IF_ERROR(
        ValidateByEngine(deadline, *engine.facts.process, *texts.after, StateOf(options)));
  }
  Change change(journal, std::move(open), std::move(service), engine.situation, options, step);
  return change.Make(deadline, options.canary.value_or(plan.canary));
}

Result<Transaction> RollBackHardening(Deadline deadline, const HardeningOptions& options,
                                      const std::string& id, const StepSink& step) {
  ASSIGN_OR_RETURN(const Journal journal, Journal::Open(StateOf(options)));
  std::optional<Transaction> settled;
  RETURN_IF_ERROR(Settle(journal, options, step, settled));
  ASSIGN_OR_RETURN(const Transaction undone, Choose(StateOf(options), id));
  std::vector<FileChange> files;
  for (const FileChange& file : undone.files) {
    files.push_back({file.path, file.after, file.before});
  }
  RETURN_IF_ERROR(CheckFiles(files, options));
  ASSIGN_OR_RETURN(const Engine engine, LookAtEngine(deadline, options));
  EngineService service = ServiceOf(engine, options);
  ASSIGN_OR_RETURN(OpenTransaction open, Begin(engine, service, options, files));
  open.transaction.kind = "roll-back";
  open.transaction.undoes = undone.id;
  open.transaction.profile = undone.profile;
  const ConfigTexts texts = TextsOf(files, open.config_file);
  if (texts.other_files) open.effect = Effect::kRestart;
  ASSIGN_OR_RETURN(const Course course,
                   PlotCourse(texts.before, texts.after, open.effect, engine.situation));
  RETURN_IF_ERROR(CheckContainersConsent(course, open, options));
  Change change(journal, std::move(open), std::move(service), engine.situation, options, step);
  return change.Make(deadline, options.canary.value_or(false));
}

Result<std::vector<Transaction>> HardeningHistory(const std::string& state) {
  return ReadHistory(state);
}

Result<std::optional<Transaction>> RecoverHardening(const HardeningOptions& options) {
  ASSIGN_OR_RETURN(const Journal journal, Journal::Open(StateOf(options)));
  std::optional<Transaction> settled;
  RETURN_IF_ERROR(Settle(journal, options, {}, settled));
  return settled;
}

}  // namespace seaworthy::docker
