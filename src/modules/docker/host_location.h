// Where a path of the host leads to, told by device and inode, so that links, bind mounts and other
// names of a file are the same.
#pragma once

#include <sys/types.h>

#include <compare>
#include <string>
#include <vector>

#include "seaworthy/os/root_folder.h"
#include "seaworthy/status.h"

namespace seaworthy::docker {

struct FileId {
  dev_t device = 0;
  ino_t inode = 0;

  auto operator<=>(const FileId&) const = default;
};

struct HostLocation {
  // From the root to what is there; of a path that is not, to the last folder on its way that is.
  std::vector<FileId> way;
  bool there = false;
};

Result<HostLocation> Locate(const os::RootFolder& root, const std::string& path);

// Whether `inner` is `outer` or in it.
bool IsWithin(const HostLocation& inner, const HostLocation& outer);

}  // namespace seaworthy::docker
