// integrity load-keys: what has the kernel appraise files. It asks no daemon, so that it can run
// early in a boot.
#include "ctl/command.h"
#include "ctl/text.h"
#include "seaworthy/directory.h"
#include "seaworthy/modules/integrity/appraisal.h"
#include "seaworthy/status_macros.h"

namespace seaworthy::ctl {
namespace {

// Where dracut looks for them, too.
constexpr const char* kKeys = "/etc/keys/ima";
constexpr std::size_t kMaxCertificates = 256;
constexpr std::size_t kMaxCertificateFile = std::size_t{1} << 20;

struct LoadKeysOptions {
  std::vector<std::string> certificates;
  std::string policy;
  bool evm = false;
};

Result<std::vector<std::string>> InstalledCertificates() {
  ASSIGN_OR_RETURN(const Directory folder, Directory::Open(kKeys));
  ASSIGN_OR_RETURN(const std::vector<std::string> names, folder.List(kMaxCertificates));
  std::vector<std::string> paths;
  for (const std::string& name : names) {
    if (!name.starts_with('.')) paths.push_back(std::string(kKeys) + "/" + name);
  }
  if (!paths.empty()) return paths;
  return Fail(Code::kNotFound, "FILE_NOT_FOUND", std::string(kKeys) + " has no certificate");
}

Result<integrity::AppraisalStart> Read(const LoadKeysOptions& options) {
  integrity::AppraisalStart start;
  start.evm = options.evm;
  std::vector<std::string> paths = options.certificates;
  if (paths.empty()) {
    ASSIGN_OR_RETURN(paths, InstalledCertificates());
  }
  for (const std::string& path : paths) {
    ASSIGN_OR_RETURN(const Bytes file, ReadFile(path, kMaxCertificateFile));
    Result<verify::ImaCertificate> certificate = verify::ImaCertificate::Parse(file);
    if (!certificate.ok()) return Wrap(certificate.status(), path);
    start.certificates.push_back(*std::move(certificate));
  }
  if (!options.policy.empty()) {
    ASSIGN_OR_RETURN(const Bytes file, ReadFile(options.policy, integrity::kMaxImaPolicy));
    Result<integrity::ImaPolicy> policy = integrity::ParseImaPolicy(AsText(file));
    if (!policy.ok()) return Wrap(policy.status(), options.policy);
    start.policy = *std::move(policy);
  }
  return start;
}

Outcome RunLoadKeys(Session& session, const LoadKeysOptions& options) {
  const Result<integrity::AppraisalStart> start = Read(options);
  if (!start.ok()) return Usage(start.status());
  const Result<integrity::AppraisalStarted> started = integrity::StartAppraisal(*start);
  if (!started.ok()) return {ExitCode::kFailed, started.status(), ""};
  std::ostream& out = session.terminal().out;
  for (const verify::ImaCertificate& certificate : start->certificates) {
    out << "_ima" << (options.evm ? ", _evm" : "") << "  " << Printable(certificate.subject) << "  "
        << certificate.key << "\n";
  }
  if (started->policy_loaded) out << "policy loaded: " << start->policy->rules.size() << " rules\n";
  if (start->policy && !started->policy_loaded) out << "a policy was loaded before in this boot\n";
  out << (started->ima_in_use ? "the kernel appraises by these keys until the next boot\n"
                              : "the kernel does not use these keys yet: no policy has it look for "
                                "them; see --policy\n");
  return {started->ima_in_use ? ExitCode::kDone : ExitCode::kNo, {}, ""};
}

}  // namespace

void AddAppraisalCommands(CLI::App& integrity, CommandLine& line) {
  auto load = std::make_shared<LoadKeysOptions>();
  CLI::App* command = AddCommand(
      integrity, line, "load-keys",
      "Has the kernel appraise files by these keys, and loads the policy that says which files.\n"
      "As root; needs no daemon",
      "  seaworthyctl integrity load-keys --policy /etc/seaworthy/ima-policy\n"
      "  seaworthyctl integrity load-keys --certificate ima.pem --evm --policy ima-policy",
      load, RunLoadKeys);
  command
      ->add_option("--certificate", load->certificates,
                   "Of a key that signs files, PEM or DER; may be repeated (default: all in " +
                       std::string(kKeys) + ")")
      ->type_name("FILE")
      ->allow_extra_args(false);
  command->add_option("--policy", load->policy, "Loaded once the keys are there")
      ->type_name("FILE");
  command->add_flag("--evm", load->evm,
                    "The keys are EVM's too, and its signatures are switched on until the next "
                    "boot: then what is appraised must have them");
}

}  // namespace seaworthy::ctl
