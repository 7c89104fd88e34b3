// integrity record-baseline and compare-baseline: the files are read here, as root; the daemon's
// key signs what was found.
#include <sys/utsname.h>

#include <chrono>
#include <nlohmann/json.hpp>

#include "ctl/command.h"
#include "ctl/file_key.h"
#include "ctl/integrity_files.h"
#include "ctl/text.h"
#include "seaworthy/directory.h"
#include "seaworthy/modules/integrity/baseline.h"

namespace seaworthy::ctl {
namespace {

using Json = nlohmann::ordered_json;
using Kind = integrity::FileDrift::Kind;

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
};

std::string NodeName() {
  utsname name = {};
  return uname(&name) == 0 ? Printable(name.nodename) : "";
}

std::string Now() {
  return FormatTime(std::chrono::system_clock::to_time_t(std::chrono::system_clock::now()));
}

// ASCII all of it, but for messages.
std::string Dump(const Json& json) {
  return json.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

Outcome RunRecord(Session& session, const RecordOptions& options) {
  v1::Key key;
  if (Outcome outcome = GetKey(session, options.key, key); !outcome.ok()) return outcome;
  Result<integrity::Baseline> baseline =
      integrity::RecordBaseline(DeadlineIn(kReadTime), options.root, options.paths);
  if (!baseline.ok()) return {ExitCode::kFailed, baseline.status(), ""};
  baseline->recorded = Now();
  baseline->node = NodeName();
  const Result<std::string> text = integrity::SignBaseline(
      *baseline, PemOf(key), [&](verify::ImaHash hash, std::span<const Bytes> digests) {
        return SignDigests(session, key, hash, digests);
      });
  if (!text.ok()) return {ExitCode::kFailed, text.status(), ""};
  if (Status status = ReplaceFile(options.out, AsBytes(*text), kFileMode); !status.ok()) {
    return Usage(Wrap(status, "cannot write the baseline"));
  }
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

std::string TextOf(const integrity::FileAttributes& attributes, const char* name) {
  const auto found = attributes.find(name);
  return found == attributes.end() ? "" : found->second;
}

Json ToJson(const integrity::FileDrift& drift) {
  Json changes = Json::array();
  for (const auto& [name, before, after] : drift.changes) {
    changes.push_back({{"name", name}, {"before", before}, {"after", after}});
  }
  Json json = {{"path", drift.path},
               {"drift", integrity::ToString(drift.kind)},
               {"attributes", drift.attributes},
               {"changes", std::move(changes)},
               {"explanation", drift.explanation}};
  if (!drift.why.ok())
    json["error"] = {{"reason", Reason(drift.why)}, {"message", Message(drift.why)}};
  return json;
}

std::string Render(const integrity::FileDrift& drift, const Style& style) {
  const std::string word(integrity::ToString(drift.kind));
  std::string text = (drift.explanation.empty() ? style.Bad(word) : style.Warning(word)) + "  " +
                     Printable(drift.path);
  const std::string package = TextOf(drift.attributes, "package");
  const std::string kind = TextOf(drift.attributes, "kind");
  if (!kind.empty()) {
    text += "  (" + Printable(kind) + (package.empty() ? "" : " of " + Printable(package)) + ")";
  }
  text += "\n";
  const auto or_none = [](const std::string& value) {
    return value.empty() ? "none" : Printable(value);
  };
  for (const auto& [name, before, after] : drift.changes) {
    text += "  " + Printable(name) + ": " + or_none(before) + " -> " + or_none(after) + "\n";
  }
  if (!drift.why.ok()) {
    text += "  " + Printable(Message(drift.why)) + " [" + Reason(drift.why) + "]\n";
  }
  if (!drift.explanation.empty()) {
    text += "  explained, by dpkg's word, by the " + Printable(drift.explanation) + "\n";
  }
  return text;
}

Outcome RunCompare(Session& session, const CompareOptions& options) {
  std::string pem;
  if (Outcome outcome = ReadKey(session, options, pem); !outcome.ok()) return outcome;
  const Result<Bytes> file = ReadFile(options.file, integrity::kMaxBaseline);
  if (!file.ok()) return Usage(file.status());
  const Result<integrity::Baseline> baseline = integrity::OpenBaseline(AsText(*file), pem);
  if (!baseline.ok()) {
    const bool no = baseline.status().code() == Code::kPermissionDenied;
    return {no ? ExitCode::kNo : ExitCode::kUsage, Wrap(baseline.status(), options.file), ""};
  }
  const Result<std::vector<integrity::FileDrift>> drifts =
      integrity::CompareBaseline(DeadlineIn(kReadTime), options.root, *baseline);
  if (!drifts.ok()) return {ExitCode::kFailed, drifts.status(), ""};
  std::ostream& out = session.terminal().out;
  if (session.json()) {
    Json list = Json::array();
    for (const integrity::FileDrift& drift : *drifts) list.push_back(ToJson(drift));
    out << Dump({{"recorded", baseline->recorded},
                 {"node", baseline->node},
                 {"files", baseline->files.size()},
                 {"drift", std::move(list)}});
  } else {
    std::size_t explained = 0;
    for (const integrity::FileDrift& drift : *drifts) {
      out << Render(drift, session.style());
      explained += drift.explanation.empty() ? 0U : 1U;
    }
    out << baseline->files.size() << " files recorded " << Printable(baseline->recorded) << " on "
        << Printable(baseline->node) << ": " << drifts->size() << " drifted, " << explained
        << " of them explained by updates\n";
  }
  return {drifts->empty() ? ExitCode::kDone : ExitCode::kNo, {}, ""};
}

void AddRoot(CLI::App* command, std::string& root) {
  command->add_option("--root", root, "The installation's root; links in it lead to what is in it")
      ->type_name("DIR")
      ->capture_default_str();
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
}

}  // namespace seaworthy::ctl
