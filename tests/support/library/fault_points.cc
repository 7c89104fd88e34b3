// Catches the calls of shared libraries: the program's own functions come before libc's.
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdarg>

#include "support/fault_strike.h"

using seaworthy::testing::AtPoint;

namespace {

int OpenAt(int folder, const char* path, int flags, mode_t mode) {
  const auto call = [&] {
    return static_cast<int>(syscall(SYS_openat, folder, path, flags, mode));
  };
  return (flags & O_CREAT) != 0 ? AtPoint(true, call) : call();
}

}  // namespace

extern "C" {

int open(const char* path, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  const mode_t mode = (flags & O_CREAT) != 0 ? va_arg(arguments, mode_t) : 0;
  va_end(arguments);
  return OpenAt(AT_FDCWD, path, flags, mode);
}

int openat(int folder, const char* path, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  const mode_t mode = (flags & O_CREAT) != 0 ? va_arg(arguments, mode_t) : 0;
  va_end(arguments);
  return OpenAt(folder, path, flags, mode);
}

ssize_t write(int fd, const void* bytes, size_t size) {
  const auto call = [&] { return syscall(SYS_write, fd, bytes, size); };
  return fd <= STDERR_FILENO ? call() : AtPoint(true, call);
}

ssize_t pwrite(int fd, const void* bytes, size_t size, off_t offset) {
  return AtPoint(true, [&] { return syscall(SYS_pwrite64, fd, bytes, size, offset); });
}

int fsync(int fd) {
  return AtPoint(true, [&] { return static_cast<int>(syscall(SYS_fsync, fd)); });
}

int fdatasync(int fd) {
  return AtPoint(true, [&] { return static_cast<int>(syscall(SYS_fdatasync, fd)); });
}

int renameat2(int from_folder, const char* from, int to_folder, const char* to, unsigned flags) {
  return AtPoint(false, [&] {
    return static_cast<int>(syscall(SYS_renameat2, from_folder, from, to_folder, to, flags));
  });
}

int unlinkat(int folder, const char* path, int flags) {
  return AtPoint(false,
                 [&] { return static_cast<int>(syscall(SYS_unlinkat, folder, path, flags)); });
}

}  // extern "C"
