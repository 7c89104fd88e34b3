#include "seaworthy/modules/integrity/docker_installation.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <unordered_map>

#include "modules/integrity/dpkg.h"
#include "seaworthy/status_macros.h"

namespace seaworthy::integrity {
namespace {

using nlohmann::json;

constexpr std::size_t kMaxFiles = 100'000;
constexpr std::size_t kMaxDaemonJson = std::size_t{1} << 20;
// As many as the kernel follows.
constexpr int kMaxLinks = 40;

// Of Debian, and of Docker's own repository.
constexpr std::string_view kPackages[] = {"docker.io",
                                          "docker-ce",
                                          "docker-ce-cli",
                                          "docker-ce-rootless-extras",
                                          "docker-cli",
                                          "docker-buildx",
                                          "docker-buildx-plugin",
                                          "docker-compose",
                                          "docker-compose-plugin",
                                          "docker-compose-v2",
                                          "docker-model-plugin",
                                          "docker-scan-plugin",
                                          "containerd",
                                          "containerd.io",
                                          "cri-tools",
                                          "runc",
                                          "tini"};

// Files, and folders with all that is in them.
constexpr const char* kPlaces[] = {
    "etc/docker",
    "etc/containerd",
    "etc/default/docker",
    "etc/default/containerd",
    "etc/init.d/docker",
    // Plugins of the engine and of the command line.
    "usr/lib/docker",
    "usr/libexec/docker",
    "usr/local/lib/docker",
    "usr/local/libexec/docker",
    "root/.docker/cli-plugins",
    "root/.docker/config.json",
    // Where containerd installs and looks for shims by itself.
    "opt/containerd",
    // What the engine is brought to, and judged by.
    "etc/seaworthy/docker-policy.json",
    "etc/seaworthy/docker-profiles",
    "usr/share/seaworthy/docker-profiles",
};

// Where a program is taken by its name, installed by no package too.
constexpr const char* kProgramFolders[] = {"usr/bin", "usr/sbin", "usr/local/bin",
                                           "usr/local/sbin"};
constexpr std::string_view kPrograms[] = {
    "ctr", "runc", "crun", "runsc", "buildkitd", "tini", "tini-static", "vpnkit", "rootlesskit"};

// Where systemd looks for units, and the operator's way to change them.
constexpr const char* kUnitFolders[] = {
    "etc/systemd/system",         "etc/systemd/system.control",   "run/systemd/system",
    "run/systemd/system.control", "usr/local/lib/systemd/system", "usr/lib/systemd/system"};
// The last two hold for each service and socket.
constexpr const char* kUnits[] = {
    "docker.service",     "docker.service.d",     "docker.socket", "docker.socket.d",
    "containerd.service", "containerd.service.d", "service.d",     "socket.d"};

constexpr const char* kProfileFolders[] = {"etc/apparmor.d", "etc/apparmor.d/local"};

bool IsProgramName(std::string_view name) {
  return name.starts_with("docker") || name.starts_with("containerd") ||
         name.starts_with("rootlesskit-") || std::ranges::count(kPrograms, name) != 0;
}

bool IsProfileName(std::string_view name) {
  return name.find("docker") != std::string_view::npos ||
         name.find("containerd") != std::string_view::npos || name == "runc" || name == "crun";
}

bool IsCertificateName(std::string_view path) {
  return path.starts_with("etc/docker/certs.d/") || path.ends_with(".pem") ||
         path.ends_with(".crt") || path.ends_with(".cert") || path.ends_with(".key");
}

InstalledKind KindOf(std::string_view path, bool executable) {
  if (path.find("/systemd/") != std::string_view::npos) return InstalledKind::kUnit;
  if (path.starts_with("etc/apparmor.d/")) return InstalledKind::kProfile;
  if (IsCertificateName(path)) return InstalledKind::kCertificate;
  const bool program = executable && !path.starts_with("etc/");
  return program ? InstalledKind::kProgram : InstalledKind::kConfiguration;
}

std::string Join(const std::string& folder, std::string_view name) {
  return folder.empty() ? std::string(name) : folder + "/" + std::string(name);
}

// What a path leads to.
struct Found {
  bool anything = false;
  std::optional<std::string> folder;  // canonical, when it is one
  bool through_link = false;
};

class Search {
 public:
  explicit Search(const os::RootFolder& root) : root_(root) {}

  // What is at `path`, with what it leads to; a folder with all that is in it. False: nothing.
  Result<bool> Add(const std::string& path, std::optional<InstalledKind> kind = {}) {
    ASSIGN_OR_RETURN(const Found found, Follow(path, kind));
    if (found.folder) RETURN_IF_ERROR(AddFolder(*found.folder, kind));
    return found.anything;
  }

