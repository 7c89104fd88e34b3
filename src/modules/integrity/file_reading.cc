#include "modules/integrity/file_reading.h"

#include <linux/limits.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "seaworthy/directory.h"
#include "seaworthy/modules/integrity/file_signature.h"
#include "seaworthy/status_macros.h"

namespace seaworthy::integrity {
namespace {

constexpr std::size_t kPiece = 256UL * 1024;

Status Changed() {
  return Fail(Code::kAborted, "FILE_CHANGED", "the file was changed while it was looked at");
}

}  // namespace

Result<struct stat> StatRegular(int fd) {
  struct stat stat = {};
  if (fstat(fd, &stat) != 0) return FromErrno(errno, "stat");
  if (!S_ISREG(stat.st_mode)) {
    return Fail(Code::kFailedPrecondition, "UNSAFE_FILE", "it is not a regular file");
  }
  return stat;
}

Status CheckUnchanged(int fd, const struct stat& before) {
  const auto same = [](const timespec& a, const timespec& b) {
    return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
  };
  ASSIGN_OR_RETURN(const struct stat now, StatRegular(fd));
  if (now.st_size != before.st_size || !same(now.st_mtim, before.st_mtim) ||
      !same(now.st_ctim, before.st_ctim)) {
    return Changed();
  }
  return {};
}

FilePieces::FilePieces(Deadline deadline, int fd, const struct stat& stat)
    : deadline_(deadline),
      fd_(fd),
      stat_(stat),
      // One byte more than there should be: growth shows at once.
      piece_(std::min(kPiece, static_cast<std::size_t>(stat.st_size) + 1)) {}

Result<ByteView> FilePieces::Next() {
  if (TimeLeft(deadline_).count() == 0) {
    return Fail(Code::kDeadlineExceeded, "DEADLINE_EXCEEDED", "no time left to read it");
  }
  ssize_t got = -1;
  do {
    got = pread(fd_, piece_.data(), piece_.size(), static_cast<off_t>(bytes_));
  } while (got < 0 && errno == EINTR);
  if (got < 0) return FromErrno(errno, "read");
  bytes_ += static_cast<std::uint64_t>(got);
  // A file that grows would be read without end.
  if (bytes_ > static_cast<std::uint64_t>(stat_.st_size)) return Changed();
  if (got == 0) RETURN_IF_ERROR(CheckUnchanged(fd_, stat_));
  return ByteView(piece_).first(static_cast<std::size_t>(got));
}

Result<Bytes> HashFile(Deadline deadline, int fd, verify::ImaHash hash, const struct stat& stat,
                       std::uint64_t& bytes) {
  FilePieces pieces(deadline, fd, stat);
  Result<Bytes> digest = verify::ImaDigest(hash, [&] { return pieces.Next(); });
  bytes = pieces.bytes();
  return digest;
}

// Nothing when the file has no such attribute.
Result<std::optional<Bytes>> ReadAttribute(int fd, const std::string& name) {
  // Room for signatures and labels; few attributes are longer.
  Bytes value(1024);
  ssize_t size = fgetxattr(fd, name.c_str(), value.data(), value.size());
  if (size < 0 && errno == ERANGE) {
    value.resize(XATTR_SIZE_MAX);
    size = fgetxattr(fd, name.c_str(), value.data(), value.size());
  }
  if (size < 0 && errno == ENODATA) return std::optional<Bytes>();
  if (size < 0) return AttributeError(errno, name);
  value.resize(static_cast<std::size_t>(size));
  return std::optional<Bytes>(std::move(value));
}

Result<std::vector<std::string>> ListAttributes(int fd) {
  std::string list(XATTR_LIST_MAX, '\0');
  const ssize_t size = flistxattr(fd, list.data(), list.size());
  if (size < 0) return AttributeError(errno, "attributes");
  std::vector<std::string> names;
  for (std::size_t at = 0; at < static_cast<std::size_t>(size); at += names.back().size() + 1) {
    names.emplace_back(list.c_str() + at);
  }
  return names;
}

Status AttributeError(int error, const std::string& name) {
  switch (error) {
    case ENOTSUP:
      return Fail(Code::kFailedPrecondition, "XATTR_UNSUPPORTED",
                  "the file system does not keep " + name);
    case EROFS:
      return Fail(Code::kFailedPrecondition, "READ_ONLY_FILE_SYSTEM",
                  "the file system is mounted read-only, " + name + " is not written");
    case ENOSPC:
    case EDQUOT:
    case E2BIG:
      return Fail(Code::kResourceExhausted, "DISK_FULL",
                  "no room for " + name +
                      ": the file system, the quota or what it keeps of attributes is full");
    case EPERM:
    case EACCES:
      return Fail(Code::kPermissionDenied, "XATTR_DENIED",
                  "not permitted to write " + name +
                      ": it takes CAP_SYS_ADMIN and a file that is not immutable, and IMA, EVM "
                      "where it guards a valid signature, or another security module may refuse");
    default:
      return FromErrno(error, name);
  }
}

}  // namespace seaworthy::integrity
