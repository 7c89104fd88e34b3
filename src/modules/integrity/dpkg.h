// What dpkg's database says of a root: files that whoever is root there may have edited.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "seaworthy/os/root_folder.h"

namespace seaworthy::integrity {

struct DpkgPackage {
  std::string name;
  std::string version;
  std::string info;                              // its files in the folder info, without ".list"
  std::map<std::string, std::string> conffiles;  // path below the root: MD5 in hex
};

// Those whose files are on the disk; none where there is no dpkg.
Result<std::vector<DpkgPackage>> ReadDpkgStatus(const os::RootFolder& root);
std::vector<DpkgPackage> ParseDpkgStatus(std::string_view text);

// Tells of each path that the package owns, below the root, folders too, as the package has it:
// where Debian has merged /lib into /usr/lib it may say "lib/...".
Status ForEachDpkgPath(const os::RootFolder& root, const DpkgPackage& package,
                       const std::function<Status(std::string_view path)>& visit);

// The MD5 digests of the package's files, its conffiles among them, by path as above.
Result<std::map<std::string, std::string>> ReadDpkgDigests(const os::RootFolder& root,
                                                           const DpkgPackage& package);

// The other name that a package may have for the canonical `path`; empty: none.
std::string BeforeUsrMerge(std::string_view path);

}  // namespace seaworthy::integrity
