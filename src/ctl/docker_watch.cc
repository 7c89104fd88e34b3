// docker watch: follows the engine here, as root, or has the daemon that was named tell.
#include <sys/signalfd.h>

#include <cerrno>
#include <csignal>

#include "ctl/command.h"
#include "ctl/docker_remote.h"
#include "ctl/site_policy_file.h"
#include "seaworthy/directory.h"
#include "seaworthy/handle.h"
#include "seaworthy/modules/docker/drift.h"

namespace seaworthy::ctl {
namespace {

using docker::EngineEvent;

struct WatchCommand {
  std::string engine = docker::kEngineSocket;
  std::string policy;
  std::string state = docker::kHardeningState;
  std::uint64_t count = 0;
};

// SIGINT and SIGTERM as something to wait for, while it is there.
class Interrupt {
 public:
  Interrupt() {
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &signals, &before_);
    fd_.reset(signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));
  }
  ~Interrupt() {
    signalfd_siginfo taken = {};
    while (read(fd_.get(), &taken, sizeof(taken)) > 0) continue;  // it is obeyed
    pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;

  int descriptor() const { return fd_.get(); }

 private:
  sigset_t before_ = {};
  UniqueFd fd_;
};

// What the kind of the event has beside its sentence.
std::string SubjectOf(const EngineEvent& event) {
  if (!event.finding) return event.path;
  return event.finding->check +
         (event.finding->subject.empty() ? "" : " " + event.finding->subject);
}

std::string RenderEvent(const EngineEvent& event, const Style& style) {
  std::string kind(docker::ToString(event.kind));
  if (event.kind == EngineEvent::Kind::kAppeared || event.kind == EngineEvent::Kind::kEngineGone ||
      event.kind == EngineEvent::Kind::kDrift) {
    kind = style.Bad(kind);
  } else if (event.kind == EngineEvent::Kind::kGone ||
             event.kind == EngineEvent::Kind::kEngineBack) {
    kind = style.Good(kind);
  } else if (event.kind != EngineEvent::Kind::kAudit) {
    kind = style.Warning(kind);
  }
  const std::string subject = SubjectOf(event);
  return Printable(event.time) + "  " + kind + "  " +
         (subject.empty() ? "" : style.Strong(Printable(subject)) + ": ") + Printable(event.text) +
         "\n";
}

Outcome WatchHere(const WatchCommand& command,
                  const std::function<bool(const EngineEvent&)>& take) {
  const Result<std::string> policy = ReadSitePolicy(command.policy);
  if (!policy.ok()) return Usage(policy.status());
  const Interrupt interrupt;
  if (interrupt.descriptor() < 0) {
    return {ExitCode::kFailed, FromErrno(errno, "wait for signals"), ""};
  }
  docker::DriftOptions options;
  options.watch.socket = command.engine;
  options.watch.policy = *policy;
  options.watch.stop = interrupt.descriptor();
  options.state = command.state;
  const Status status = docker::WatchDrift(Deadline::max(), options, take);
  if (Reason(status) == "SITE_POLICY_MALFORMED") return Usage(NamePolicy(status, command.policy));
  if (!status.ok()) return {ExitCode::kFailed, status, ""};
  return {};
}

Outcome RunWatch(Session& session, const WatchCommand& command) {
  std::uint64_t told = 0;
  std::ostream& out = session.terminal().out;
  const auto take = [&](const EngineEvent& event) {
    out << (session.json() ? docker::ToJson(event) + "\n" : RenderEvent(event, session.style()))
        << std::flush;
    return out.good() && ++told != command.count;
  };
  if (!session.client().named()) return WatchHere(command, take);
  const WatchCommand none;
  if (command.engine != none.engine || command.state != none.state || !command.policy.empty()) {
    return Usage(
        "--engine, --state and --policy are for a watch here; a node that is asked has its own");
  }
  return WatchOver(session, take);
}

}  // namespace

void AddDockerWatchCommand(CLI::App& docker, CommandLine& line) {
  auto watch = std::make_shared<WatchCommand>();
  CLI::App* command = AddCommand(
      docker, line, "watch",
      "Audits the engine, then follows it and tells what comes to fail, what no longer does, "
      "and what is changed in the files that a transaction left, until interrupted. As root, or "
      "over "
      "a daemon that is named",
      "  seaworthyctl docker watch\n"
      "  seaworthyctl docker watch --output json | logger -t docker-drift",
      watch, RunWatch);
  command->add_option("--engine", watch->engine, "The engine's socket")
      ->type_name("PATH")
      ->capture_default_str();
  command
      ->add_option("--policy", watch->policy,
                   "What the site allows, JSON (default: /etc/seaworthy/docker-policy.json, "
                   "where there is one)")
      ->type_name("FILE");
  command->add_option("--state", watch->state, "Where transactions are kept")
      ->type_name("FOLDER")
      ->capture_default_str();
  command
      ->add_option("--count", watch->count,
                   "Stop after so many events; the first is how the engine stands")
      ->type_name("N");
}

}  // namespace seaworthy::ctl
