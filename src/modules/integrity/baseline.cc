#include "seaworthy/modules/integrity/baseline.h"

#include <algorithm>
#include <set>

#include "modules/integrity/dpkg.h"
#include "modules/integrity/file_attributes.h"
#include "seaworthy/plain_text.h"
#include "seaworthy/status_macros.h"

namespace seaworthy::integrity {
namespace {

std::string TextOf(const FileAttributes& attributes, const std::string& name) {
  const auto found = attributes.find(name);
  return found == attributes.end() ? "" : found->second;
}

// What both have in different ways, or one alone. What kind of file it is follows from the rest.
std::vector<FileDrift::Change> Differences(const FileAttributes& before,
                                           const FileAttributes& after) {
  FileAttributes all = before;
  all.insert(after.begin(), after.end());
  all.erase("kind");
  std::vector<FileDrift::Change> changes;
  for (const auto& [name, text] : all) {
    FileDrift::Change change = {name, TextOf(before, name), TextOf(after, name)};
    if (change.before != change.after) changes.push_back(std::move(change));
  }
  return changes;
}

// IMA's and EVM's signatures are of the content, and change with it.
bool FollowsFromContent(const FileDrift::Change& change) {
  return change.name == "digest" || change.name == "size" || change.name == "xattr:security.ima" ||
         change.name == "xattr:security.evm";
}

// Whether dpkg's records say that an update made a file what it is, or took it away.
class Explanation {
 public:
  Explanation(const os::RootFolder& root, const Baseline& baseline)
      : root_(root), baseline_(baseline) {}

  Status ReadPackages() {
    ASSIGN_OR_RETURN(const std::vector<DpkgPackage> packages, ReadDpkgStatus(root_));
    for (const DpkgPackage& package : packages) packages_[ToPlainText(package.name)] = package;
    return {};
  }

  Result<std::string> Of(Deadline deadline, const FileDrift& drift) const {
    const std::string name = TextOf(drift.attributes, "package");
    const auto before = baseline_.packages.find(name);
    const auto now = packages_.find(name);
    if (before == baseline_.packages.end() || now == packages_.end()) return "";
    const std::string version = ToPlainText(now->second.version);
    if (before->second == version) return "";
    const bool content_alone = std::ranges::all_of(drift.changes, &FollowsFromContent);
    if (!content_alone) return "";
    const std::string path = FromPlainText(drift.path);
    const bool removed = drift.kind == FileDrift::Kind::kRemoved;
    ASSIGN_OR_RETURN(const bool fits, removed ? IsNotOwned(now->second, path)
                                              : IsAsPackaged(deadline, now->second, path));
    if (!fits) return "";
    return "update of " + name + " from " + before->second + " to " + version;
  }

 private:
  Result<bool> IsNotOwned(const DpkgPackage& package, const std::string& path) const {
    bool owned = false;
    const std::string other = BeforeUsrMerge(path);
    RETURN_IF_ERROR(ForEachDpkgPath(root_, package, [&](std::string_view listed) -> Status {
      owned = owned || listed == path || listed == other;
      return {};
    }));
    return !owned;
  }

  Result<bool> IsAsPackaged(Deadline deadline, const DpkgPackage& package,
                            const std::string& path) const {
    using Digests = std::map<std::string, std::string>;
    ASSIGN_OR_RETURN(const Digests digests, ReadDpkgDigests(root_, package));
    auto recorded = digests.find(path);
    if (recorded == digests.end()) recorded = digests.find(BeforeUsrMerge(path));
    if (recorded == digests.end()) return false;
    const Result<std::string> md5 = Md5OfFile(deadline, root_, path);
    if (md5.status().code() == Code::kDeadlineExceeded) return md5.status();
    return md5.ok() && *md5 == recorded->second;
  }

