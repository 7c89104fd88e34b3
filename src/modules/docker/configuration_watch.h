// The files that say how the engine is to run, followed by inotify.
#pragma once

#include <sys/types.h>

#include <compare>
#include <map>
#include <string>
#include <vector>

#include "seaworthy/handle.h"
#include "seaworthy/os/root_folder.h"
#include "seaworthy/status.h"

namespace seaworthy::docker {

struct ConfigurationChange {
  std::string path;
  std::string sha256;  // hex, of what it has now; empty: it is gone, or cannot be read
  std::string text;    // a sentence
};

// daemon.json, the engine's units and their drop-ins, in all folders that systemd takes them from.
// Files and folders that are not there are waited for.
class ConfigurationWatch {
 public:
  // `root` is the system's.
  static Result<ConfigurationWatch> Open(const std::string& root, const std::string& config_file);

  // Readable when there may be something to take.
  int descriptor() const { return inotify_.get(); }

  // Whether anything was told since the last call; nothing is to be read from the descriptor then.
  bool Told();

  // What has changed since the last call, whoever says that something did. An error: the kernel
  // watches no more, RESOURCE_EXHAUSTED where its limit is reached.
  Result<std::vector<ConfigurationChange>> Changes();

  // Another daemon.json from now on; as it is now, it has not changed. Whether it is another.
  Result<bool> Follow(const std::string& config_file);

 private:
  struct File {
    std::string sha256;
    mode_t mode = 0;
    uid_t uid = 0;
    gid_t gid = 0;

    auto operator<=>(const File&) const = default;
  };
  using Files = std::map<std::string, File>;

  ConfigurationWatch(std::string path, os::RootFolder root, UniqueFd inotify)
      : path_(std::move(path)), root_(std::move(root)), inotify_(std::move(inotify)) {}

  std::vector<std::string> UnitPlaces() const;
  Status Await(const std::string& folder) const;
  void Look(const std::string& path, Files& files) const;
  Status LookInto(const std::string& drop_ins, Files& files) const;
  // Watches first and looks then, so that nothing is missed between.
  Result<Files> Look() const;

  std::string path_;  // of the root
  os::RootFolder root_;
  UniqueFd inotify_;
  std::string config_file_;
  Files files_;
};

}  // namespace seaworthy::docker
