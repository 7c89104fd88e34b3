#include "seaworthy/modules/volumes/probe.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>

#include "modules/volumes/block_users.h"
#include "modules/volumes/signatures.h"
#include "seaworthy/directory.h"
#include "seaworthy/handle.h"
#include "seaworthy/status_macros.h"

namespace seaworthy::volumes {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxText = std::size_t{1} << 20;

std::string DeviceNumber(dev_t device) {
  return std::to_string(major(device)) + ":" + std::to_string(minor(device));
}

// Loop devices that show the file as a disk.
void AddLoops(const fs::path& root, const std::string& path, std::vector<std::string>& users) {
  std::error_code ignored;
  const std::string canonical = fs::canonical(path, ignored).string();
  for (const std::string& name : NamesIn(root / "sys/block")) {
    const Result<Bytes> text = ReadFile(root / "sys/block" / name / "loop/backing_file", kMaxText);
    if (text.ok() && AsText(*text) == canonical + "\n") users.push_back(name);
  }
}

Result<UniqueFd> OpenBlockDevice(const std::string& path, DeviceState& state) {
  // The kernel lets nobody have for himself what is mounted, mapped or swapped to.
  UniqueFd fd(open(path.c_str(), O_RDONLY | O_EXCL | O_CLOEXEC));
  if (!fd && errno == EBUSY) {
    state.in_use = true;
    fd.reset(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  }
  if (!fd) return FromErrno(errno, "open " + path);
  if (ioctl(fd.get(), BLKGETSIZE64, &state.bytes) != 0) return FromErrno(errno, "size of " + path);
  return fd;
}

}  // namespace

Result<DeviceState> Probe(const std::string& path, const std::string& root) {
  struct stat stat = {};
  if (::stat(path.c_str(), &stat) != 0) return FromErrno(errno, "open " + path);
  DeviceState state;
  state.block_device = S_ISBLK(stat.st_mode);
  if (!state.block_device && !S_ISREG(stat.st_mode)) {
    return Fail(Code::kFailedPrecondition, "UNSAFE_FILE",
                path + ": is neither a block device nor a regular file");
  }
  UniqueFd fd;
  if (state.block_device) {
    ASSIGN_OR_RETURN(fd, OpenBlockDevice(path, state));
    state.users = UsersOf(DeviceNumber(stat.st_rdev), root);
  } else {
    fd.reset(open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd) return FromErrno(errno, "open " + path);
    state.bytes = static_cast<std::uint64_t>(stat.st_size);
    AddLoops(root, path, state.users);
  }
  state.in_use = state.in_use || !state.users.empty();
  ASSIGN_OR_RETURN(state.signatures, ReadSignatures(fd.get(), path));
  return state;
}

}  // namespace seaworthy::volumes
