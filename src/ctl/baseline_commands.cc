// integrity record-baseline, compare-baseline and accept-change: the files are read here, as root;
// the daemon's key signs what was found.
#include <sys/utsname.h>

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>

#include "ctl/command.h"
#include "ctl/drift_output.h"
#include "ctl/file_key.h"
#include "ctl/hardening_changes.h"
#include "ctl/integrity_files.h"
#include "ctl/text.h"
#include "seaworthy/directory.h"
#include "seaworthy/modules/docker/hardening.h"
#include "seaworthy/modules/integrity/accepted_change.h"
#include "seaworthy/modules/integrity/baseline.h"

namespace seaworthy::ctl {
namespace {

using Json = nlohmann::ordered_json;

constexpr mode_t kFileMode = 0644;  // digests are no secrets
// Disks can be slow, and what is read here is bounded.
constexpr std::chrono::hours kReadTime{1};

struct RecordOptions {
  std::string key;
  std::string out;
  std::vector<std::string> paths;
  std::string root = "/";
};

struct CompareOptions {
  std::string file;
  std::string certificate;
  std::string key;
  std::string root = "/";
  std::string state = docker::kHardeningState;
};

struct AcceptOptions {
  std::string file;
  std::string key;
  std::string transaction;
  std::string out;
  std::string root = "/";
  std::string state = docker::kHardeningState;
  bool yes = false;
};

// What has changed since the baseline was signed, and by which transactions of the engine's.
struct Compared {
  integrity::Baseline baseline;
  std::vector<integrity::FileDrift> drifts;
  std::vector<integrity::DriftOrigin> origins;
};

std::string NodeName() {
  utsname name = {};
  return uname(&name) == 0 ? Printable(name.nodename) : "";
}

std::string Now() {
  return FormatTime(std::chrono::system_clock::to_time_t(std::chrono::system_clock::now()));
}

Outcome Sign(Session& session, const v1::Key& key, const integrity::Baseline& baseline,
             const std::string& out) {
  const Result<std::string> text = integrity::SignBaseline(
      baseline, PemOf(key), [&](verify::ImaHash hash, std::span<const Bytes> digests) {
        return SignDigests(session, key, hash, digests);
      });
  if (!text.ok()) return {ExitCode::kFailed, text.status(), ""};
  if (Status status = ReplaceFile(out, AsBytes(*text), kFileMode); !status.ok()) {
    return Usage(Wrap(status, "cannot write the baseline"));
  }
  return {};
}

Outcome RunRecord(Session& session, const RecordOptions& options) {
  v1::Key key;
  if (Outcome outcome = GetKey(session, options.key, key); !outcome.ok()) return outcome;
  Result<integrity::Baseline> baseline =
      integrity::RecordBaseline(DeadlineIn(kReadTime), options.root, options.paths);
  if (!baseline.ok()) return {ExitCode::kFailed, baseline.status(), ""};
  baseline->recorded = Now();
  baseline->node = NodeName();
  if (Outcome outcome = Sign(session, key, *baseline, options.out); !outcome.ok()) return outcome;
  const std::size_t files = baseline->files.size();
  const std::size_t packages = baseline->packages.size();
  if (session.json()) {
    session.terminal().out << Dump(
        {{"baseline", options.out}, {"files", files}, {"packages", packages}});
  } else {
    session.terminal().out << "recorded " << files << " files, " << packages
                           << " packages own some of them, in " << Printable(options.out) << "\n";
  }
  return {};
}

// The certificate or public key that the baseline has to be signed by.
Outcome ReadKey(Session& session, const CompareOptions& options, std::string& pem) {
  if (!options.key.empty()) {
    v1::Key key;
    Outcome outcome = GetKey(session, options.key, key);
    pem = PemOf(key);
    return outcome;
  }
  Result<std::string> file = ReadPem(options.certificate);
  if (!file.ok()) return Usage(file.status());
  pem = *std::move(file);
  const Status readable = verify::ImaKeys::Parse({pem}).status();
  return readable.ok() ? Outcome() : Usage(Wrap(readable, options.certificate));
}

Outcome Compare(const std::string& path, const std::string& pem, const std::string& root,
                Compared& compared) {
  const Result<Bytes> file = ReadFile(path, integrity::kMaxBaseline);
  if (!file.ok()) return Usage(file.status());
  Result<integrity::Baseline> baseline = integrity::OpenBaseline(AsText(*file), pem);
  if (!baseline.ok()) {
    const bool no = baseline.status().code() == Code::kPermissionDenied;
    return {no ? ExitCode::kNo : ExitCode::kUsage, Wrap(baseline.status(), path), ""};
  }
  compared.baseline = *std::move(baseline);
  Result<std::vector<integrity::FileDrift>> drifts =
      integrity::CompareBaseline(DeadlineIn(kReadTime), root, compared.baseline);
  if (!drifts.ok()) return {ExitCode::kFailed, drifts.status(), ""};
  compared.drifts = *std::move(drifts);
  return {};
}

bool AreAllAccepted(const std::vector<integrity::DriftOrigin>& origins) {
  return std::ranges::all_of(origins,
                             [](const integrity::DriftOrigin& origin) { return origin.why.ok(); });
}

// Origins are those of the drifts, in their order, or none.
void TellCompared(Session& session, const Compared& compared) {
  std::ostream& out = session.terminal().out;
  const auto made_by = [&](std::size_t i) {
    const bool known = i < compared.origins.size() && compared.origins[i].why.ok();
    return known ? compared.origins[i].change : "";
  };
  if (session.json()) {
    Json list = Json::array();
    for (std::size_t i = 0; i < compared.drifts.size(); ++i) {
      list.push_back(ToJson(compared.drifts[i]));
      list.back()["transaction"] = made_by(i);
    }
    out << Dump({{"recorded", compared.baseline.recorded},
                 {"node", compared.baseline.node},
                 {"files", compared.baseline.files.size()},
                 {"drift", std::move(list)}});
    return;
  }
  const bool all = AreAllAccepted(compared.origins);
  std::size_t explained = 0;
  for (std::size_t i = 0; i < compared.drifts.size(); ++i) {
    out << RenderDrift(compared.drifts[i], session.style());
    if (const std::string id = made_by(i); !id.empty()) {
      out << "  as transaction " << Printable(id) << " left it"
          << (all ? "; accept-change takes it over" : "") << "\n";
    }
    explained += compared.drifts[i].explanation.empty() ? 0U : 1U;
  }
  out << compared.baseline.files.size() << " files recorded "
      << Printable(compared.baseline.recorded) << " on " << Printable(compared.baseline.node)
      << ": " << compared.drifts.size() << " drifted, " << explained
      << " of them explained by updates\n";
}

Outcome RunCompare(Session& session, const CompareOptions& options) {
  std::string pem;
  if (Outcome outcome = ReadKey(session, options, pem); !outcome.ok()) return outcome;
  Compared compared;
  if (Outcome outcome = Compare(options.file, pem, options.root, compared); !outcome.ok()) {
    return outcome;
  }
  if (!compared.drifts.empty()) {
    const auto changes = ReadChanges(options.root, options.state, "");
    if (changes.ok()) {
      compared.origins = integrity::TraceDrift(compared.baseline, compared.drifts, *changes);
    } else if (!session.json()) {
      session.terminal().err << "which transactions there were is not known: "
                             << Printable(Message(changes.status())) << "\n";
    }
  }
  TellCompared(session, compared);
  return {compared.drifts.empty() ? ExitCode::kDone : ExitCode::kNo, {}, ""};
}

// What is taken over, or why it is not.
std::string RenderOrigins(const Compared& compared, const Style& style) {
  std::string text;
  for (std::size_t i = 0; i < compared.origins.size(); ++i) {
    const integrity::DriftOrigin& origin = compared.origins[i];
    text += i < compared.drifts.size()
                ? RenderDrift(compared.drifts[i], style)
                : style.Bad("missing") + "  " + Printable(origin.path) + "\n";
    text += origin.why.ok() ? "  as transaction " + Printable(origin.change) + " left it\n"
                            : "  refused: " + Printable(Message(origin.why)) + " [" +
                                  Reason(origin.why) + "]\n";
  }
  return text;
}

Json AnswerOf(const std::string& file, const Compared& compared) {
  Json list = Json::array();
  for (std::size_t i = 0; i < compared.origins.size(); ++i) {
    const integrity::DriftOrigin& origin = compared.origins[i];
    Json& added = list.emplace_back(i < compared.drifts.size()
                                        ? ToJson(compared.drifts[i])
                                        : Json{{"path", origin.path}, {"drift", "missing"}});
    added["transaction"] = origin.change;
    if (origin.why.ok()) continue;
    added["refused"] = {{"reason", Reason(origin.why)}, {"message", Message(origin.why)}};
  }
  return {{"baseline", file}, {"drift", std::move(list)}};
}

// Shows all of it before anything is asked or refused.
Outcome AgreeTo(Session& session, const AcceptOptions& options, const Compared& compared) {
  const bool accepted = AreAllAccepted(compared.origins);
  if (!session.json()) {
    session.terminal().out << RenderOrigins(compared, session.style()) << std::flush;
  } else if (accepted && !options.yes) {
    session.terminal().err << RenderOrigins(compared, session.style());
  }
  if (accepted) return session.Confirm(options.yes, "Take this over into the baseline?");
  if (session.json()) session.terminal().out << Dump(AnswerOf(options.file, compared));
  return {ExitCode::kNo,
          Fail(Code::kFailedPrecondition, "DRIFT_REFUSED",
               "not all of it is what a transaction did; the baseline stays as it is"),
          ""};
}

Outcome RunAccept(Session& session, const AcceptOptions& options) {
  v1::Key key;
  if (Outcome outcome = GetKey(session, options.key, key); !outcome.ok()) return outcome;
  Compared compared;
  if (Outcome outcome = Compare(options.file, PemOf(key), options.root, compared); !outcome.ok()) {
    return outcome;
  }
  const auto changes = ReadChanges(options.root, options.state, options.transaction);
  if (!changes.ok()) {
    const bool unknown = Reason(changes.status()) == "TRANSACTION_UNKNOWN";
    return {unknown ? ExitCode::kUsage : ExitCode::kFailed, changes.status(), ""};
  }
  const std::string& out = options.out.empty() ? options.file : options.out;
  compared.origins = integrity::TraceDrift(compared.baseline, compared.drifts, *changes);
  if (!compared.drifts.empty()) {
    if (Outcome agreed = AgreeTo(session, options, compared); !agreed.ok()) return agreed;
    const Result<integrity::Baseline> baseline =
        integrity::AcceptDrift(std::move(compared.baseline), compared.drifts, *changes);
    if (!baseline.ok()) return {ExitCode::kFailed, baseline.status(), ""};
    if (Outcome signed_as = Sign(session, key, *baseline, out); !signed_as.ok()) return signed_as;
  }
  if (session.json()) {
    session.terminal().out << Dump(AnswerOf(out, compared));
  } else if (compared.drifts.empty()) {
    session.terminal().out << "nothing has drifted; the baseline stays as it is\n";
  } else {
    session.terminal().out << compared.drifts.size() << " taken over into " << Printable(out)
                           << "\n";
  }
  return {};
}

void AddRoot(CLI::App* command, std::string& root) {
  command->add_option("--root", root, "The installation's root; links in it lead to what is in it")
      ->type_name("DIR")
      ->capture_default_str();
}

void AddAccept(CLI::App& integrity, CommandLine& line) {
  auto accept = std::make_shared<AcceptOptions>();
  CLI::App* const command = AddCommand(
      integrity, line, "accept-change",
      "Takes over into a baseline what a transaction of `docker apply` or `docker rollback` did, "
      "and signs it anew: exit code 0 it did, 1 something else has drifted too, and nothing is "
      "written",
      "  seaworthyctl integrity accept-change docker.baseline --key baseline", accept, RunAccept);
  command->add_option("file", accept->file, "What record-baseline wrote")
      ->required()
      ->type_name("FILE");
  command->add_option("--key", accept->key, "The daemon's key, which must have signed it")
      ->required()
      ->type_name("NAME");
  command
      ->add_option("--transaction", accept->transaction,
                   "Up to this one of `docker history`; by default the newest that was applied")
      ->type_name("ID");
  command
      ->add_option("--out,-o", accept->out,
                   "Write it to this file, and leave the one that was read as it is")
      ->type_name("FILE");
  AddRoot(command, accept->root);
  AddHistoryState(*command, accept->state);
  command->add_flag("--yes", accept->yes, "Do not ask");
}

}  // namespace

void AddBaselineCommands(CLI::App& integrity, CommandLine& line) {
  auto record = std::make_shared<RecordOptions>();
  CLI::App* command = AddCommand(
      integrity, line, "record-baseline",
      "Records what the files of the Docker installation are, signed by a key in the TPM",
      "  seaworthyctl integrity record-baseline --key baseline --out docker.baseline", record,
      RunRecord);
  command->add_option("--key", record->key, "The daemon's key")->required()->type_name("NAME");
  command->add_option("--out,-o", record->out, "Write it to this file; what was there is replaced")
      ->required()
      ->type_name("FILE");
  command
      ->add_option("--add", record->paths,
                   "Another file, or a folder with all that is in it; may be repeated")
      ->type_name("PATH")
      ->allow_extra_args(false);
  AddRoot(command, record->root);

  auto compare = std::make_shared<CompareOptions>();
  command = AddCommand(
      integrity, line, "compare-baseline",
      "What has changed since a baseline was recorded: exit code 0 nothing, 1 something",
      "  seaworthyctl integrity compare-baseline docker.baseline --certificate baseline.pem",
      compare, RunCompare);
  command->add_option("file", compare->file, "What record-baseline wrote")
      ->required()
      ->type_name("FILE");
  CLI::Option_group* by = command->add_option_group("Who must have signed it");
  by->add_option("--certificate", compare->certificate,
                 "This certificate or public key, PEM; needs no daemon")
      ->type_name("FILE");
  by->add_option("--key", compare->key, "The daemon's key")->type_name("NAME");
  by->require_option(1);
  AddRoot(command, compare->root);
  AddHistoryState(*command, compare->state);
  AddAccept(integrity, line);
}

}  // namespace seaworthy::ctl
