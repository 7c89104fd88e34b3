// Paths of the system's as the kernel takes them apart.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "seaworthy/os/root_folder.h"

namespace seaworthy::docker {

// The last part of the path in the real path of its folder: a link is the link itself. Paths here
// and below are absolute. Nothing when the folder is not there.
Result<std::optional<std::string>> RealFolderPath(const os::RootFolder& root,
                                                  const std::string& path);

// What the path leads to, through links. Nothing when it is not there.
Result<std::optional<std::string>> RealPath(const os::RootFolder& root, const std::string& path);

// Both, where they differ: who can write to either decides what is read. None when it leads
// nowhere.
Result<std::vector<std::string>> LinkAndTarget(const os::RootFolder& root, const std::string& path);

// Those of all the paths; none twice.
Result<std::vector<std::string>> LinksAndTargets(const os::RootFolder& root,
                                                 const std::vector<std::string>& paths);

// What is at a real path. NOT_FOUND (FILE_ABSENT) when it has gone meanwhile.
Result<os::Place> PlaceAt(const os::RootFolder& root, const std::string& real_path);

// In each folder where systemd has services look for programs, likewise.
Result<std::vector<std::string>> FindProgram(const os::RootFolder& root, std::string_view name);

}  // namespace seaworthy::docker
