// What a baseline keeps of one file.
#pragma once

#include "seaworthy/modules/integrity/baseline.h"
#include "seaworthy/modules/integrity/docker_installation.h"
#include "seaworthy/os/root_folder.h"

namespace seaworthy::integrity {

// Of what is at file.path now; NOT_FOUND, UNSAFE_FILE, FILE_CHANGED, FILE_ACCESS.
Result<FileAttributes> ReadFileAttributes(Deadline deadline, const os::RootFolder& root,
                                          const InstalledFile& file);

// The MD5 digest of a regular file in hex, for what dpkg recorded by no better one.
Result<std::string> Md5OfFile(Deadline deadline, const os::RootFolder& root,
                              const std::string& path);

}  // namespace seaworthy::integrity
