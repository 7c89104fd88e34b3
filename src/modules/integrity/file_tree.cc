#include "seaworthy/modules/integrity/file_tree.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <set>

#include "seaworthy/directory.h"
#include "seaworthy/handle.h"
#include "seaworthy/status_macros.h"

namespace seaworthy::integrity {
namespace {

using Visit = std::function<Status(const std::string& path, int fd)>;

Status Unsafe(const std::string& why) {
  return Fail(Code::kFailedPrecondition, "UNSAFE_FILE", why);
}

class Walk {
 public:
  Walk(UniqueFd root, const TreeRun& run, const Visit& visit)
      : root_(std::move(root)), run_(run), visit_(visit) {}

  // All of `path`, which the caller has named.
  Status Run(const std::string& path) {
    RETURN_IF_ERROR(Enter(path, true));
    while (!folders_.empty()) {
      const std::string folder = std::move(folders_.back());
      folders_.pop_back();
      RETURN_IF_ERROR(Read(folder));
    }
    return {};
  }

 private:
  // A descriptor, or none with errno set.
  UniqueFd Open(const std::string& path, int flags) const {
    open_how how = {};
    how.flags = static_cast<unsigned>(flags | O_CLOEXEC);
    how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS;
    if (!run_.other_file_systems) how.resolve |= RESOLVE_NO_XDEV;
    return UniqueFd(
        static_cast<int>(syscall(SYS_openat2, root_.get(), path.c_str(), &how, sizeof(how))));
  }

  // What a descriptor of O_PATH stands for, whatever is at its path by now.
  static UniqueFd Reopen(const UniqueFd& place) {
    const std::string path = "/proc/self/fd/" + std::to_string(place.get());
    return UniqueFd(open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  }

  void Failed(const std::string& path, const Status& why) const {
    if (run_.failed) run_.failed(path, why);
  }

  void CannotOpen(const std::string& path, bool named, int error) const {
    // The other file systems, which are not asked for, and what vanished.
    if (!named && (error == EXDEV || error == ENOENT)) return;
    switch (error) {
      case ELOOP:
        return Failed(path, Unsafe("a part of the path is a symbolic link"));
      case EXDEV:
        return Failed(path, Unsafe("it leads out of the tree or into another file system"));
      default:
        return Failed(path, FromErrno(error, "open"));
    }
  }

  Status Enter(const std::string& path, bool named) {
    if (TimeLeft(run_.deadline).count() == 0) {
      return Fail(Code::kDeadlineExceeded, "DEADLINE_EXCEEDED", "no time left before " + path);
    }
    // Only what is a regular file is opened in earnest: opening a device does something to it.
    const UniqueFd place = Open(path, O_PATH | O_NOFOLLOW);
    struct stat stat = {};
    if (!place || fstat(place.get(), &stat) != 0) {
      CannotOpen(path, named, errno);
      return {};
    }
    if (S_ISDIR(stat.st_mode)) {
      folders_.push_back(path);
      return {};
    }
    if (!S_ISREG(stat.st_mode)) {
      if (named) Failed(path, Unsafe("it is a symbolic link or a special file"));
      return {};
    }
    if (stat.st_nlink > 1 && !linked_.emplace(stat.st_dev, stat.st_ino).second) return {};
    const UniqueFd fd = Reopen(place);
    if (!fd) {
      Failed(path, FromErrno(errno, "open"));
      return {};
    }
    return visit_(path, fd.get());
  }

  Status Read(const std::string& folder) {
    UniqueFd fd = Open(folder, O_RDONLY | O_DIRECTORY);
    const CPtr<DIR, closedir> stream(fd ? fdopendir(fd.get()) : nullptr);
    if (stream == nullptr) {
      CannotOpen(folder, false, errno);
      return {};
    }
    fd.release();
    while (true) {
      errno = 0;
      const dirent* entry = readdir(stream.get());
      if (entry == nullptr) {
        if (errno != 0) Failed(folder, FromErrno(errno, "read the folder"));
        return {};
      }
      const std::string name = entry->d_name;
      if (name == "." || name == "..") continue;
      RETURN_IF_ERROR(Enter(folder == "." ? name : folder + "/" + name, false));
    }
  }

  UniqueFd root_;
  const TreeRun& run_;
  const Visit& visit_;
  std::vector<std::string> folders_;  // to be read
  std::set<std::pair<dev_t, ino_t>> linked_;
};

}  // namespace

Status ForEachFile(const std::string& root, const TreeRun& run, const Visit& visit) {
  UniqueFd fd(open(root.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!fd) return FromErrno(errno, "open directory " + root);
  Walk walk(std::move(fd), run, visit);
  for (const std::string& path : run.paths) RETURN_IF_ERROR(walk.Run(path));
  return {};
}

}  // namespace seaworthy::integrity
