// Drift that is nothing but what known transactions made of the files, and the baseline that takes
// it over.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "seaworthy/modules/integrity/baseline.h"

namespace seaworthy::integrity {

// What a transaction made of its files.
struct KnownChange {
  struct File {
    std::string path;                   // as in a baseline
    std::optional<std::string> before;  // SHA-256 of the content in hex; nothing: there was no file
    std::optional<std::string> after;
  };
  std::string id;
  std::vector<File> files;
};

struct DriftOrigin {
  std::string path;
  std::string change;  // id of the last that has to do with the file; empty: none has
  Status why;          // not OK: the drift is not, or not only, what the changes made
};

// Of each drift, in their order, by `changes`, the oldest first: the content is what the last
// change of the file left, and what each found is what the one before it left, back to what was
// recorded. It is root's, with no more mode than a change leaves. Behind them come files that have
// not drifted although these changes made them something else. FAILED_PRECONDITION: FOREIGN_DRIFT,
// CONTENT_DIFFERS, HISTORY_GAP, ATTRIBUTES_DIFFER, CHANGE_MISSING.
std::vector<DriftOrigin> TraceDrift(const Baseline& baseline, const std::vector<FileDrift>& drifts,
                                    const std::vector<KnownChange>& changes);

// The baseline with what drifted as it was found, and all else as it was recorded. Errors are those
// of TraceDrift, of the first file.
Result<Baseline> AcceptDrift(Baseline baseline, const std::vector<FileDrift>& drifts,
                             const std::vector<KnownChange>& changes);

}  // namespace seaworthy::integrity
