// integrity: state and watch ask the daemon; check needs none; sign has the daemon's key sign, and
// writes the files' attributes itself, for the daemon may write to no file of the node.
#include "ctl/command.h"
#include "ctl/file_key.h"
#include "ctl/integrity_files.h"
#include "ctl/progress.h"
#include "ctl/render.h"
#include "seaworthy/modules/integrity/package_files.h"
#include "seaworthy/modules/integrity/sign_tree.h"
#include "seaworthy/status_macros.h"
#include "seaworthy/v1/integrity.grpc.pb.h"

namespace seaworthy::ctl {
namespace {

struct NoOptions {};

struct WatchOptions {
  bool recent = false;
  std::uint64_t count = 0;
};

struct TreeOptions {
  std::string root = "/";
  std::vector<std::string> paths;
  std::vector<std::string> packages;
  bool other_file_systems = false;
  bool evm = false;
};

struct SignFilesOptions : TreeOptions {
  std::string key;
  bool verity = false;
  std::string hash = "sha256";
};

struct CheckFilesOptions : TreeOptions {
  std::vector<std::string> keys;
};

Outcome RunState(Session& session, const NoOptions&) {
  v1::IntegrityState state;
  Outcome outcome = session.client().Call(&v1::IntegrityService::Stub::GetIntegrityState,
                                          v1::GetIntegrityStateRequest(), state);
  if (outcome.ok()) session.Answer(state, RenderIntegrityState(state, session.style()));
  return outcome;
}

Outcome RunWatch(Session& session, const WatchOptions& options) {
  v1::WatchIntegrityRequest request;
  request.set_include_recent(options.recent);
  std::uint64_t seen = 0;
  return session.client().Watch(
      &v1::IntegrityService::Stub::WatchIntegrity, request, [&](const v1::IntegrityUpdate& update) {
        return session.AnswerPart(update, RenderIntegrityUpdate(update, session.style())) &&
               ++seen != options.count;
      });
}

Result<integrity::TreeRun> RunOf(Session& session, const TreeOptions& options,
                                 ProgressLine& progress) {
  if (options.paths.empty() && options.packages.empty()) {
    return Fail(Code::kInvalidArgument, "USAGE", "name files, folders or a --package");
  }
  integrity::TreeRun run = TreeRunOf(session, options.paths, options.other_file_systems);
  run.failed = [&progress, tell = run.failed](const std::string& path, const Status& why) {
    progress.Clear();
    tell(path, why);
  };
  for (const std::string& package : options.packages) {
    ASSIGN_OR_RETURN(const std::vector<std::string> files,
                     integrity::FilesOfPackage(options.root, package));
    run.paths.insert(run.paths.end(), files.begin(), files.end());
  }
  return run;
}

verify::ImaHash ImaHashOf(const std::string& name) {
  for (const verify::ImaHash hash : {verify::ImaHash::kSha384, verify::ImaHash::kSha512}) {
    if (verify::ToString(hash) == name) return hash;
  }
  return verify::ImaHash::kSha256;
}

Outcome RunSignFiles(Session& session, const SignFilesOptions& options) {
  ProgressLine progress(session.terminal());
  const Result<integrity::TreeRun> run = RunOf(session, options, progress);
  if (!run.ok()) return Usage(run.status());
  v1::Key key;
  if (Outcome outcome = GetKey(session, options.key, key); !outcome.ok()) return outcome;
  const Result<integrity::FileSigner> signer = integrity::FileSigner::Create(
      PemOf(key), [&](verify::ImaHash hash, std::span<const Bytes> digests) {
        return SignDigests(session, key, hash, digests);
      });
  if (!signer.ok()) return {ExitCode::kFailed, signer.status(), ""};
  integrity::SignatureOptions how;
  how.hash = ImaHashOf(options.hash);
  how.verity = options.verity;
  how.evm = options.evm;
  const Result<integrity::SignProgress> signed_files = integrity::SignTree(
      options.root, *run, *signer, how, [&](const integrity::SignProgress& now) {
        progress.Show(now.done + now.skipped + now.failed, now.bytes);
        return true;
      });
  progress.Clear();
  if (!signed_files.ok()) return {ExitCode::kFailed, signed_files.status(), ""};
  session.terminal().out << signed_files->done << " signed, " << signed_files->skipped
                         << " had been signed, " << signed_files->failed << " failed\n";
  return {signed_files->failed == 0 ? ExitCode::kDone : ExitCode::kNo, {}, ""};
}

Outcome RunCheckFiles(Session& session, const CheckFilesOptions& options) {
  const Result<verify::ImaKeys> keys = ReadImaKeys(options.keys);
  if (!keys.ok()) return Usage(keys.status());
  integrity::SignatureOptions how;
  how.evm = options.evm;
  ProgressLine progress(session.terminal());
  const Result<integrity::TreeRun> run = RunOf(session, options, progress);
  if (!run.ok()) return Usage(run.status());
  const Result<integrity::CheckProgress> checked = integrity::CheckTree(
      options.root, *run, *keys, how, [&](const integrity::CheckProgress& now) {
        progress.Show(now.ok + now.missing + now.bad + now.other_key + now.failed, now.bytes);
        return true;
      });
  progress.Clear();
  if (!checked.ok()) return {ExitCode::kFailed, checked.status(), ""};
  session.terminal().out << checked->ok << " signed, " << checked->missing << " not signed, "
                         << checked->other_key << " by another key, " << checked->bad << " badly, "
                         << checked->failed << " could not be looked at\n";
  const bool all = checked->missing + checked->other_key + checked->bad + checked->failed == 0;
  return {all ? ExitCode::kDone : ExitCode::kNo, {}, ""};
}

void AddTreeOptions(CLI::App* command, TreeOptions& options) {
  command->add_option("paths", options.paths, "Files, and folders with all that is in them")
      ->type_name("PATH");
  command
      ->add_option("--package", options.packages,
                   "The files of this Debian package; may be repeated")
      ->type_name("NAME")
      ->allow_extra_args(false);
  command->add_option("--root", options.root, "What the paths are below; it is never left")
      ->type_name("DIR")
      ->capture_default_str();
  command->add_flag("--other-file-systems", options.other_file_systems,
                    "Go into what is mounted below, too");
  command->add_flag("--evm", options.evm,
                    "EVM's portable signature too: over owner, mode and security attributes");
}

void AddFileCommands(CLI::App& integrity, CommandLine& line) {
  auto sign = std::make_shared<SignFilesOptions>();
  CLI::App* command =
      AddCommand(integrity, line, "sign",
                 "Signs files for IMA (security.ima) by a key in the TPM; needs CAP_SYS_ADMIN here",
                 "  seaworthyctl integrity sign --key ima /usr/bin/dockerd /usr/bin/runc\n"
                 "  seaworthyctl integrity sign --key ima --evm /usr/libexec/docker",
                 sign, RunSignFiles);
  command->add_option("--key", sign->key, "The daemon's key")->required()->type_name("NAME");
  command->add_option("--hash", sign->hash, "Of the files' digests")
      ->check(CLI::IsMember({"sha256", "sha384", "sha512"}))
      ->capture_default_str();
  command->add_flag("--verity", sign->verity,
                    "Over fs-verity's digest, in format 3: the files must have one");
  AddTreeOptions(command, *sign);

  auto check = std::make_shared<CheckFilesOptions>();
  command = AddCommand(
      integrity, line, "check",
      "Checks the signatures of files for IMA: exit code 0 all signed, 1 not. Needs no daemon",
      "  seaworthyctl integrity check --certificate ima.pem /usr/bin/dockerd /usr/bin/runc", check,
      RunCheckFiles);
  command
      ->add_option("--certificate", check->keys,
                   "A certificate or public key, PEM; may be repeated")
      ->required()
      ->type_name("FILE")
      ->allow_extra_args(false);
  AddTreeOptions(command, *check);
}

}  // namespace

void AddIntegrityCommands(CLI::App& app, CommandLine& line) {
  CLI::App& integrity =
      *app.add_subcommand("integrity", "What the kernel's IMA and EVM do on the node");
  integrity.require_subcommand(1);
  AddCommand(integrity, line, "state",
             "What this kernel's IMA and EVM can and do, and what is missing for what",
             "  seaworthyctl integrity state", std::make_shared<NoOptions>(), RunState);
  auto watch = std::make_shared<WatchOptions>();
  CLI::App* command = AddCommand(
      integrity, line, "watch", "Follows the IMA list, and what is found in it, until interrupted",
      "  seaworthyctl integrity watch\n  seaworthyctl integrity watch --count 1", watch, RunWatch);
  command->add_flag("--recent", watch->recent, "Begin with the events still in memory");
  command
      ->add_option("--count", watch->count,
                   "Stop after so many changes; the first answer is how "
                   "the list stands")
      ->type_name("N");
  AddImaPolicyCommands(integrity, line);
  AddFileCommands(integrity, line);
  AddBaselineCommands(integrity, line);
  AddAppraisalCommands(integrity, line);
}

}  // namespace seaworthy::ctl
