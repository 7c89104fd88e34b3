#include "seaworthy/directory.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <sys/random.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <system_error>

#include "seaworthy/status_macros.h"

namespace seaworthy {
namespace {

constexpr int kDirectoryFlags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;

std::string TemporaryName() {
  std::uint8_t random[8] = {};
  // 8 bytes are below the size at which getrandom may be interrupted.
  if (getrandom(random, sizeof(random), 0) != sizeof(random)) random[0] = 1;
  return ".tmp-" + Hex(random);
}

Status Unsafe(const std::string& path, std::string_view why) {
  return Fail(Code::kFailedPrecondition, "UNSAFE_FILE", path + ": " + std::string(why));
}

Result<Bytes> ReadOpen(const UniqueFd& fd, const std::string& path, std::size_t cap) {
  struct stat stat = {};
  if (fstat(fd.get(), &stat) != 0) return FromErrno(errno, "stat " + path);
  if (!S_ISREG(stat.st_mode)) return Unsafe(path, "is not a regular file");
  Bytes content;
  for (;;) {
    const std::size_t used = content.size();
    content.resize(std::min(cap + 1, used + 64 * 1024));
    const ssize_t got = read(fd.get(), content.data() + used, content.size() - used);
    if (got < 0 && errno == EINTR) {
      content.resize(used);
      continue;
    }
    if (got < 0) return FromErrno(errno, "read " + path);
    content.resize(used + static_cast<std::size_t>(got));
    if (got == 0) return content;
    if (content.size() > cap) {
      return Unsafe(path, "is larger than the cap of " + std::to_string(cap) + " bytes");
    }
  }
}

Status WriteAll(int fd, ByteView content, const std::string& path) {
  while (!content.empty()) {
    const ssize_t written = write(fd, content.data(), content.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return FromErrno(errno, "write " + path);
    content = content.subspan(static_cast<std::size_t>(written));
  }
  if (fsync(fd) != 0) return FromErrno(errno, "fsync " + path);
  return {};
}

}  // namespace

Status FromErrno(int error, std::string_view what) {
  const std::string message = std::string(what) + ": " + std::generic_category().message(error);
  switch (error) {
    case ENOENT:
      return Fail(Code::kNotFound, "FILE_NOT_FOUND", message);
    case EEXIST:
    case ENOTEMPTY:
      return Fail(Code::kAlreadyExists, "FILE_EXISTS", message);
    case ELOOP:
    case ENOTDIR:
      return Fail(Code::kFailedPrecondition, "UNSAFE_FILE", message);
    case EACCES:
    case EPERM:
    case EROFS:
      return Fail(Code::kPermissionDenied, "FILE_ACCESS", message);
    case ENOSPC:
    case EDQUOT:
      return Fail(Code::kResourceExhausted, "DISK_FULL", message);
    default:
      return Fail(Code::kInternal, "SYSTEM_CALL", message);
  }
}

Result<Directory> Directory::Open(const std::string& path) {
  UniqueFd fd(open(path.c_str(), kDirectoryFlags));
  if (!fd) return FromErrno(errno, "open directory " + path);
  return Directory(std::move(fd), path);
}

Result<Directory> Directory::Create(const std::string& path) {
  const std::filesystem::path parent = std::filesystem::path(path).parent_path();
  std::error_code error;
  if (!parent.empty()) std::filesystem::create_directories(parent, error);
  if (error) return FromErrno(error.value(), "make directory " + parent.string());
  if (mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) {
    return FromErrno(errno, "make directory " + path);
  }
  return Open(path);
}

Result<Directory> Directory::OpenSubdirectory(const std::string& name, mode_t mode) const {
  if (mkdirat(fd_.get(), name.c_str(), mode) != 0 && errno != EEXIST) {
    return FromErrno(errno, "make directory " + PathOf(name));
  }
  return OpenExisting(name);
}

Result<Directory> Directory::OpenExisting(const std::string& name) const {
  UniqueFd fd(openat(fd_.get(), name.c_str(), kDirectoryFlags));
  if (!fd) return FromErrno(errno, "open directory " + PathOf(name));
  return Directory(std::move(fd), PathOf(name));
}

Result<Directory> Directory::CreateSubdirectory(const std::string& name) const {
  if (mkdirat(fd_.get(), name.c_str(), 0700) != 0) {
    return FromErrno(errno, "make directory " + PathOf(name));
  }
  return OpenExisting(name);
}

bool Directory::Exists(const std::string& name) const {
  struct stat stat = {};
  return fstatat(fd_.get(), name.c_str(), &stat, AT_SYMLINK_NOFOLLOW) == 0 || errno != ENOENT;
}

Result<Bytes> Directory::Read(const std::string& name, std::size_t cap) const {
  // O_NONBLOCK: opening a FIFO must not wait for a writer.
  UniqueFd fd(openat(fd_.get(), name.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK));
  if (!fd) return FromErrno(errno, "open " + PathOf(name));
  return ReadOpen(fd, PathOf(name), cap);
}

Status Directory::Replace(const std::string& name, ByteView content, mode_t mode) const {
  const std::string temporary = TemporaryName();
  UniqueFd fd(openat(fd_.get(), temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode));
  if (!fd) return FromErrno(errno, "create " + PathOf(temporary));
  Status status = WriteAll(fd.get(), content, PathOf(name));
  if (status.ok() && renameat(fd_.get(), temporary.c_str(), fd_.get(), name.c_str()) != 0) {
    status = FromErrno(errno, "rename to " + PathOf(name));
  }
  if (!status.ok()) {
    unlinkat(fd_.get(), temporary.c_str(), 0);
    return status;
  }
  return Sync();
}

Status Directory::Rename(const std::string& from, const std::string& to) const {
  if (renameat2(fd_.get(), from.c_str(), fd_.get(), to.c_str(), RENAME_NOREPLACE) != 0) {
    return FromErrno(errno, "rename " + PathOf(from) + " to " + to);
  }
  return Sync();
}

Status Directory::Remove(const std::string& name) const {
  if (unlinkat(fd_.get(), name.c_str(), 0) == 0) return Sync();
  if (errno != EISDIR && errno != EPERM) return FromErrno(errno, "remove " + PathOf(name));
  UniqueFd fd(openat(fd_.get(), name.c_str(), kDirectoryFlags));
  if (!fd) return FromErrno(errno, "open directory " + PathOf(name));
  const Directory child(std::move(fd), PathOf(name));
  constexpr std::size_t kMaxFiles = 4096;
  ASSIGN_OR_RETURN(const std::vector<std::string> files, child.List(kMaxFiles));
  for (const std::string& file : files) {
    if (unlinkat(child.fd_.get(), file.c_str(), 0) != 0) {
      return FromErrno(errno, "remove " + child.PathOf(file));
    }
  }
  if (unlinkat(fd_.get(), name.c_str(), AT_REMOVEDIR) != 0) {
    return FromErrno(errno, "remove directory " + PathOf(name));
  }
  return Sync();
}

Result<std::vector<std::string>> Directory::List(std::size_t cap) const {
  UniqueFd fd(openat(fd_.get(), ".", kDirectoryFlags));
  if (!fd) return FromErrno(errno, "open directory " + path_);
  CPtr<DIR, closedir> stream(fdopendir(fd.get()));
  if (!stream) return FromErrno(errno, "read directory " + path_);
  fd.release();
  std::vector<std::string> names;
  for (;;) {
    errno = 0;
    const dirent* entry = readdir(stream.get());
    if (entry == nullptr && errno != 0) return FromErrno(errno, "read directory " + path_);
    if (entry == nullptr) break;
    const std::string name = entry->d_name;
    if (name == "." || name == "..") continue;
    if (names.size() == cap) {
      return Fail(Code::kResourceExhausted, "TOO_MANY_FILES",
                  path_ + ": more than " + std::to_string(cap) + " entries");
    }
    names.push_back(name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

Status Directory::Sync() const {
  if (fsync(fd_.get()) != 0) return FromErrno(errno, "fsync " + path_);
  return {};
}

Result<Bytes> ReadFile(const std::string& path, std::size_t cap) {
  UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd) return FromErrno(errno, "open " + path);
  return ReadOpen(fd, path, cap);
}

Status ReplaceFile(const std::string& path, ByteView content, mode_t mode) {
  std::filesystem::path file(path);
  const std::string parent = file.has_parent_path() ? file.parent_path().string() : ".";
  ASSIGN_OR_RETURN(const Directory directory, Directory::Open(parent));
  return directory.Replace(file.filename().string(), content, mode);
}

}  // namespace seaworthy
