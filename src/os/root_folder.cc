#include "seaworthy/os/root_folder.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <climits>

#include "seaworthy/directory.h"
#include "seaworthy/status_macros.h"

namespace seaworthy::os {
namespace {

// A lookup that meets ".." while somebody renames folders is to be tried again (openat2(2)).
constexpr int kTries = 16;

std::string ProcPath(const UniqueFd& fd) { return "/proc/self/fd/" + std::to_string(fd.get()); }

bool IsNothing(int error) {
  // Out of the root there is nothing, nor is there below what is no folder.
  return error == ENOENT || error == ENOTDIR || error == EXDEV || error == ELOOP;
}

Result<Place> PlaceOf(UniqueFd fd, const std::string& path) {
  Place place{.fd = std::move(fd)};
  if (fstat(place.fd.get(), &place.stat) != 0) return FromErrno(errno, "stat " + path);
  return place;
}

Result<std::string> NameOf(const UniqueFd& fd) {
  std::string name(PATH_MAX, '\0');
  const ssize_t size = readlink(ProcPath(fd).c_str(), name.data(), name.size());
  if (size < 0) return FromErrno(errno, "read " + ProcPath(fd));
  name.resize(static_cast<std::size_t>(size));
  return name;
}

}  // namespace

Result<RootFolder> RootFolder::Open(const std::string& path) {
  UniqueFd fd(open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!fd) return FromErrno(errno, "open directory " + path);
  ASSIGN_OR_RETURN(std::string name, NameOf(fd));
  if (!name.ends_with('/')) name += '/';
  return RootFolder(std::move(fd), std::move(name));
}

UniqueFd RootFolder::Open(const std::string& path, int flags, std::uint64_t resolve) const {
  open_how how = {};
  how.flags = static_cast<unsigned>(flags | O_CLOEXEC);
  how.resolve = resolve;
  const std::string below = path.empty() ? "." : path;
  UniqueFd fd;
  for (int i = 0; i < kTries && !fd; ++i) {
    fd.reset(static_cast<int>(syscall(SYS_openat2, fd_.get(), below.c_str(), &how, sizeof(how))));
    if (!fd && errno != EAGAIN) break;
  }
  return fd;
}

Result<std::optional<Place>> RootFolder::At(const std::string& path) const {
  UniqueFd fd = Open(path, O_PATH | O_NOFOLLOW, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
  if (!fd && IsNothing(errno)) return std::optional<Place>();
  if (!fd) return FromErrno(errno, "open " + path);
  ASSIGN_OR_RETURN(Place place, PlaceOf(std::move(fd), path));
  return std::optional(std::move(place));
}

Result<std::optional<std::string>> RootFolder::Canonical(const std::string& path) const {
  const UniqueFd fd = Open(path, O_PATH, RESOLVE_IN_ROOT);
  if (!fd && IsNothing(errno)) return std::optional<std::string>();
  if (!fd) return FromErrno(errno, "open " + path);
  ASSIGN_OR_RETURN(std::string name, NameOf(fd));
  if (name + "/" == path_ || name == path_) return std::optional<std::string>("");
  // Removed or moved meanwhile: then it is not there by this name.
  if (!name.starts_with(path_)) return std::optional<std::string>();
  return std::optional(name.substr(path_.size()));
}

Result<std::optional<Bytes>> RootFolder::Read(const std::string& path, std::size_t cap) const {
  UniqueFd fd = Open(path, O_PATH, RESOLVE_IN_ROOT);
  if (!fd && IsNothing(errno)) return std::optional<Bytes>();
  if (!fd) return FromErrno(errno, "open " + path);
  ASSIGN_OR_RETURN(const Place place, PlaceOf(std::move(fd), path));
  if (!S_ISREG(place.stat.st_mode)) {
    return Fail(Code::kFailedPrecondition, "UNSAFE_FILE", path + ": is not a regular file");
  }
  // By the place: the path may be another file by now.
  Result<Bytes> content = ReadFile(ProcPath(place.fd), cap);
  if (!content.ok()) return Wrap(content.status(), path);
  return std::optional(*std::move(content));
}

Result<std::vector<std::string>> RootFolder::List(const std::string& path, std::size_t cap) const {
  ASSIGN_OR_RETURN(const std::optional<Place> place, At(path));
  if (!place || !S_ISDIR(place->stat.st_mode)) return std::vector<std::string>();
  // The trailing "/." keeps the last part from being the link that /proc has it as.
  ASSIGN_OR_RETURN(const Directory folder, Directory::Open(ProcPath(place->fd) + "/."));
  Result<std::vector<std::string>> names = folder.List(cap);
  if (!names.ok()) return Wrap(names.status(), path);
  return names;
}

UniqueFd Reopen(const Place& place, int flags) {
  return UniqueFd(open(ProcPath(place.fd).c_str(), flags | O_CLOEXEC));
}

Result<std::string> ReadLink(const Place& place) {
  std::string target(PATH_MAX, '\0');
  const ssize_t size = readlinkat(place.fd.get(), "", target.data(), target.size());
  if (size < 0) return FromErrno(errno, "read a link");
  target.resize(static_cast<std::size_t>(size));
  return target;
}

std::string BelowRoot(std::string_view path) {
  std::string below;
  while (!path.empty()) {
    const std::size_t end = std::min(path.find('/'), path.size());
    const std::string_view part = path.substr(0, end);
    path.remove_prefix(std::min(end + 1, path.size()));
    if (part.empty() || part == ".") continue;
    if (!below.empty()) below += '/';
    below += part;
  }
  return below;
}

}  // namespace seaworthy::os
