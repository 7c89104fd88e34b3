#include "state_lock.h"

#include <fcntl.h>
#include <sys/file.h>

#include <cerrno>

#include "seaworthy/directory.h"
#include "seaworthy/status_macros.h"

namespace seaworthy::app {

Result<UniqueFd> LockStateDirectory(const std::string& state_dir) {
  ASSIGN_OR_RETURN(const Directory directory, Directory::Create(state_dir));
  const std::string path = state_dir + "/lock";
  UniqueFd fd(open(path.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!fd) return FromErrno(errno, "open " + path);
  char pid[24] = {};
  if (flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return FromErrno(errno, "lock " + path);
    const bool known = pread(fd.get(), pid, sizeof(pid) - 1, 0) > 0;
    return Fail(Code::kFailedPrecondition, "STATE_DIR_IN_USE",
                "node.state_dir " + state_dir + " is in use by another seaworthyd" +
                    (known ? ", process " + std::string(pid) : ""));
  }
  // For the message above only, so a failure to write it is no harm.
  const std::string text = std::to_string(getpid());
  static_cast<void>(!ftruncate(fd.get(), 0));
  static_cast<void>(!pwrite(fd.get(), text.data(), text.size(), 0));
  return fd;
}

}  // namespace seaworthy::app
