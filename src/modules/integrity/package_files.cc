#include "seaworthy/modules/integrity/package_files.h"

#include <sys/stat.h>

#include <algorithm>
#include <filesystem>

#include "seaworthy/directory.h"
#include "seaworthy/status_macros.h"

namespace seaworthy::integrity {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxList = std::size_t{64} << 20;
constexpr const char* kInfo = "/var/lib/dpkg/info/";
// What a merged /usr has links for.
constexpr const char* kMerged[] = {"bin", "sbin", "lib", "lib32", "lib64", "libx32", "libo32"};

// The letters of a package's name and an architecture: no way out of dpkg's folder.
bool IsName(std::string_view text) {
  return !text.empty() &&
         text.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789+-.:") ==
             std::string_view::npos &&
         text.front() != '.';
}

// Packages of which several architectures can be installed have them in the name of the list.
Result<Bytes> ReadList(const std::string& root, const std::string& package) {
  const std::string folder = root + kInfo;
  Result<Bytes> list = ReadFile(folder + package + ".list", kMaxList);
  if (list.ok() || list.status().code() != Code::kNotFound) return list;
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, error)) {
    const std::string name = entry.path().filename();
    if (name.starts_with(package + ":") && name.ends_with(".list")) {
      return ReadFile(entry.path(), kMaxList);
    }
  }
  return Fail(Code::kNotFound, "PACKAGE_NOT_INSTALLED",
              "dpkg has no package " + package + " installed");
}

std::string InMergedUsr(const std::string& root, const std::string& path) {
  const std::string top = path.substr(0, path.find('/'));
  if (std::ranges::find(kMerged, top) == std::end(kMerged)) return path;
  std::error_code error;
  return fs::is_symlink(fs::path(root) / top, error) ? "usr/" + path : path;
}

}  // namespace

Result<std::vector<std::string>> FilesOfPackage(const std::string& root,
                                                const std::string& package) {
  if (!IsName(package)) {
    return Fail(Code::kInvalidArgument, "PACKAGE_NAME", package + " is no package's name");
  }
  ASSIGN_OR_RETURN(const Bytes list, ReadList(root, package));
  std::vector<std::string> files;
  std::string_view rest = AsText(list);
  while (!rest.empty()) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(line.size() + 1, rest.size()));
    if (line.size() < 2 || line.front() != '/') continue;
    std::string path = InMergedUsr(root, std::string(line.substr(1)));
    struct stat stat = {};
    // Folders are not gone into: what else is in them is not the package's.
    if (lstat((root + "/" + path).c_str(), &stat) != 0 || !S_ISREG(stat.st_mode)) continue;
    files.push_back(std::move(path));
  }
  return files;
}

}  // namespace seaworthy::integrity
