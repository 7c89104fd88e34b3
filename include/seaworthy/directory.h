// State on disk. All access goes through an open directory and names in it, never through
// paths that somebody could swap underneath: symbolic links are refused, reads are capped,
// writes are temp + fsync + rename.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>
#include <vector>

#include "seaworthy/bytes.h"
#include "seaworthy/handle.h"
#include "seaworthy/status.h"

namespace seaworthy {

class Directory {
 public:
  // Opens `path`, which must be a directory and no symbolic link. NOT_FOUND when absent.
  static Result<Directory> Open(const std::string& path);

  // Opens `path` and makes it (mode 0700) with its missing parents first.
  static Result<Directory> Create(const std::string& path);

  const std::string& path() const { return path_; }

  // Opens or makes a subdirectory. `name` has no slash.
  Result<Directory> OpenSubdirectory(const std::string& name, mode_t mode = 0700) const;
  // Makes nothing: NOT_FOUND when absent; FAILED_PRECONDITION, reason UNSAFE_FILE, for a link
  // or a file.
  Result<Directory> OpenExisting(const std::string& name) const;
  // ALREADY_EXISTS when there is anything of that name.
  Result<Directory> CreateSubdirectory(const std::string& name) const;

  // Whether there is anything of that name, a dangling link too.
  bool Exists(const std::string& name) const;

  // Reads a regular file of at most `cap` bytes. NOT_FOUND when absent; FAILED_PRECONDITION,
  // reason UNSAFE_FILE, for a link, a special file or a larger one.
  Result<Bytes> Read(const std::string& name, std::size_t cap) const;

  // Replaces the file as a whole or not at all; what was there stays on any error
  // (RESOURCE_EXHAUSTED, reason DISK_FULL, when there is no room). Temporary files are named
  // ".tmp-*".
  Status Replace(const std::string& name, ByteView content, mode_t mode = 0600) const;

  // Renames within this directory; ALREADY_EXISTS rather than overwrite.
  Status Rename(const std::string& from, const std::string& to) const;

  // Removes a file, or a directory with the files in it (one level, as state folders are).
  Status Remove(const std::string& name) const;

  // Names in the directory, sorted, without "." and "..". `cap` bounds them; one more entry
  // than that is RESOURCE_EXHAUSTED.
  Result<std::vector<std::string>> List(std::size_t cap) const;

  // Makes renames, creations and removals in this directory durable.
  Status Sync() const;

 private:
  Directory(UniqueFd fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}
  std::string PathOf(const std::string& name) const { return path_ + "/" + name; }

  UniqueFd fd_;
  std::string path_;
};

// The status for a failed system call: `error` is errno's value, `what` names call and path.
Status FromErrno(int error, std::string_view what);

// Reads a regular file that an operator named (configuration, certificates): links are
// followed, the size is capped. Errors name the path.
Result<Bytes> ReadFile(const std::string& path, std::size_t cap);

// Replaces a file that an operator named, as Directory::Replace does.
Status ReplaceFile(const std::string& path, ByteView content, mode_t mode);

}  // namespace seaworthy
