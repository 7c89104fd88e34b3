// The regular files of a folder and the folders below it, opened so that nobody can lead the way
// out of it.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "seaworthy/deadline.h"
#include "seaworthy/status.h"

namespace seaworthy::integrity {

struct TreeRun {
  Deadline deadline;
  // Files and folders, relative to the root; folders with all that is below them.
  std::vector<std::string> paths = {"."};
  // Else what is mounted below is left alone.
  bool other_file_systems = false;
  // Told of each file and folder that could not be done, and why; the rest is done.
  std::function<void(const std::string& path, const Status& why)> failed;
};

// Calls `visit` with each regular file, open for reading, once for all hard links of it. Symbolic
// links are never followed, in no part of a path; one in `run.paths` is a failure, as is a special
// file. What vanishes meanwhile is no failure. Ends early with what `visit` returns when that is
// not OK, with DEADLINE_EXCEEDED, and when the root can't be opened.
Status ForEachFile(const std::string& root, const TreeRun& run,
                   const std::function<Status(const std::string& path, int fd)>& visit);

}  // namespace seaworthy::integrity
