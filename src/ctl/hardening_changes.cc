#include "ctl/hardening_changes.h"

#include <algorithm>

#include "ctl/text.h"
#include "seaworthy/modules/docker/hardening.h"
#include "seaworthy/os/root_folder.h"
#include "seaworthy/plain_text.h"
#include "seaworthy/status_macros.h"

namespace seaworthy::ctl {
namespace {

using Content = std::optional<std::string>;

Result<Content> DigestOf(const Content& content) {
  if (!content) return Content();
  ASSIGN_OR_RETURN(const Bytes digest,
                   verify::ImaDigest(verify::ImaHash::kSha256, AsBytes(*content)));
  return Content(Hex(digest));
}

Result<integrity::KnownChange> ChangeOf(const docker::Transaction& transaction) {
  integrity::KnownChange change{transaction.id, {}};
  for (const docker::FileChange& file : transaction.files) {
    integrity::KnownChange::File& known = change.files.emplace_back();
    known.path = ToPlainText(os::BelowRoot(file.path));
    ASSIGN_OR_RETURN(known.before, DigestOf(file.before));
    ASSIGN_OR_RETURN(known.after, DigestOf(file.after));
  }
  return change;
}

}  // namespace

Result<std::vector<integrity::KnownChange>> ReadChanges(const std::string& root,
                                                        const std::string& state,
                                                        const std::string& last) {
  ASSIGN_OR_RETURN(std::vector<docker::Transaction> history,
                   docker::HardeningHistory(os::RootPrefix(root) + state));
  std::erase_if(history, [](const docker::Transaction& entry) {
    return entry.result != "applied" || (entry.kind != "apply" && entry.kind != "roll-back");
  });
  std::ranges::reverse(history);
  if (!last.empty()) {
    const auto named = std::ranges::find(history, last, &docker::Transaction::id);
    if (named == history.end()) {
      return Fail(Code::kNotFound, "TRANSACTION_UNKNOWN",
                  Printable(last) + " is no transaction that was applied");
    }
    history.erase(named + 1, history.end());
  }
  std::vector<integrity::KnownChange> changes;
  for (const docker::Transaction& entry : history) {
    ASSIGN_OR_RETURN(changes.emplace_back(), ChangeOf(entry));
  }
  return changes;
}

void AddHistoryState(CLI::App& command, std::string& state) {
  command.add_option("--state", state, "Where the engine's transactions are kept, below the root")
      ->type_name("FOLDER")
      ->capture_default_str();
}

}  // namespace seaworthy::ctl
