#include "seaworthy/modules/integrity/package_files.h"

#include "modules/integrity/dpkg.h"
#include "seaworthy/status_macros.h"

namespace seaworthy::integrity {
namespace {

// Links lead to files that another package may own, and folders are not gone into: what else is in
// them is not the package's.
Status AddIfRegular(const os::RootFolder& root, std::string_view path,
                    std::vector<std::string>& files) {
  const std::size_t slash = path.rfind('/');
  const bool at_top = slash == std::string_view::npos;
  // /lib and the like may be links.
  ASSIGN_OR_RETURN(const std::optional<std::string> folder,
                   root.Canonical(std::string(at_top ? "/" : path.substr(0, slash))));
  if (!folder) return {};
  std::string file = *folder + (folder->empty() ? "" : "/");
  file += at_top ? path : path.substr(slash + 1);
  ASSIGN_OR_RETURN(const std::optional<os::Place> place, root.At(file));
  if (place && S_ISREG(place->stat.st_mode)) files.push_back(std::move(file));
  return {};
}

}  // namespace

Result<std::vector<std::string>> FilesOfPackage(const std::string& root,
                                                const std::string& package) {
  ASSIGN_OR_RETURN(const os::RootFolder folder, os::RootFolder::Open(root));
  ASSIGN_OR_RETURN(const std::vector<DpkgPackage> packages, ReadDpkgStatus(folder));
  std::vector<std::string> files;
  bool installed = false;
  for (const DpkgPackage& one : packages) {
    if (package != one.name && package != one.info) continue;
    installed = true;
    RETURN_IF_ERROR(ForEachDpkgPath(
        folder, one, [&](std::string_view path) { return AddIfRegular(folder, path, files); }));
  }
  if (installed) return files;
  return Fail(Code::kNotFound, "PACKAGE_NOT_INSTALLED",
              "dpkg has no package " + package + " installed");
}

}  // namespace seaworthy::integrity
