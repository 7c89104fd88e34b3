// docker audit: looks at the engine here, as root, or asks the daemon that was named. For the rest,
// see hardening_commands.cc.
#include <chrono>
#include <optional>

#include "ctl/audit_formats.h"
#include "ctl/command.h"
#include "ctl/docker_remote.h"
#include "ctl/site_policy_file.h"
#include "seaworthy/directory.h"
#include "seaworthy/status_macros.h"

namespace seaworthy::ctl {
namespace {

constexpr mode_t kFileMode = 0600;  // it tells where a node is weak
constexpr std::chrono::seconds kPatience{60};

struct AuditCommand {
  std::string engine = docker::kEngineSocket;
  std::string policy;
  std::string compare;
  std::string sarif;
  std::string junit;
  bool all = false;
};

Result<docker::AuditReport> ReadReport(const std::string& path) {
  ASSIGN_OR_RETURN(const Bytes file, ReadFile(path, docker::kMaxAuditReport));
  Result<docker::AuditReport> report = docker::ParseAuditReport(AsText(file));
  if (!report.ok()) return Wrap(report.status(), path);
  return report;
}

Status WriteReports(const docker::AuditReport& report, const AuditCommand& options) {
  if (!options.sarif.empty()) {
    RETURN_IF_ERROR(ReplaceFile(options.sarif, AsBytes(ToSarif(report)), kFileMode));
  }
  if (options.junit.empty()) return {};
  return ReplaceFile(options.junit, AsBytes(ToJUnit(report)), kFileMode);
}

bool AnyFails(const docker::AuditReport& report) {
  return report.Counts().contains(docker::Outcome::kFail);
}

Outcome AuditHere(const AuditCommand& options, docker::AuditReport& report) {
  docker::EngineAuditOptions how;
  how.socket = options.engine;
  Result<std::string> policy = ReadSitePolicy(options.policy);
  if (!policy.ok()) return Usage(policy.status());
  how.policy = *std::move(policy);
  Result<docker::AuditReport> done = docker::AuditEngine(DeadlineIn(kPatience), how);
  if (Reason(done.status()) == "SITE_POLICY_MALFORMED") {
    return Usage(NamePolicy(done.status(), options.policy));
  }
  if (!done.ok()) return {ExitCode::kFailed, done.status(), ""};
  report = *std::move(done);
  return {};
}

Outcome Audit(Session& session, const AuditCommand& options, docker::AuditReport& report) {
  if (!session.client().named()) return AuditHere(options, report);
  if (options.engine != docker::kEngineSocket || !options.policy.empty()) {
    return Usage("--engine and --policy are for an audit here; a node that is asked has its own");
  }
  return AuditOver(session, report);
}

Outcome RunAudit(Session& session, const AuditCommand& options) {
  std::optional<docker::AuditReport> before;
  if (!options.compare.empty()) {
    Result<docker::AuditReport> read = ReadReport(options.compare);
    if (!read.ok()) return Usage(read.status());
    before = *std::move(read);
  }
  docker::AuditReport report;
  if (Outcome outcome = Audit(session, options, report); !outcome.ok()) return outcome;
  if (Status status = WriteReports(report, options); !status.ok()) return Usage(status);
  std::ostream& out = session.terminal().out;
  if (!before) {
    out << (session.json() ? docker::ToJson(report)
                           : RenderAudit(report, options.all, session.style()));
    return {AnyFails(report) ? ExitCode::kNo : ExitCode::kDone, {}, ""};
  }
  const docker::AuditDifference difference = docker::Compare(*before, report);
  out << (session.json() ? DifferenceJson(report, difference)
                         : RenderDifference(difference, session.style()));
  return {difference.appeared.empty() ? ExitCode::kDone : ExitCode::kNo, {}, ""};
}

}  // namespace

void AddDockerCommands(CLI::App& app, CommandLine& line) {
  CLI::App* docker = app.add_subcommand("docker", "Docker's engine on this node");
  docker->require_subcommand(1);
  auto audit = std::make_shared<AuditCommand>();
  CLI::App* command = AddCommand(
      *docker, line, "audit",
      "Holds the engine against the CIS Docker Benchmark: exit code 0 nothing fails, 1 something "
      "does. Run it as root; needs no daemon, but asks the one that is named by --socket or "
      "--address",
      "  seaworthyctl docker audit\n"
      "  seaworthyctl docker audit --output json > monday.json\n"
      "  seaworthyctl docker audit --compare monday.json --sarif audit.sarif\n"
      "  seaworthyctl docker audit --address node-17:8443 --ca ca.pem --cert me.pem --key me.key",
      audit, RunAudit);
  command->add_option("--engine", audit->engine, "The engine's socket")
      ->type_name("PATH")
      ->capture_default_str();
  command
      ->add_option("--policy", audit->policy,
                   "What the site allows, JSON (default: /etc/seaworthy/docker-policy.json, "
                   "where there is one)")
      ->type_name("FILE");
  command
      ->add_option("--compare", audit->compare,
                   "Tell what differs from an earlier audit's JSON: exit code 1 something fails "
                   "that did not then")
      ->type_name("FILE");
  command->add_option("--sarif", audit->sarif, "Write it as SARIF too, to this file")
      ->type_name("FILE");
  command->add_option("--junit", audit->junit, "Write it as JUnit's XML too, to this file")
      ->type_name("FILE");
  command->add_flag("--all", audit->all, "Show what passes and what does not apply, too");
  AddHardeningCommands(*docker, line);
  AddDockerWatchCommand(*docker, line);
  AddDockerSelinuxCommand(*docker, line);
}

}  // namespace seaworthy::ctl
