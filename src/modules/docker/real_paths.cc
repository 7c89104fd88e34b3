#include "modules/docker/real_paths.h"

#include <algorithm>

#include "seaworthy/status_macros.h"

namespace seaworthy::docker {

Result<std::optional<std::string>> RealPath(const os::RootFolder& root, const std::string& path) {
  ASSIGN_OR_RETURN(const std::optional<std::string> real, root.Canonical(os::BelowRoot(path)));
  return real ? std::optional("/" + *real) : std::nullopt;
}

Result<std::optional<std::string>> RealFolderPath(const os::RootFolder& root,
                                                  const std::string& path) {
  const std::string below = os::BelowRoot(path);
  const std::size_t slash = below.rfind('/');
  const std::string folder = slash == std::string::npos ? "" : below.substr(0, slash);
  const std::string name = slash == std::string::npos ? below : below.substr(slash + 1);
  ASSIGN_OR_RETURN(const std::optional<std::string> real, root.Canonical(folder));
  if (!real) return std::optional<std::string>();
  return std::optional(real->empty() ? "/" + name : "/" + *real + "/" + name);
}

Result<std::vector<std::string>> LinkAndTarget(const os::RootFolder& root,
                                               const std::string& path) {
  ASSIGN_OR_RETURN(const std::optional<std::string> link, RealFolderPath(root, path));
  ASSIGN_OR_RETURN(const std::optional<std::string> target, RealPath(root, path));
  std::vector<std::string> paths;
  if (!link || !target) return paths;
  paths.push_back(*link);
  if (*target != *link) paths.push_back(*target);
  return paths;
}

Result<os::Place> PlaceAt(const os::RootFolder& root, const std::string& real_path) {
  ASSIGN_OR_RETURN(std::optional<os::Place> place, root.At(os::BelowRoot(real_path)));
  if (!place) return Fail(Code::kNotFound, "FILE_ABSENT", real_path + ": is not there any more");
  return *std::move(place);
}

Result<std::vector<std::string>> LinksAndTargets(const os::RootFolder& root,
                                                 const std::vector<std::string>& paths) {
  std::vector<std::string> found;
  for (const std::string& path : paths) {
    ASSIGN_OR_RETURN(const std::vector<std::string> leads, LinkAndTarget(root, path));
    for (const std::string& lead : leads) {
      if (std::ranges::find(found, lead) == found.end()) found.push_back(lead);
    }
  }
  return found;
}

Result<std::vector<std::string>> FindProgram(const os::RootFolder& root, std::string_view name) {
  std::vector<std::string> paths;
  for (const char* const folder :
       {"/usr/local/sbin/", "/usr/local/bin/", "/usr/sbin/", "/usr/bin/", "/sbin/", "/bin/"}) {
    paths.push_back(folder + std::string(name));
  }
  return LinksAndTargets(root, paths);
}

}  // namespace seaworthy::docker
