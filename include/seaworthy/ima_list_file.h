// The kernel's IMA list as a file that grows.
#pragma once

#include <optional>
#include <string>

#include "seaworthy/deadline.h"
#include "seaworthy/handle.h"
#include "seaworthy/ima_list.h"

namespace seaworthy::verify {

// Keeps the file open where it was read to, so that going on costs what is new. Not thread-safe.
class ImaListFile {
 public:
  // NOT_FOUND (IMA_LIST_MISSING) when there is no such file, FAILED_PRECONDITION
  // (IMA_LIST_UNREADABLE) when it cannot be opened.
  static Result<ImaListFile> Open(const std::string& path);

  // The next entry, whose views hold until the next call; nothing at the end of the list as it is
  // now. FAILED_PRECONDITION (IMA_LIST_UNREADABLE), DEADLINE_EXCEEDED (IMA_LIST_LONG), after which
  // a later call goes on.
  Result<std::optional<ImaEntry>> Next(Deadline deadline);

  const std::string& path() const { return path_; }

 private:
  ImaListFile(std::string path, UniqueFd file) : path_(std::move(path)), file_(std::move(file)) {}

  std::string path_;
  UniqueFd file_;
  ImaListReader reader_;
};

}  // namespace seaworthy::verify
