// integrity check-policy, make-policy, simulate-policy, install-policy, remove-policy: IMA policies
// on this node. None needs the daemon, which may write to no file of the node.
#include <algorithm>
#include <filesystem>

#include "ctl/command.h"
#include "ctl/integrity_files.h"
#include "seaworthy/directory.h"
#include "seaworthy/modules/integrity/docker_installation.h"
#include "seaworthy/modules/integrity/file_conditions.h"
#include "seaworthy/modules/integrity/install_policy.h"
#include "seaworthy/modules/integrity/make_policy.h"
#include "seaworthy/modules/integrity/simulate_policy.h"
#include "seaworthy/status_macros.h"
#include "seaworthy/words.h"

namespace seaworthy::ctl {
namespace {

using integrity::ImaFinding;
using integrity::ImaPolicy;

// Of what there may be as much of as a policy has rules or a node has files.
constexpr std::size_t kMaxTold = 20;
// With these the kernel drops a policy, or does nothing of what it says.
constexpr std::string_view kCannotWork[] = {"NO_RULES", "NO_SUCH_PCR"};
// Where programs and libraries are; what is run elsewhere is not a node's to need.
constexpr const char* kProgramFolders[] = {"bin", "etc",  "lib",  "lib64",
                                           "opt", "root", "sbin", "usr"};

struct CheckOptions {
  std::string file;
};

struct MakeOptions {
  std::string kind;
  std::string templates = IMA_TEMPLATES;
  std::string root = "/";
  std::vector<std::string> more;
  std::string out;
  bool appraise_all_programs = false;
};

struct SimulateOptions {
  std::string file;
  std::string root = "/";
  std::vector<std::string> paths;
  std::vector<std::string> keys;
  bool other_file_systems = false;
};

struct InstallOptions {
  std::string file;
  std::string root = "/";
  std::vector<std::string> keys;
  bool now = false;
  bool force = false;
};

struct RemoveOptions {
  std::string root = "/";
};

// A policy's file: its text and its rules. The outcome of the command, where it is none.
struct PolicyFile {
  std::string text;
  ImaPolicy policy;
};
Outcome ReadPolicy(const std::string& path, PolicyFile& read) {
  const Result<Bytes> file = ReadFile(path, integrity::kMaxImaPolicy);
  if (!file.ok()) return Usage(file.status());
  read.text = AsText(*file);
  Result<ImaPolicy> policy = integrity::ParseImaPolicy(read.text);
  if (!policy.ok()) return {ExitCode::kNo, Wrap(policy.status(), path), ""};
  read.policy = *std::move(policy);
  return {};
}

Outcome Failed(const Status& status) {
  if (status.code() != Code::kPermissionDenied) return {ExitCode::kFailed, status, ""};
  return {ExitCode::kFailed, Wrap(status, "this is root's to do"), ""};
}

Outcome No(std::string_view reason, const std::string& why) {
  return {ExitCode::kNo, Fail(Code::kFailedPrecondition, reason, why), ""};
}

void TellFindings(const Session& session, const std::vector<ImaFinding>& findings,
                  std::ostream& out) {
  for (std::size_t i = 0; i < std::min(findings.size(), kMaxTold); ++i) {
    const ImaFinding& finding = findings[i];
    out << session.style().Warning("warn") << "  "
        << (finding.line == 0 ? "" : "line " + std::to_string(finding.line) + ": ")
        << Printable(finding.text) << " [" << finding.reason << "]\n";
  }
  if (findings.size() > kMaxTold) out << "and " << findings.size() - kMaxTold << " more\n";
}

Outcome RunCheckPolicy(Session& session, const CheckOptions& options) {
  PolicyFile file;
  if (Outcome read = ReadPolicy(options.file, file); !read.ok()) return read;
  std::ostream& out = session.terminal().out;
  TellFindings(session, integrity::FindInImaPolicy(file.policy), out);
  out << "the kernel takes it: " << file.policy.rules.size() << " rules\n";
  return {};
}

// As paths for TreeRunOf. What links lead to is listed itself.
std::vector<std::string> PathsOf(const std::vector<integrity::InstalledFile>& files) {
  std::vector<std::string> paths;
  for (const integrity::InstalledFile& file : files) {
    if (file.link_target.empty()) paths.push_back(file.path);
  }
  return paths;
}

// What a policy that was just made covers, and what not; beside the policy, on standard error.
Status TellCoverage(Session& session, const std::string& root, const std::string& text,
                    const std::vector<std::string>& paths) {
  std::ostream& err = session.terminal().err;
  ASSIGN_OR_RETURN(const ImaPolicy policy, integrity::ParseImaPolicy(text));
  TellFindings(session, integrity::FindInImaPolicy(policy), err);
  integrity::SimulationRun run{.root = root,
                               .tree = TreeRunOf(session, paths, true),
                               .tell = [&err](const integrity::SimulatedFile& file) {
                                 if (!file.measured.empty()) return;
                                 err << "not measured: " << Printable(file.path) << "\n";
                               }};
  run.tree.failed = nullptr;
  ASSIGN_OR_RETURN(const integrity::Simulation simulation, integrity::SimulatePolicy(policy, run));
  err << "of " << simulation.files << " files " << simulation.measured << " are measured, "
      << simulation.appraised << " appraised\n";
  if (simulation.appraised > 0) {
    err << session.style().Warning("warn")
        << "  sign what is appraised before the policy is loaded; simulate-policy tells what would "
           "be denied\n";
  }
  return {};
}

Outcome RunMakePolicy(Session& session, const MakeOptions& options) {
  const Result<Bytes> file =
      ReadFile(options.templates + "/" + options.kind, integrity::kMaxImaPolicy);
  if (!file.ok()) return Usage(file.status());
  const auto files = integrity::FindDockerInstallation(options.root, options.more);
  if (!files.ok()) return Failed(files.status());
  const auto node = integrity::LookAtNode(options.root, *files);
  if (!node.ok()) return Failed(node.status());
  const Result<std::string> text =
      integrity::MakeImaPolicy(AsText(*file), *node, {options.appraise_all_programs});
  if (!text.ok()) return {ExitCode::kNo, text.status(), ""};
  if (options.out.empty()) {
    session.terminal().out << *text;
  } else if (Status written = ReplaceFile(options.out, AsBytes(*text), 0644); !written.ok()) {
    return Usage(written);
  }
  const Status told = TellCoverage(session, options.root, *text, PathsOf(*files));
  return told.ok() ? Outcome{} : Failed(told);
}

std::string Line(const integrity::SimulatedFile& file) {
  std::string line = Printable(file.path) + ": ";
  line += file.measured.empty() ? "not measured" : "measured (" + Join(file.measured) + ")";
  if (file.denied.empty()) return line + "\n";
  return line + "; denied (" + Join(file.denied) + "): " + Printable(Message(file.why)) + " [" +
         Reason(file.why) + "]\n";
}

Outcome RunSimulatePolicy(Session& session, const SimulateOptions& options) {
  PolicyFile file;
  if (Outcome read = ReadPolicy(options.file, file); !read.ok()) return read;
  Result<verify::ImaKeys> keys = ReadImaKeys(options.keys);
  if (!keys.ok()) return Usage(keys.status());
  std::vector<std::string> paths = options.paths;
  if (paths.empty()) {
    const auto found = integrity::FindDockerInstallation(options.root, {});
    if (!found.ok()) return Failed(found.status());
    paths = PathsOf(*found);
  }
  std::ostream& out = session.terminal().out;
  if (integrity::AsksForSubject(file.policy)) {
    out << session.style().Warning("warn")
        << "  rules that ask for the label of a task (subj_...) are left out: nobody's is known\n";
  }
  const bool everywhere = options.other_file_systems || options.paths.empty();
  const Result<integrity::Simulation> simulation = integrity::SimulatePolicy(
      file.policy, {.root = options.root,
                    .tree = TreeRunOf(session, paths, everywhere),
                    .keys = *std::move(keys),
                    .tell = [&](const integrity::SimulatedFile& one) { out << Line(one); }});
  if (!simulation.ok()) return Failed(simulation.status());
  out << simulation->files << " files: " << simulation->measured << " measured, "
      << simulation->appraised << " appraised, " << simulation->denied << " denied, "
      << simulation->failed << " could not be looked at\n";
  return {simulation->denied + simulation->failed == 0 ? ExitCode::kDone : ExitCode::kNo, {}, ""};
}

// What would be denied of all the node's programs; told, the first of it.
Outcome CheckAppraisal(Session& session, const InstallOptions& options, const ImaPolicy& policy,
                       verify::ImaKeys keys) {
  std::vector<std::string> folders;
  for (const std::string folder : kProgramFolders) {
    std::error_code error;
    const auto status = std::filesystem::symlink_status(options.root + "/" + folder, error);
    if (std::filesystem::is_directory(status)) folders.push_back(folder);
  }
  std::uint64_t told = 0;
  const auto tell = [&](const integrity::SimulatedFile& file) {
    if (!file.denied.empty() && ++told <= kMaxTold) session.terminal().out << Line(file);
  };
  const Result<integrity::Simulation> simulation =
      integrity::SimulatePolicy(policy, {.root = options.root,
                                         .tree = TreeRunOf(session, folders, true),
                                         .keys = std::move(keys),
                                         .tell = tell});
  if (!simulation.ok()) return Failed(simulation.status());
  if (simulation->denied == 0) return {};
  return No("IMA_POLICY_DENIES", "the policy would deny " + std::to_string(simulation->denied) +
                                     " of the node's files; sign them, name their keys by "
                                     "--certificate, or --force it");
}

// Whether the policy may be installed; what speaks against it is told.
Outcome CheckForInstallation(Session& session, const InstallOptions& options,
                             const ImaPolicy& policy, verify::ImaKeys keys) {
  const std::vector<ImaFinding> findings = integrity::FindInImaPolicy(policy);
  TellFindings(session, findings, session.terminal().out);
  for (const ImaFinding& finding : findings) {
    if (std::ranges::find(kCannotWork, finding.reason) != std::end(kCannotWork)) {
      return No("IMA_POLICY_USELESS", options.file + ": " + finding.text);
    }
    if (finding.reason == "MANY_RULES" && !options.force) {
      return No("IMA_POLICY_SLOW", options.file + ": " + finding.text + "; or --force it");
    }
  }
  if (integrity::AsksForSelinux(policy) && !integrity::HasSelinux(options.root) && !options.force) {
    return No("SELINUX_ABSENT", options.file +
                                    ": has rules for SELinux's labels, and no SELinux is there: "
                                    "the kernel would refuse all of it; or --force it");
  }
  if (integrity::PlaceOf(policy) == integrity::PolicyPlace::kSystemd || options.force) return {};
  return CheckAppraisal(session, options, policy, std::move(keys));
}

Outcome RunInstallPolicy(Session& session, const InstallOptions& options) {
  PolicyFile file;
  if (Outcome read = ReadPolicy(options.file, file); !read.ok()) return read;
  const integrity::PolicyPlace place = integrity::PlaceOf(file.policy);
  const bool behind_keys = place == integrity::PolicyPlace::kBehindKeys;
  if (behind_keys && options.now) {
    return Usage(
        "--now: a policy that appraises is loaded behind its keys: install it, and then "
        "seaworthyctl integrity load-keys --policy " +
        integrity::PathOf(place));
  }
  Result<verify::ImaKeys> keys = ReadImaKeys(options.keys);
  if (!keys.ok()) return Usage(keys.status());
  Outcome fit = CheckForInstallation(session, options, file.policy, *std::move(keys));
  if (!fit.ok()) return fit;
  const Result<integrity::PolicyLoading> loading =
      integrity::InstallImaPolicy(options.root, file.text, place, options.now);
  if (!loading.ok()) return Failed(loading.status());
  std::ostream& out = session.terminal().out;
  out << "installed: " << file.policy.rules.size() << " rules\n";
  switch (*loading) {
    case integrity::PolicyLoading::kNow:
      out << "loaded, and at each boot from now on\n";
      return {};
    case integrity::PolicyLoading::kNextBoot:
      out << (behind_keys
                  ? "seaworthy-appraisal.service loads it at boot, when it is enabled, behind "
                    "the keys in /etc/keys/ima\n"
                  : "systemd has the kernel load it at the next boot\n");
      return {};
    case integrity::PolicyLoading::kTooLateForNow:
      out << "not loaded now: the kernel has a policy and takes no other; it will be loaded at the "
             "next boot\n";
      return {ExitCode::kNo, {}, ""};
  }
  return {};
}

Outcome RunRemovePolicy(Session& session, const RemoveOptions& options) {
  const Result<bool> restored = integrity::RemoveImaPolicy(options.root);
  if (!restored.ok()) {
    const bool none = restored.status().code() == Code::kNotFound;
    return none ? Outcome{ExitCode::kNo, restored.status(), ""} : Failed(restored.status());
  }
  session.terminal().out << (*restored ? "the policy before it is installed again"
                                       : "no policy is installed")
                         << "; what is loaded stays so until the next boot\n";
  return {};
}

void AddRoot(CLI::App* command, std::string& root, const std::string& description) {
  command->add_option("--root", root, description)->type_name("DIR")->capture_default_str();
}

void AddCertificates(CLI::App* command, std::vector<std::string>& keys) {
  command
      ->add_option("--certificate", keys,
                   "Of a key in the kernel's keyring: a certificate or public key, PEM; may be "
                   "repeated")
      ->type_name("FILE")
      ->allow_extra_args(false);
}

void AddMakePolicy(CLI::App& integrity, CommandLine& line) {
  auto make = std::make_shared<MakeOptions>();
  CLI::App* command =
      AddCommand(integrity, line, "make-policy",
                 "Makes an IMA policy for Docker's files on this node. Needs no daemon",
                 "  seaworthyctl integrity make-policy measure --out docker.policy\n"
                 "  seaworthyctl integrity make-policy minimal --add /opt/runtime/bin/crun",
                 make, RunMakePolicy);
  command
      ->add_option("KIND", make->kind,
                   "measure Docker's infrastructure, or measure and appraise it, or the least")
      ->required()
      ->check(CLI::IsMember({"measure", "appraise", "minimal"}))
      ->type_name("");
  command->add_option("--out,-o", make->out, "Write the policy to this file")->type_name("FILE");
  command
      ->add_option("--add", make->more,
                   "A file of Docker's that is not found by itself, or a folder of them; may be "
                   "repeated")
      ->type_name("PATH")
      ->allow_extra_args(false);
  AddRoot(command, make->root, "The node's root");
  command->add_option("--templates", make->templates, "Where the templates are")
      ->type_name("DIR")
      ->capture_default_str();
  command->add_flag("--appraise-all-programs", make->appraise_all_programs,
                    "Deny what is not signed on the file systems of the node's own programs, too");
}

void AddSimulatePolicy(CLI::App& integrity, CommandLine& line) {
  auto simulate = std::make_shared<SimulateOptions>();
  CLI::App* command = AddCommand(
      integrity, line, "simulate-policy",
      "Which files an IMA policy would measure or deny: exit code 0 none denied, 1 some. Needs no "
      "daemon",
      "  seaworthyctl integrity simulate-policy docker.policy --certificate ima.pem\n"
      "  seaworthyctl integrity simulate-policy docker.policy /usr/bin /var/log",
      simulate, RunSimulatePolicy);
  command->add_option("file", simulate->file, "The policy")->required()->type_name("FILE");
  command
      ->add_option("paths", simulate->paths,
                   "Files, and folders with all that is in them; Docker's installation by default")
      ->type_name("PATH");
  AddCertificates(command, simulate->keys);
  AddRoot(command, simulate->root, "What the paths are below; it is never left");
  command->add_flag("--other-file-systems", simulate->other_file_systems,
                    "Go into what is mounted below, too");
}

void AddInstallation(CLI::App& integrity, CommandLine& line) {
  auto install = std::make_shared<InstallOptions>();
  CLI::App* command =
      AddCommand(integrity, line, "install-policy",
                 "Checks an IMA policy and has systemd load it at boot; needs root, and no daemon",
                 "  seaworthyctl integrity install-policy docker.policy\n"
                 "  seaworthyctl integrity install-policy --now docker.policy",
                 install, RunInstallPolicy);
  command->add_option("file", install->file, "The policy")->required()->type_name("FILE");
  CLI::Option* now = command->add_flag(
      "--now", install->now, "Load it, too: exit code 1 when the kernel takes none before a boot");
  AddCertificates(command, install->keys);
  AddRoot(command, install->root, "The node's root");
  now->excludes("--root");
  command->add_flag("--force", install->force,
                    "Although it would deny files, or slow the node down");

  auto remove = std::make_shared<RemoveOptions>();
  command =
      AddCommand(integrity, line, "remove-policy",
                 "The way back, for the next boot: the policy installed before, or none",
                 "  seaworthyctl integrity remove-policy --root /mnt", remove, RunRemovePolicy);
  AddRoot(command, remove->root, "The node's root");
}

}  // namespace

void AddImaPolicyCommands(CLI::App& integrity, CommandLine& line) {
  auto check = std::make_shared<CheckOptions>();
  AddCommand(integrity, line, "check-policy",
             "Whether the kernel takes this IMA policy: exit code 0 or 1. Needs no daemon",
             "  seaworthyctl integrity check-policy /etc/ima/ima-policy", check, RunCheckPolicy)
      ->add_option("file", check->file, "The policy")
      ->required()
      ->type_name("FILE");
  AddMakePolicy(integrity, line);
  AddSimulatePolicy(integrity, line);
  AddInstallation(integrity, line);
}

}  // namespace seaworthy::ctl
