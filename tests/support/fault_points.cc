#include "support/fault_strike.h"

#include <fcntl.h>
#include <sys/types.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cstdarg>

// The linker's names for the wrapped calls and the real ones (ld --wrap).
// NOLINTBEGIN(bugprone-reserved-identifier)
extern "C" {
int __real_openat(int folder, const char* path, int flags, ...);
ssize_t __real_write(int fd, const void* bytes, size_t size);
int __real_fsync(int fd);
int __real_fsetxattr(int fd, const char* name, const void* value, size_t size, int flags);
int __real_renameat(int from_folder, const char* from, int to_folder, const char* to);
int __real_renameat2(int from_folder, const char* from, int to_folder, const char* to,
                     unsigned flags);
int __real_unlinkat(int folder, const char* path, int flags);
int __real_mkdirat(int folder, const char* path, mode_t mode);
}

extern "C" {

using seaworthy::testing::AtPoint;

int __wrap_openat(int folder, const char* path, int flags, ...) {
  if ((flags & O_CREAT) == 0) return __real_openat(folder, path, flags);
  va_list arguments;
  va_start(arguments, flags);
  const mode_t mode = va_arg(arguments, mode_t);
  va_end(arguments);
  return AtPoint(true, [&] { return __real_openat(folder, path, flags, mode); });
}

ssize_t __wrap_write(int fd, const void* bytes, size_t size) {
  if (fd <= STDERR_FILENO) return __real_write(fd, bytes, size);
  return AtPoint(true, [&] { return __real_write(fd, bytes, size); });
}

int __wrap_fsync(int fd) {
  return AtPoint(true, [&] { return __real_fsync(fd); });
}

int __wrap_fsetxattr(int fd, const char* name, const void* value, size_t size, int flags) {
  return AtPoint(true, [&] { return __real_fsetxattr(fd, name, value, size, flags); });
}

int __wrap_renameat(int from_folder, const char* from, int to_folder, const char* to) {
  return AtPoint(false, [&] { return __real_renameat(from_folder, from, to_folder, to); });
}

int __wrap_renameat2(int from_folder, const char* from, int to_folder, const char* to,
                     unsigned flags) {
  return AtPoint(false, [&] { return __real_renameat2(from_folder, from, to_folder, to, flags); });
}

int __wrap_unlinkat(int folder, const char* path, int flags) {
  return AtPoint(false, [&] { return __real_unlinkat(folder, path, flags); });
}

int __wrap_mkdirat(int folder, const char* path, mode_t mode) {
  // For a folder that is there the answer is EEXIST, room or not.
  const bool needs_room = faccessat(folder, path, F_OK, AT_SYMLINK_NOFOLLOW) != 0;
  return AtPoint(needs_room, [&] { return __real_mkdirat(folder, path, mode); });
}

}  // extern "C"
// NOLINTEND(bugprone-reserved-identifier)
