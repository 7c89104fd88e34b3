// docker plan, apply, rollback and history: of the engine here, as root, or of the daemon that is
// named.
#include <chrono>
#include <nlohmann/json.hpp>

#include "ctl/command.h"
#include "ctl/docker_remote.h"
#include "ctl/render_hardening.h"
#include "seaworthy/directory.h"
#include "seaworthy/status_macros.h"

namespace seaworthy::ctl {
namespace {

constexpr std::size_t kMaxProfile = std::size_t{256} << 10;
constexpr std::chrono::seconds kLookPatience{60};
// An apply that is undone takes the engine's start twice.
constexpr std::chrono::minutes kChangePatience{10};

struct HardeningCommand {
  std::string engine = docker::kEngineSocket;
  std::string profile = "standard";
  std::string state = docker::kHardeningState;
  std::string transaction;
  std::string digest;
  std::vector<std::string> consents;
  std::uint32_t patience = 60;
  bool canary = false;
  bool no_canary = false;
  bool yes = false;
};

Result<docker::HardeningOptions> OptionsOf(const HardeningCommand& command) {
  docker::HardeningOptions options;
  options.socket = command.engine;
  options.state = command.state;
  options.digest = command.digest;
  options.patience = std::chrono::seconds(command.patience);
  if (command.canary) options.canary = true;
  if (command.no_canary) options.canary = false;
  for (const std::string& name : command.consents) {
    ASSIGN_OR_RETURN(const docker::Consent consent, docker::ParseConsent(name));
    options.consents.insert(consent);
  }
  options.profile = command.profile;
  if (command.profile.find('/') != std::string::npos) {
    ASSIGN_OR_RETURN(const Bytes text, ReadFile(command.profile, kMaxProfile));
    options.profile_text = AsText(text);
  }
  return options;
}

Outcome FailedWith(const Status& status) {
  const std::string reason = Reason(status);
  if (reason == "PROFILE_MALFORMED" || reason == "PROFILE_ABSENT" || reason == "PROFILE_UNSAFE" ||
      reason == "TRANSACTION_UNKNOWN") {
    return Usage(status);
  }
  if (reason == "CONSENT_NEEDED") return {ExitCode::kNo, status, ""};
  return {ExitCode::kFailed, status, ""};
}

// What is only for the engine here.
Status CheckPlaces(Session& session, const HardeningCommand& command) {
  const HardeningCommand none;
  const bool here = command.engine != none.engine || command.state != none.state ||
                    command.patience != none.patience ||
                    command.profile.find('/') != std::string::npos;
  if (!here || !session.client().named()) return {};
  return Fail(Code::kInvalidArgument, "USAGE",
              "--engine, --state, --patience and a profile's file are for the engine here; a node "
              "that is asked has its own");
}

Result<docker::HardeningOptions> Read(Session& session, const HardeningCommand& command) {
  RETURN_IF_ERROR(CheckPlaces(session, command));
  return OptionsOf(command);
}

Outcome Plan(Session& session, const docker::HardeningOptions& options, docker::Plan& plan) {
  if (session.client().named()) return PlanOver(session, options.profile, plan);
  Result<docker::Plan> made = docker::PlanHardening(DeadlineIn(kLookPatience), options);
  if (!made.ok()) return FailedWith(made.status());
  plan = *std::move(made);
  return {};
}

Outcome RunPlan(Session& session, const HardeningCommand& command) {
  const Result<docker::HardeningOptions> options = Read(session, command);
  if (!options.ok()) return Usage(options.status());
  docker::Plan plan;
  if (Outcome outcome = Plan(session, *options, plan); !outcome.ok()) return outcome;
  session.terminal().out << (session.json() ? docker::ToJson(plan) + "\n"
                                            : RenderPlan(plan, session.style()));
  return {plan.files.empty() ? ExitCode::kDone : ExitCode::kNo, {}, ""};
}

docker::StepSink StepsTo(Session& session) {
  return [&session](const docker::HardeningStep& step) {
    if (!session.json()) {
      session.terminal().err << Printable(step.name) << ": " << Printable(step.text) << std::endl;
    }
  };
}

Outcome TellTransaction(Session& session, const docker::Transaction& transaction) {
  session.terminal().out << (session.json() ? docker::ToJson(transaction) + "\n"
                                            : RenderTransaction(transaction, session.style()));
  if (transaction.result == "broken") return {ExitCode::kFailed, {}, ""};
  return {transaction.result == "restored" ? ExitCode::kNo : ExitCode::kDone, {}, ""};
}

// As it ended here.
Outcome Take(Result<docker::Transaction> done, docker::Transaction& transaction) {
  if (!done.ok()) return FailedWith(done.status());
  transaction = *std::move(done);
  return {};
}

Outcome RunApply(Session& session, const HardeningCommand& command) {
  Result<docker::HardeningOptions> options = Read(session, command);
  if (!options.ok()) return Usage(options.status());
  if (!command.yes) {
    docker::Plan plan;
    if (Outcome outcome = Plan(session, *options, plan); !outcome.ok()) return outcome;
    session.terminal().err << RenderPlan(plan, session.style());
    if (!plan.files.empty()) {
      if (Outcome asked = session.Confirm(false, "Apply it?"); !asked.ok()) return asked;
    }
    // What was seen is what is done.
    if (options->digest.empty()) options->digest = plan.digest;
  }
  docker::Transaction transaction;
  const docker::StepSink steps = StepsTo(session);
  Outcome outcome =
      session.client().named()
          ? ApplyOver(session, *options, steps, transaction)
          : Take(docker::ApplyHardening(DeadlineIn(kChangePatience), *options, steps), transaction);
  return outcome.ok() ? TellTransaction(session, transaction) : outcome;
}

Outcome RunRollBack(Session& session, const HardeningCommand& command) {
  const Result<docker::HardeningOptions> options = Read(session, command);
  if (!options.ok()) return Usage(options.status());
  const std::string& id = command.transaction;
  const std::string question = "Bring back the configuration from before " +
                               (id.empty() ? std::string("the last apply") : id) + "?";
  if (Outcome asked = session.Confirm(command.yes, question); !asked.ok()) return asked;
  docker::Transaction transaction;
  const docker::StepSink steps = StepsTo(session);
  Outcome outcome =
      session.client().named()
          ? RollBackOver(session, *options, id, steps, transaction)
          : Take(docker::RollBackHardening(DeadlineIn(kChangePatience), *options, id, steps),
                 transaction);
  return outcome.ok() ? TellTransaction(session, transaction) : outcome;
}

Outcome History(Session& session, const std::string& state,
                std::vector<docker::Transaction>& history) {
  if (session.client().named()) return HistoryOver(session, history);
  Result<std::vector<docker::Transaction>> read = docker::HardeningHistory(state);
  if (!read.ok()) return FailedWith(read.status());
  history = *std::move(read);
  return {};
}

Outcome RunHistory(Session& session, const HardeningCommand& command) {
  if (Status status = CheckPlaces(session, command); !status.ok()) return Usage(status);
  std::vector<docker::Transaction> history;
  if (Outcome outcome = History(session, command.state, history); !outcome.ok()) return outcome;
  if (!session.json()) {
    session.terminal().out << RenderHistory(history, session.style());
    return {};
  }
  nlohmann::json list = nlohmann::json::array();
  for (const docker::Transaction& transaction : history) {
    list.push_back(nlohmann::json::parse(docker::ToJson(transaction)));
  }
  session.terminal().out << nlohmann::json{{"transactions", list}}.dump(2) << "\n";
  return {};
}

void AddState(CLI::App& command, HardeningCommand& options) {
  command.add_option("--state", options.state, "Where transactions are kept")
      ->type_name("FOLDER")
      ->capture_default_str();
}

void AddEngine(CLI::App& command, HardeningCommand& options) {
  command.add_option("--engine", options.engine, "The engine's socket")
      ->type_name("PATH")
      ->capture_default_str();
}

void AddProfile(CLI::App& command, HardeningCommand& options) {
  command
      .add_option("--profile", options.profile,
                  "\"standard\", \"strict\", one of the site's own by its name, or a file by its "
                  "path, with a slash in it")
      ->type_name("NAME")
      ->capture_default_str();
}

void AddChange(CLI::App& command, HardeningCommand& options) {
  command
      .add_option("--consent", options.consents,
                  "Agree to what the plan asks for: move-data, stop-containers, lose-access; "
                  "may be repeated")
      ->type_name("WHAT");
  command
      .add_option("--patience", options.patience,
                  "How long the engine may take to be well again, in seconds")
      ->type_name("SECONDS")
      ->check(CLI::Range(1, 3600))
      ->capture_default_str();
  CLI::Option* const canary = command.add_flag("--canary", options.canary,
                                               "Start a container afterwards to try the engine");
  command.add_flag("--no-canary", options.no_canary, "Do not, whatever the profile says")
      ->excludes(canary);
  command.add_flag("--yes", options.yes, "Do not ask");
}

}  // namespace

void AddHardeningCommands(CLI::App& docker, CommandLine& line) {
  auto plan = std::make_shared<HardeningCommand>();
  CLI::App* command = AddCommand(
      docker, line, "plan",
      "Shows what would make the engine stand as a profile says, and changes nothing: exit code 0 "
      "it does, 1 there is something to do. Run it as root; needs no "
      "daemon, but asks the one that is named by --socket or --address",
      "  seaworthyctl docker plan\n"
      "  seaworthyctl docker plan --profile strict --output json",
      plan, RunPlan);
  AddEngine(*command, *plan);
  AddProfile(*command, *plan);

  auto apply = std::make_shared<HardeningCommand>();
  command = AddCommand(
      docker, line, "apply",
      "Makes the engine stand as a profile says, and undoes it by itself when the engine is not "
      "well with it: exit code 0 it stands, 1 it was undone, or refused. Run it as root; needs no "
      "daemon, but asks the one that is named by --socket or --address",
      "  seaworthyctl docker apply\n"
      "  seaworthyctl docker apply --profile strict --consent move-data --consent stop-containers",
      apply, RunApply);
  AddEngine(*command, *apply);
  AddProfile(*command, *apply);
  AddState(*command, *apply);
  command
      ->add_option("--digest", apply->digest,
                   "Only what a plan with that digest says, and nothing else")
      ->type_name("HEX");
  AddChange(*command, *apply);

  auto roll_back = std::make_shared<HardeningCommand>();
  command = AddCommand(
      docker, line, "rollback",
      "Brings back the configuration from before the last apply, or the one that is named. Run it "
      "as root; needs no daemon",
      "  seaworthyctl docker rollback\n"
      "  seaworthyctl docker rollback 20261129T101500.123456Z-1f2e3d4c",
      roll_back, RunRollBack);
  command->add_option("ID", roll_back->transaction, "Which, as the history names it")
      ->type_name("ID");
  AddEngine(*command, *roll_back);
  AddState(*command, *roll_back);
  AddChange(*command, *roll_back);

  auto history = std::make_shared<HardeningCommand>();
  command = AddCommand(docker, line, "history",
                       "Lists what was applied, rolled back and undone, the newest first",
                       "  seaworthyctl docker history", history, RunHistory);
  AddState(*command, *history);
}

}  // namespace seaworthy::ctl
