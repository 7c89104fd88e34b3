// docker selinux: what SELinux gives the engine here; no daemon is asked.
#include <chrono>

#include "ctl/command.h"
#include "seaworthy/modules/docker/selinux_state.h"
#include "seaworthy/words.h"

namespace seaworthy::ctl {
namespace {

constexpr std::chrono::seconds kPatience{60};

struct SelinuxCommand {
  std::string engine = docker::kEngineSocket;
};

std::string Shown(const std::string& label) { return label.empty() ? "none" : Printable(label); }

std::string ProcessLine(const char* name, const docker::SelinuxProcess& process) {
  std::string line = "  " + std::string(name) + "  ";
  line += process.seen ? Shown(process.label) : "not seen";
  if (!process.next.empty() && process.next != process.label) {
    line += "; started anew: " + Printable(process.next);
  }
  return line + "\n";
}

std::string Render(const docker::SelinuxState& state, const Style& style) {
  std::string text = "SELinux  " + std::string(ToString(state.mode));
  if (state.mode != docker::SelinuxMode::kDisabled) {
    text += ", policy " + Printable(state.policy) + ", version " +
            std::to_string(state.policy_version) + "\n  containers  " +
            Shown(state.container_process) + ", files " + Shown(state.container_file) + " (" +
            Printable(state.contexts_file) + ")\n" + ProcessLine("dockerd", state.engine) +
            ProcessLine("containerd", state.containerd);
  } else {
    text += "\n";
  }
  for (const auto& [name, on] : state.booleans) {
    text += "  boolean  " + Printable(name) + " " + (on ? "on" : "off") + "\n";
  }
  for (const docker::SelinuxFile& file : state.files) {
    text += "  file  " + Printable(file.path) + "  " + Shown(file.label);
    if (file.Differs()) text += style.Warning("  the policy has ") + Printable(file.wanted);
    text += "\n";
  }
  if (state.engine_labels) {
    text += *state.engine_labels ? "  the engine labels containers\n"
                                 : "  the engine labels no containers: selinux-enabled is off\n";
  }
  std::vector<std::string> paths = docker::PlannedRelabels(state);
  if (!paths.empty()) {
    for (std::string& path : paths) path = Printable(path);
    text += "to do: restorecon -R " + Join(paths, " ") + "\n";
  }
  const std::vector<std::string> missing = docker::MissingForSelinux(state);
  for (const std::string& sentence : missing) {
    text += style.Bad("missing") + "  " + Printable(sentence) + "\n";
  }
  if (missing.empty()) text += style.Good("works") + "  selinux-enabled keeps containers apart\n";
  return text;
}

Outcome RunSelinux(Session& session, const SelinuxCommand& options) {
  docker::SelinuxOptions how;
  how.socket = options.engine;
  const Result<docker::SelinuxState> state = docker::LookAtSelinux(DeadlineIn(kPatience), how);
  if (!state.ok()) return {ExitCode::kFailed, state.status(), ""};
  session.terminal().out << (session.json() ? docker::ToJson(*state)
                                            : Render(*state, session.style()));
  return {docker::MissingForSelinux(*state).empty() ? ExitCode::kDone : ExitCode::kNo, {}, ""};
}

}  // namespace

void AddDockerSelinuxCommand(CLI::App& docker, CommandLine& line) {
  auto options = std::make_shared<SelinuxCommand>();
  AddCommand(docker, line, "selinux",
             "Whether SELinux keeps containers apart on this node, and what is missing: exit code "
             "0 it works, 1 something is missing. Run it as root; needs no daemon",
             "  seaworthyctl docker selinux\n"
             "  seaworthyctl docker selinux --output json",
             options, RunSelinux)
      ->add_option("--engine", options->engine, "The engine's socket")
      ->type_name("PATH")
      ->capture_default_str();
}

}  // namespace seaworthy::ctl
