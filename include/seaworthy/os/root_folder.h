// A folder that is a file system's root, "/" or a copy of one, and is never left: links in it lead
// to what is in it.
#pragma once

#include <sys/stat.h>

#include <optional>
#include <string>
#include <vector>

#include "seaworthy/bytes.h"
#include "seaworthy/handle.h"

namespace seaworthy::os {

// What is at a path: a descriptor that stands for it and opens nothing.
struct Place {
  UniqueFd fd;
  struct stat stat = {};
};

// Paths are below the root; a leading "/" is the root itself. What is not there is nothing, not an
// error.
class RootFolder {
 public:
  // The folder may be a link, as the operator names it.
  static Result<RootFolder> Open(const std::string& path);

  // Through no link. A last part that is one is what is found.
  Result<std::optional<Place>> At(const std::string& path) const;

  // The one path through no link of what `path` leads to. The root's own is empty.
  Result<std::optional<std::string>> Canonical(const std::string& path) const;

  // A regular file of at most `cap` bytes, links followed. FAILED_PRECONDITION (UNSAFE_FILE) for
  // another or a larger one.
  Result<std::optional<Bytes>> Read(const std::string& path, std::size_t cap) const;

  // The names in a folder, sorted, through no link; none when there is no such folder.
  Result<std::vector<std::string>> List(const std::string& path, std::size_t cap) const;

 private:
  RootFolder(UniqueFd fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}
  UniqueFd Open(const std::string& path, int flags, std::uint64_t resolve) const;

  UniqueFd fd_;
  std::string path_;  // as the kernel tells it
};

// What stands before the absolute paths of a system whose root is this folder.
inline std::string RootPrefix(const std::string& root) { return root == "/" ? "" : root; }

// For reading, what the place stands for, whatever is at its path by now. No descriptor, and errno
// set, when it cannot be.
UniqueFd Reopen(const Place& place, int flags);

// What a link's place says.
Result<std::string> ReadLink(const Place& place);

// "/dev/null/" and "dev//null" are "dev/null".
std::string BelowRoot(std::string_view path);

}  // namespace seaworthy::os
