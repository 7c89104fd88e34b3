// policy learn, check, update: no daemon, no TPM.
#include "ctl/arguments.h"
#include "ctl/command.h"
#include "ctl/json.h"
#include "ctl/policy_files.h"
#include "seaworthy/directory.h"
#include "seaworthy/verifier.h"

namespace seaworthy::ctl {
namespace {

constexpr mode_t kFileMode = 0644;

struct LearnOptions {
  std::string evidence;
  std::string ima_list;
  std::string boot_log;
  std::string pcrs = "0-7";
  std::string name;
  std::string out;
};

struct CheckOptions {
  std::string policy;
};

struct UpdateOptions {
  std::string policy;
  std::vector<std::string> debs;
  std::vector<std::string> folders;
};

// What is in the policy of that file.
void Summarize(Session& session, const std::string& path, const verify::Policy& policy) {
  if (session.json()) {
    session.terminal().out << PolicyJson(path, policy) << "\n";
    return;
  }
  std::string text = std::to_string(policy.pcrs.size()) + " PCRs";
  if (policy.ima.required) {
    text += ", " + std::to_string(policy.ima.files.size()) + " files, " +
            std::to_string(policy.ima.keys.size()) + " signing keys";
  }
  session.terminal().out << Printable(path) << ": a policy of " << text << "\n";
}

Outcome Write(Session& session, const verify::Policy& policy, const std::string& path) {
  if (Status written = ReplaceFile(path, AsBytes(ToJson(policy)), kFileMode); !written.ok()) {
    return Usage(written);
  }
  Summarize(session, path, policy);
  return {};
}

Outcome RunLearn(Session& session, const LearnOptions& options) {
  Result<std::vector<v1::PcrSelection>> pcrs = ParsePcrSelections(options.pcrs);
  if (!pcrs.ok()) return Usage(pcrs.status());
  if (pcrs->size() != 1) return Usage("--pcrs: takes one list of PCRs, for all quoted banks");
  Result<Bytes> file = ReadFile(options.evidence, verify::kMaxMessage);
  if (!file.ok()) return Usage(file.status());
  Result<verify::Evidence> evidence = verify::ParseEvidence(*file);
  if (!evidence.ok()) return Usage(Wrap(evidence.status(), options.evidence));
  if (Status added = AddLogs(options.boot_log, options.ima_list, *evidence); !added.ok()) {
    return Usage(added);
  }
  const auto& indices = pcrs->front().indices();
  Result<verify::Policy> policy = verify::LearnPolicy(*evidence, {indices.begin(), indices.end()});
  if (!policy.ok()) return Usage(policy.status());
  policy->name = options.name;
  return Write(session, *policy, options.out);
}

Outcome RunCheck(Session& session, const CheckOptions& options) {
  Result<verify::Policy> policy = ReadPolicy(options.policy);
  if (!policy.ok()) return Usage(policy.status());
  if (Result<verify::Verifier> verifier = verify::Verifier::Create(*policy); !verifier.ok()) {
    return Usage(Wrap(verifier.status(), options.policy));
  }
  Summarize(session, options.policy, *policy);
  return {};
}

Outcome RunUpdate(Session& session, const UpdateOptions& options) {
  if (options.debs.empty() && options.folders.empty()) {
    return Usage("policy update: give --deb FILE or --dir DIR");
  }
  Result<verify::Policy> policy = ReadPolicy(options.policy);
  if (!policy.ok()) return Usage(policy.status());
  for (const std::string& deb : options.debs) {
    if (Result<std::size_t> files = AllowDeb(deb, *policy); !files.ok()) {
      return Usage(files.status());
    }
  }
  for (const std::string& folder : options.folders) {
    if (Result<std::size_t> files = AllowFolder(folder, *policy); !files.ok()) {
      return Usage(files.status());
    }
  }
  return Write(session, *policy, options.policy);
}

}  // namespace

void AddPolicyCommands(CLI::App& app, CommandLine& line) {
  CLI::App* policy =
      app.add_subcommand("policy", "What a node may be: makes, checks and updates policies");
  policy->require_subcommand(1);

  auto learn = std::make_shared<LearnOptions>();
  CLI::App* command = AddCommand(
      *policy, line, "learn",
      "Makes the policy by which this evidence, of a node known to be good, is trusted",
      "  seaworthyctl policy learn --evidence good.bin --ima-list good.list --out edge.json", learn,
      RunLearn);
  command->add_option("--evidence", learn->evidence, "What `seaworthyctl quote --out` wrote")
      ->required()
      ->type_name("FILE");
  command
      ->add_option("--boot-log", learn->boot_log,
                   "The node's boot event log, where the evidence has none")
      ->type_name("FILE");
  command
      ->add_option("--ima-list", learn->ima_list,
                   "The node's IMA list, whole, binary or ascii, where the evidence has none")
      ->type_name("FILE");
  command->add_option("--pcrs", learn->pcrs, "Values to learn, of each quoted bank (default 0-7)")
      ->type_name("LIST");
  command->add_option("--name", learn->name, "What people call the policy")->type_name("TEXT");
  command->add_option("--out", learn->out, "The policy's file")->required()->type_name("FILE");

  auto check = std::make_shared<CheckOptions>();
  command = AddCommand(*policy, line, "check",
                       "Says whether a file is a policy, or which field is "
                       "wrong",
                       "", check, RunCheck);
  command->add_option("FILE", check->policy, "The policy")->required();

  auto update = std::make_shared<UpdateOptions>();
  command = AddCommand(
      *policy, line, "update",
      "Allows the files of an update, too, without asking a node: what was allowed stays",
      "  seaworthyctl policy update edge.json --deb docker.io_20.10.24_amd64.deb", update,
      RunUpdate);
  command->add_option("FILE", update->policy, "The policy; written anew")->required();
  command->add_option("--deb", update->debs, "A Debian package; may be repeated")
      ->type_name("FILE")
      ->allow_extra_args(false);
  command->add_option("--dir", update->folders, "A folder as the node's root; may be repeated")
      ->type_name("DIR")
      ->allow_extra_args(false);
}

}  // namespace seaworthy::ctl