  // Of what a package owns: no documentation, data or modules of programs.
  Status AddOwned(std::string_view path) {
    if (path.starts_with("usr/share/") || path.starts_with("var/")) return {};
    std::string at(path);
    ASSIGN_OR_RETURN(const std::optional<os::Place> place, Step(at));
    if (!place || S_ISDIR(place->stat.st_mode)) return {};
    // To dpkg it is the folder that it leads to: where /lib is one, packages have /lib.
    ASSIGN_OR_RETURN(const bool folder, LeadsToFolder(at));
    if (folder) return {};
    const bool plain = S_ISREG(place->stat.st_mode) && (place->stat.st_mode & 0111) == 0;
    if (plain && !at.starts_with("etc/") && KindOf(at, false) != InstalledKind::kUnit) return {};
    return Follow(at, {}).status();
  }

  // Of a folder those whose names are Docker's.
  Status AddNamed(const char* folder, bool (*is_name)(std::string_view)) {
    ASSIGN_OR_RETURN(const std::optional<std::string> at, root_.Canonical(folder));
    if (!at) return {};
    ASSIGN_OR_RETURN(const std::vector<std::string> names, root_.List(*at, kMaxFiles));
    for (const std::string& name : names) {
      if (is_name(name)) RETURN_IF_ERROR(Follow(Join(*at, name), {}).status());
    }
    return {};
  }

  std::map<std::string, InstalledFile> Take() && { return std::move(files_); }

 private:
  // Makes the folders on the way canonical; what is there, the last part not followed.
  Result<std::optional<os::Place>> Step(std::string& path) const {
    path = os::BelowRoot(path);
    const std::size_t name = path.rfind('/') + 1;
    const bool is_folder = path.empty() || path.substr(name) == "..";
    const std::string folder = is_folder ? path : path.substr(0, name);
    ASSIGN_OR_RETURN(const std::optional<std::string> canonical, root_.Canonical(folder));
    if (!canonical) return std::optional<os::Place>();
    path = is_folder ? *canonical : Join(*canonical, path.substr(name));
    return root_.At(path);
  }

  Result<bool> LeadsToFolder(const std::string& path) const {
    ASSIGN_OR_RETURN(const std::optional<std::string> end, root_.Canonical(path));
    if (!end) return false;
    ASSIGN_OR_RETURN(const std::optional<os::Place> place, root_.At(*end));
    return place && S_ISDIR(place->stat.st_mode);
  }

  // Link for link to a file or a folder; takes down all but the folder.
  Result<Found> Follow(std::string path, std::optional<InstalledKind> kind) {
    std::vector<InstalledFile> files;
    Found found;
    bool executable = false;
    for (int i = 0; i < kMaxLinks; ++i) {
      ASSIGN_OR_RETURN(const std::optional<os::Place> place, Step(path));
      if (!place) break;
      const mode_t mode = place->stat.st_mode;
      found.anything = true;
      if (S_ISDIR(mode)) found.folder = path;
      if (S_ISREG(mode)) files.push_back({.path = path, .package = {}, .link_target = {}});
      executable = S_ISREG(mode) && (mode & 0111) != 0;
      if (!S_ISLNK(mode)) break;
      found.through_link = true;
      ASSIGN_OR_RETURN(const std::string target, os::ReadLink(*place));
      files.push_back({.path = path, .package = {}, .link_target = target});
      path = target.starts_with('/') ? target : path.substr(0, path.rfind('/') + 1) + target;
    }
    for (InstalledFile& file : files) {
      file.kind = kind.value_or(KindOf(file.path, executable));
      // What is found again is of the kind that was said of it first.
      files_.try_emplace(file.path, file);
    }
    if (files_.size() <= kMaxFiles) return found;
    return Fail(Code::kResourceExhausted, "TOO_MANY_FILES",
                "more than 100000 files, " + path + " among them");
  }

  // Folders behind links inside are not entered: one could lead everywhere.
  Status AddFolder(const std::string& top, std::optional<InstalledKind> kind) {
    std::vector<std::string> folders = {top};
    while (!folders.empty()) {
      const std::string folder = std::move(folders.back());
      folders.pop_back();
      if (!folders_.insert(folder).second) continue;
      ASSIGN_OR_RETURN(const std::vector<std::string> names, root_.List(folder, kMaxFiles));
      for (const std::string& name : names) {
        ASSIGN_OR_RETURN(const Found found, Follow(Join(folder, name), kind));
        if (found.folder && !found.through_link) folders.push_back(*found.folder);
      }
    }
    return {};
  }

