// What the conditions of IMA's rules see of files that are there.
#pragma once

#include <map>

#include "seaworthy/modules/integrity/ima_policy.h"

namespace seaworthy::integrity {

// Remembers the file systems it has met. SELinux's label is looked at only with `selinux`: labels
// also lie on disks of nodes that have none.
class FileConditions {
 public:
  explicit FileConditions(bool selinux) : selinux_(selinux) {}

  // The superblock, the owner and the label of an open file or folder; func, mask and the task are
  // left as they are in ImaAccess. Where the file system has no UUID, fsuuid is null.
  Result<ImaAccess> Of(int fd);

  bool selinux() const { return selinux_; }

 private:
  struct FileSystem {
    std::uint64_t magic = 0;
    FsUuid uuid = {};
    std::string name;
  };
  static Result<FileSystem> Look(int fd, std::uint64_t mount);

  bool selinux_;
  std::map<std::uint64_t, FileSystem> by_mount_;
};

// What a descriptor has as its SELinux label, one of O_PATH, too; empty when there is none.
std::string SelinuxLabel(int fd);

// The type in an SELinux label, user:role:type:level. Empty when there is none, or one with other
// characters than a policy can name.
std::string_view SelinuxType(std::string_view label);

// Whether the kernel of the node with this root has SELinux. A root that is no running node's has
// not.
bool HasSelinux(const std::string& root);

}  // namespace seaworthy::integrity
