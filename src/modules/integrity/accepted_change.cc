#include "seaworthy/modules/integrity/accepted_change.h"

#include <sys/types.h>

#include <algorithm>
#include <charconv>
#include <set>

#include "seaworthy/status_macros.h"

namespace seaworthy::integrity {
namespace {

using Content = std::optional<std::string>;

// Of what a change makes; what is there already keeps what it has less.
constexpr mode_t kMadeMode = 0644;

std::string TextOf(const FileAttributes& attributes, const std::string& name) {
  const auto found = attributes.find(name);
  return found == attributes.end() ? "" : found->second;
}

Status No(const char* reason, const std::string& sentence) {
  return Fail(Code::kFailedPrecondition, reason, sentence);
}

// What is no regular file has a content that no change finds or leaves.
Content ContentOf(const FileAttributes& attributes) { return TextOf(attributes, "digest"); }

Content RecordedContent(const Baseline& baseline, const std::string& path) {
  const auto found = baseline.files.find(path);
  return found == baseline.files.end() ? Content() : ContentOf(found->second);
}

Content ContentNow(const FileDrift& drift) {
  return drift.kind == FileDrift::Kind::kRemoved ? Content() : ContentOf(drift.attributes);
}

// All bits when it says no mode.
mode_t ModeOf(const FileAttributes& attributes) {
  const std::string text = TextOf(attributes, "mode");
  unsigned mode = 07777;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), mode, 8);
  return error == std::errc() && end == text.data() + text.size() ? mode : 07777;
}

// What a new file in the place of another has in its own way. Signatures are of the content, and
// the label is the folder's.
bool MayDiffer(const std::string& name) {
  static constexpr std::string_view kNames[] = {"kind",
                                                "type",
                                                "mode",
                                                "uid",
                                                "gid",
                                                "size",
                                                "digest",
                                                "xattr:security.ima",
                                                "xattr:security.evm",
                                                "xattr:security.selinux"};
  return std::ranges::count(kNames, name) != 0;
}

// Beside the content. `stayed`: it was there all the time.
Status CheckAttributes(const FileAttributes& before, const FileAttributes& now, bool stayed) {
  if (TextOf(now, "type") != "file") return No("ATTRIBUTES_DIFFER", "it is no regular file");
  if (TextOf(now, "uid") != "0") return No("ATTRIBUTES_DIFFER", "it is not root's");
  const std::string group = TextOf(now, "gid");
  if (group != "0" && group != TextOf(before, "gid")) {
    return No("ATTRIBUTES_DIFFER", "it is of another group");
  }
  const mode_t left = stayed ? ModeOf(before) & kMadeMode : kMadeMode;
  if ((ModeOf(now) & ~left) != 0) {
    return No("ATTRIBUTES_DIFFER", "its mode has more than the transaction left it");
  }
  for (const auto& [name, text] : now) {
    if (MayDiffer(name) || TextOf(before, name) == text) continue;
    return No("ATTRIBUTES_DIFFER", name + " is nothing that the transaction made");
  }
  return {};
}

class Trace {
 public:
  Trace(const Baseline& baseline, const std::vector<KnownChange>& changes)
      : baseline_(baseline), changes_(changes), first_(changes.size()) {}

  DriftOrigin Of(const FileDrift& drift) {
    traced_.insert(drift.path);
    DriftOrigin origin{drift.path, "", {}};
    origin.why = Follow(drift, origin.change);
    return origin;
  }

  // Of the changes that were followed: somebody took part of them back.
  std::vector<DriftOrigin> Missing() const {
    std::vector<DriftOrigin> missing;
    std::set<std::string> seen = traced_;
    for (std::size_t i = changes_.size(); i-- > first_;) {
      for (const KnownChange::File& file : changes_[i].files) {
        if (!seen.insert(file.path).second) continue;
        if (RecordedContent(baseline_, file.path) == file.after) continue;
        missing.push_back({file.path, changes_[i].id,
                           No("CHANGE_MISSING", "transaction " + changes_[i].id +
                                                    " left it otherwise, or it is not among the "
                                                    "baseline's files: record it anew, with it")});
      }
    }
    return missing;
  }

 private:
  Status Follow(const FileDrift& drift, std::string& last) {
    if (drift.kind == FileDrift::Kind::kUnreadable) {
      return No("FOREIGN_DRIFT", "it cannot be read");
    }
    const Content recorded = RecordedContent(baseline_, drift.path);
    Content content = ContentNow(drift);
    bool stayed = true;
    for (std::size_t i = changes_.size(); i-- > 0;) {
      const KnownChange::File* const file = FileOf(changes_[i], drift.path);
      if (file == nullptr) continue;
      const bool newest = last.empty();
      if (newest) last = changes_[i].id;
      if (file->after != content) {
        return newest ? No("CONTENT_DIFFERS", "it is not as transaction " + last + " left it")
                      : No("HISTORY_GAP", "somebody else changed it after transaction " +
                                              changes_[i].id + " and before the next");
      }
      content = file->before;
      stayed = stayed && file->before && file->after;
      if (content != recorded) continue;
      if (drift.kind != FileDrift::Kind::kRemoved) {
        const auto before = baseline_.files.find(drift.path);
        const FileAttributes none;
        RETURN_IF_ERROR(CheckAttributes(before == baseline_.files.end() ? none : before->second,
                                        drift.attributes, stayed));
      }
      first_ = std::min(first_, i);
      return {};
    }
    if (last.empty()) return No("FOREIGN_DRIFT", "no transaction has to do with it");
    return No("HISTORY_GAP", "no transaction found it as it was recorded");
  }

  static const KnownChange::File* FileOf(const KnownChange& change, const std::string& path) {
    const auto file = std::ranges::find(change.files, path, &KnownChange::File::path);
    return file == change.files.end() ? nullptr : &*file;
  }

  const Baseline& baseline_;
  const std::vector<KnownChange>& changes_;
  std::size_t first_;  // of those that were followed
  std::set<std::string> traced_;
};

}  // namespace

std::vector<DriftOrigin> TraceDrift(const Baseline& baseline, const std::vector<FileDrift>& drifts,
                                    const std::vector<KnownChange>& changes) {
  Trace trace(baseline, changes);
  std::vector<DriftOrigin> origins;
  origins.reserve(drifts.size());
  for (const FileDrift& drift : drifts) origins.push_back(trace.Of(drift));
  std::ranges::move(trace.Missing(), std::back_inserter(origins));
  return origins;
}

Result<Baseline> AcceptDrift(Baseline baseline, const std::vector<FileDrift>& drifts,
                             const std::vector<KnownChange>& changes) {
  for (const DriftOrigin& origin : TraceDrift(baseline, drifts, changes)) {
    if (!origin.why.ok()) return Wrap(origin.why, origin.path);
  }
  for (const FileDrift& drift : drifts) {
    if (drift.kind == FileDrift::Kind::kRemoved) {
      baseline.files.erase(drift.path);
    } else {
      baseline.files[drift.path] = drift.attributes;
    }
  }
  return baseline;
}

}  // namespace seaworthy::integrity