  const os::RootFolder& root_;
  const Baseline& baseline_;
  std::map<std::string, DpkgPackage> packages_;
};

// The operator's that are there: what is gone is drift, no error.
Result<std::vector<std::string>> PathsOf(const os::RootFolder& root, const Baseline& baseline) {
  std::vector<std::string> paths;
  for (const std::string& text : baseline.paths) {
    ASSIGN_OR_RETURN(const auto found, root.Canonical(FromPlainText(text)));
    if (found) paths.push_back(FromPlainText(text));
  }
  return paths;
}

InstalledKind KindByName(const std::string& name) {
  for (const InstalledKind kind : {InstalledKind::kConfiguration, InstalledKind::kUnit,
                                   InstalledKind::kCertificate, InstalledKind::kProfile}) {
    if (ToString(kind) == name) return kind;
  }
  return InstalledKind::kProgram;
}

// Of a file that was recorded (`before`) or is found now, or both. Nothing when all is as it was.
std::optional<FileDrift> Drift(const std::string& path, const FileAttributes* before,
                               const Result<FileAttributes>& now) {
  FileDrift drift;
  drift.path = path;
  if (now.status().code() == Code::kNotFound) {
    if (before == nullptr) return std::nullopt;  // it came and went
    drift.kind = FileDrift::Kind::kRemoved;
    drift.attributes = *before;
  } else if (!now.ok()) {
    drift.kind = FileDrift::Kind::kUnreadable;
    drift.why = now.status();
  } else {
    drift.attributes = *now;
    if (before == nullptr) {
      drift.kind = FileDrift::Kind::kAdded;
    } else {
      drift.changes = Differences(*before, *now);
      if (drift.changes.empty()) return std::nullopt;
    }
  }
  return drift;
}

}  // namespace

std::string_view ToString(FileDrift::Kind kind) {
  switch (kind) {
    case FileDrift::Kind::kAdded:
      return "added";
    case FileDrift::Kind::kRemoved:
      return "removed";
    case FileDrift::Kind::kChanged:
      return "changed";
    default:
      return "unreadable";
  }
}

Result<Baseline> RecordBaseline(Deadline deadline, const std::string& root,
                                const std::vector<std::string>& more) {
  ASSIGN_OR_RETURN(const std::vector<InstalledFile> files, FindDockerInstallation(root, more));
  ASSIGN_OR_RETURN(const os::RootFolder folder, os::RootFolder::Open(root));
  ASSIGN_OR_RETURN(const std::vector<DpkgPackage> packages, ReadDpkgStatus(folder));
  Baseline baseline;
  for (const std::string& path : more) baseline.paths.push_back(ToPlainText(path));
  std::set<std::string> owners;
  for (const InstalledFile& file : files) {
    ASSIGN_OR_RETURN(baseline.files[ToPlainText(file.path)],
                     ReadFileAttributes(deadline, folder, file));
    owners.insert(file.package);
  }
  for (const DpkgPackage& package : packages) {
    if (!owners.contains(package.name)) continue;
    baseline.packages[ToPlainText(package.name)] = ToPlainText(package.version);
  }
  return baseline;
}

Result<std::vector<FileDrift>> CompareBaseline(Deadline deadline, const std::string& root,
                                               const Baseline& baseline) {
  ASSIGN_OR_RETURN(const os::RootFolder folder, os::RootFolder::Open(root));
  ASSIGN_OR_RETURN(const std::vector<std::string> paths, PathsOf(folder, baseline));
  ASSIGN_OR_RETURN(const std::vector<InstalledFile> found, FindDockerInstallation(root, paths));
  // What was recorded is looked at whether it is found by now or not.
  std::map<std::string, InstalledFile> files;
  for (const auto& [path, attributes] : baseline.files) {
    files[path] = {.path = FromPlainText(path),
                   .kind = KindByName(TextOf(attributes, "kind")),
                   .package = FromPlainText(TextOf(attributes, "package")),
                   .link_target = {}};
  }
  for (const InstalledFile& file : found) files[ToPlainText(file.path)] = file;
  std::vector<FileDrift> drifts;
  for (const auto& [path, file] : files) {
    const auto before = baseline.files.find(path);
    const Result<FileAttributes> now = ReadFileAttributes(deadline, folder, file);
    if (now.status().code() == Code::kDeadlineExceeded) return now.status();
    std::optional<FileDrift> drift =
        Drift(path, before == baseline.files.end() ? nullptr : &before->second, now);
    if (drift) drifts.push_back(*std::move(drift));
  }
  if (drifts.empty()) return drifts;
  Explanation explanation(folder, baseline);
  RETURN_IF_ERROR(explanation.ReadPackages());
  for (FileDrift& drift : drifts) {
    ASSIGN_OR_RETURN(drift.explanation, explanation.Of(deadline, drift));
  }
  return drifts;
}

}  // namespace seaworthy::integrity
