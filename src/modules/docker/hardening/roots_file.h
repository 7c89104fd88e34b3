// Files that decide what runs as root: whoever else may write or replace them is root, too.
#pragma once

#include <optional>
#include <string>

#include "seaworthy/os/root_folder.h"
#include "seaworthy/status.h"

namespace seaworthy::docker {

// What is at `path`, and root's alone: a regular file of root's, through no link, in folders that
// none but root can put another file into. FAILED_PRECONDITION with `reason` for what is not, but
// for the file's own mode: that is the caller's to judge. Nothing when it is not there; its folders
// are looked at as far as there are any.
Result<std::optional<os::Place>> FindRootsFile(const os::RootFolder& root, const std::string& path,
                                               std::string_view reason);

// Its content. INVALID_ARGUMENT with `too_large` for more than `cap` bytes.
Result<std::string> ReadRootsFile(const os::Place& place, const std::string& path, std::size_t cap,
                                  std::string_view too_large);

// Whether others than root may write it.
bool OthersMayWrite(const os::Place& place);

}  // namespace seaworthy::docker
