#include "modules/docker/configuration_watch.h"

#include <sys/inotify.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <utility>

#include "modules/docker/digest.h"
#include "modules/docker/unit_files.h"
#include "seaworthy/bytes.h"
#include "seaworthy/directory.h"
#include "seaworthy/status_macros.h"

namespace seaworthy::docker {
namespace {

constexpr std::size_t kMaxFile = std::size_t{1} << 20;
constexpr std::size_t kMaxDropIns = 1000;
constexpr const char* kUnits[] = {"docker.service", "docker.socket"};
// Not IN_MODIFY: what is being written is looked at when it is closed.
constexpr std::uint32_t kEvents = IN_CREATE | IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM |
                                  IN_DELETE | IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF;

// "" is the root.
std::string FolderOf(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string::npos ? "" : path.substr(0, slash);
}

}  // namespace

Result<ConfigurationWatch> ConfigurationWatch::Open(const std::string& root,
                                                    const std::string& config_file) {
  UniqueFd inotify(inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
  if (!inotify) return FromErrno(errno, "watch the engine's configuration");
  ASSIGN_OR_RETURN(os::RootFolder folder, os::RootFolder::Open(root));
  ConfigurationWatch watch(root, std::move(folder), std::move(inotify));
  RETURN_IF_ERROR(watch.Follow(config_file).status());
  return watch;
}

bool ConfigurationWatch::Told() {
  char events[4096];
  bool told = false;
  while (read(inotify_.get(), events, sizeof(events)) > 0) told = true;
  return told;
}

Result<bool> ConfigurationWatch::Follow(const std::string& config_file) {
  if (config_file == config_file_) return false;
  config_file_ = config_file;
  ASSIGN_OR_RETURN(files_, Look());
  return true;
}

Result<std::vector<ConfigurationChange>> ConfigurationWatch::Changes() {
  ASSIGN_OR_RETURN(Files now, Look());
  std::vector<ConfigurationChange> changes;
  for (const auto& [path, file] : now) {
    const auto before = files_.find(path);
    if (before == files_.end()) {
      changes.push_back({path, file.sha256, "It is there now, and was not."});
    } else if (before->second.sha256 != file.sha256) {
      changes.push_back({path, file.sha256, "Its content has changed."});
    } else if (before->second != file) {
      changes.push_back({path, file.sha256, "Its owner or mode has changed."});
    }
  }
  for (const auto& [path, file] : files_) {
    if (!now.contains(path)) changes.push_back({path, "", "It is gone."});
  }
  files_ = std::move(now);
  return changes;
}

// The folders that there are, each once: /lib/systemd/system may be that of /usr/lib.
std::vector<std::string> ConfigurationWatch::UnitPlaces() const {
  std::vector<std::string> places;
  for (const char* const folder : UnitFolders()) {
    const Result<std::optional<std::string>> there = root_.Canonical(folder);
    if (!there.ok() || !*there) continue;
    if (std::ranges::find(places, **there) == places.end()) places.push_back(**there);
  }
  return places;
}

// A folder that is not there is seen when it comes into the nearest that is.
Status ConfigurationWatch::Await(const std::string& folder) const {
  std::string at = folder;
  while (inotify_add_watch(inotify_.get(), (path_ + "/" + at).c_str(), kEvents) < 0) {
    if (at.empty() || (errno != ENOENT && errno != ENOTDIR)) {
      return FromErrno(errno, "watch /" + at);
    }
    at = FolderOf(at);
  }
  return {};
}

void ConfigurationWatch::Look(const std::string& path, Files& files) const {
  const Result<std::optional<std::string>> leads_to = root_.Canonical(path);
  if (!leads_to.ok() || !*leads_to) return;
  const Result<std::optional<os::Place>> place = root_.At(**leads_to);
  if (!place.ok() || !*place) return;
  const struct stat& stat = (*place)->stat;
  File& file = files["/" + os::BelowRoot(path)];
  file = {.sha256 = "", .mode = stat.st_mode, .uid = stat.st_uid, .gid = stat.st_gid};
  const Result<std::optional<Bytes>> content = root_.Read(path, kMaxFile);
  if (content.ok() && *content) file.sha256 = Sha256Hex(**content);
}

Status ConfigurationWatch::LookInto(const std::string& drop_ins, Files& files) const {
  RETURN_IF_ERROR(Await(drop_ins));
  const Result<std::optional<std::string>> folder = root_.Canonical(drop_ins);
  if (!folder.ok() || !*folder) return {};
  const Result<std::vector<std::string>> names = root_.List(**folder, kMaxDropIns);
  if (!names.ok()) return {};  // no folder
  for (const std::string& name : *names) {
    if (name.ends_with(".conf")) Look(**folder + "/" + name, files);
  }
  return {};
}

Result<ConfigurationWatch::Files> ConfigurationWatch::Look() const {
  Files files;
  RETURN_IF_ERROR(Await(FolderOf(os::BelowRoot(config_file_))));
  RETURN_IF_ERROR(Await(os::BelowRoot(config_file_)));  // where it is a link, what it leads to
  Look(config_file_, files);
  for (const char* const folder : UnitFolders()) RETURN_IF_ERROR(Await(folder));
  for (const std::string& folder : UnitPlaces()) {
    for (const char* const unit : kUnits) {
      Look(folder + "/" + unit, files);
      RETURN_IF_ERROR(LookInto(folder + "/" + unit + ".d", files));
    }
  }
  return files;
}

}  // namespace seaworthy::docker
