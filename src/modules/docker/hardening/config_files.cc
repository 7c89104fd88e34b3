#include "modules/docker/hardening/config_files.h"

#include <sys/stat.h>

#include <utility>

#include "seaworthy/directory.h"
#include "seaworthy/status_macros.h"

namespace seaworthy::docker {
namespace {

constexpr std::size_t kMaxConfigFile = std::size_t{1} << 20;
constexpr mode_t kFileMode = 0644;
constexpr mode_t kFolderMode = 0755;

std::pair<std::string, std::string> Parts(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return {slash == 0 ? "/" : path.substr(0, slash), path.substr(slash + 1)};
}

Result<Directory> FolderOf(const std::string& folder, bool make) {
  Result<Directory> opened = Directory::Open(folder);
  if (!make || opened.status().code() != Code::kNotFound || folder == "/") return opened;
  const auto [above, name] = Parts(folder);
  ASSIGN_OR_RETURN(const Directory parent, FolderOf(above, true));
  ASSIGN_OR_RETURN(Directory made, parent.OpenSubdirectory(name, kFolderMode));
  RETURN_IF_ERROR(parent.Sync());
  return made;
}

}  // namespace

Result<std::optional<std::string>> ReadConfigFile(const std::string& path) {
  const auto [folder, name] = Parts(path);
  const Result<Directory> directory = FolderOf(folder, false);
  if (directory.status().code() == Code::kNotFound) return std::nullopt;
  RETURN_IF_ERROR(directory.status());
  const Result<Bytes> content = directory->Read(name, kMaxConfigFile);
  if (content.status().code() == Code::kNotFound) return std::nullopt;
  RETURN_IF_ERROR(content.status());
  return std::string(AsText(*content));
}

Result<bool> SaysConfigFile(const std::string& path, const std::optional<std::string>& content) {
  ASSIGN_OR_RETURN(const std::optional<std::string> now, ReadConfigFile(path));
  if (now != content || !now) return now == content;
  struct stat there = {};
  return lstat(path.c_str(), &there) == 0 && (there.st_mode & 07777 & ~kFileMode) == 0;
}

Status PutConfigFile(const std::string& path, const std::optional<std::string>& content) {
  const auto [folder, name] = Parts(path);
  ASSIGN_OR_RETURN(const Directory directory, FolderOf(folder, content.has_value()));
  if (!content) {
    if (Status removed = directory.Remove(name); removed.code() != Code::kNotFound) {
      RETURN_IF_ERROR(removed);
    }
    return directory.Sync();
  }
  struct stat there = {};
  const bool exists = lstat(path.c_str(), &there) == 0;
  return directory.Replace(name, AsBytes(*content), exists ? there.st_mode & kFileMode : kFileMode);
}

}  // namespace seaworthy::docker