  const os::RootFolder& root_;
  std::map<std::string, InstalledFile> files_;
  std::set<std::string> folders_;  // that were read
};

// The absolute paths in the engine's configuration. One that is no JSON names nothing; the engine
// does not start with it either.
Status AddNamedByDaemonJson(const os::RootFolder& root, Search& search) {
  const Result<std::optional<Bytes>> file = root.Read("etc/docker/daemon.json", kMaxDaemonJson);
  if (!file.ok() || !*file) return {};
  const json config = json::parse(AsText(**file), nullptr, false);
  const auto add = [&](const json& object, const char* field, InstalledKind kind) -> Status {
    const auto found = object.is_object() ? object.find(field) : object.end();
    if (found == object.end() || !found->is_string()) return {};
    const auto& path = found->get_ref<const std::string&>();
    return path.starts_with('/') ? search.Add(path, kind).status() : Status();
  };
  for (const char* field : {"tlscacert", "tlscert", "tlskey"}) {
    RETURN_IF_ERROR(add(config, field, InstalledKind::kCertificate));
  }
  for (const char* field : {"init-path", "userland-proxy-path"}) {
    RETURN_IF_ERROR(add(config, field, InstalledKind::kProgram));
  }
  RETURN_IF_ERROR(add(config, "seccomp-profile", InstalledKind::kProfile));
  const auto runtimes = config.is_object() ? config.find("runtimes") : config.end();
  if (runtimes == config.end() || !runtimes->is_object()) return {};
  for (const auto& [name, runtime] : runtimes->items()) {
    RETURN_IF_ERROR(add(runtime, "path", InstalledKind::kProgram));
  }
  return {};
}

// A file that no known package brought may be another's.
Status SetPackages(const os::RootFolder& root, const std::vector<DpkgPackage>& packages,
                   std::map<std::string, InstalledFile>& files) {
  std::unordered_map<std::string, InstalledFile*> by_name;
  for (auto& [path, file] : files) {
    by_name[path] = &file;
    if (std::string before = BeforeUsrMerge(path); !before.empty()) by_name[before] = &file;
  }
  std::string name;
  for (const DpkgPackage& package : packages) {
    RETURN_IF_ERROR(ForEachDpkgPath(root, package, [&](std::string_view path) -> Status {
      name = path;
      if (const auto found = by_name.find(name); found != by_name.end()) {
        found->second->package = package.name;
      }
      return {};
    }));
  }
  return {};
}

Status AddPlaces(Search& search) {
  for (const char* place : kPlaces) RETURN_IF_ERROR(search.Add(place).status());
  for (const char* folder : kProgramFolders) {
    RETURN_IF_ERROR(search.AddNamed(folder, IsProgramName));
  }
  for (const char* folder : kProfileFolders) {
    RETURN_IF_ERROR(search.AddNamed(folder, IsProfileName));
  }
  for (const char* folder : kUnitFolders) {
    for (const char* unit : kUnits) RETURN_IF_ERROR(search.Add(Join(folder, unit)).status());
  }
  return {};
}

}  // namespace

std::string_view ToString(InstalledKind kind) {
  switch (kind) {
    case InstalledKind::kProgram:
      return "program";
    case InstalledKind::kConfiguration:
      return "configuration";
    case InstalledKind::kUnit:
      return "unit";
    case InstalledKind::kCertificate:
      return "certificate";
    default:
      return "profile";
  }
}

Result<std::vector<InstalledFile>> FindDockerInstallation(const std::string& root,
                                                          const std::vector<std::string>& more) {
  ASSIGN_OR_RETURN(const os::RootFolder folder, os::RootFolder::Open(root));
  ASSIGN_OR_RETURN(const std::vector<DpkgPackage> packages, ReadDpkgStatus(folder));
  Search search(folder);
  // First, for it says best what they are.
  RETURN_IF_ERROR(AddNamedByDaemonJson(folder, search));
  for (const DpkgPackage& package : packages) {
    if (std::ranges::count(kPackages, package.name) == 0) continue;
    RETURN_IF_ERROR(ForEachDpkgPath(folder, package,
                                    [&](std::string_view path) { return search.AddOwned(path); }));
  }
  RETURN_IF_ERROR(AddPlaces(search));
  for (const std::string& path : more) {
    ASSIGN_OR_RETURN(const bool found, search.Add(path));
    if (!found) return Fail(Code::kNotFound, "FILE_NOT_FOUND", path + ": there is nothing there");
  }
  std::map<std::string, InstalledFile> files = std::move(search).Take();
  RETURN_IF_ERROR(SetPackages(folder, packages, files));
  std::vector<InstalledFile> list;
  list.reserve(files.size());
  for (auto& [path, file] : files) list.push_back(std::move(file));
  return list;
}

}  // namespace seaworthy::integrity
