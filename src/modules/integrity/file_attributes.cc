#include "modules/integrity/file_attributes.h"

#include <fcntl.h>
#include <openssl/evp.h>

#include <cerrno>

#include "modules/integrity/file_reading.h"
#include "seaworthy/directory.h"
#include "seaworthy/plain_text.h"
#include "seaworthy/status_macros.h"

namespace seaworthy::integrity {
namespace {

// No program is so large; what is would take minutes to read, and so would /proc/kcore.
constexpr off_t kMaxFile = off_t{16} << 30;
// Larger ones, and those that are not about security, are kept as a digest.
constexpr std::size_t kMaxShownAttribute = 1024;

std::string Octal(mode_t mode) {
  char text[8];
  std::snprintf(text, sizeof(text), "%04o", mode & 07777U);
  return text;
}

std::string TypeOf(mode_t mode) {
  switch (mode & S_IFMT) {
    case S_IFREG:
      return "file";
    case S_IFLNK:
      return "link";
    case S_IFDIR:
      return "folder";
    case S_IFIFO:
      return "fifo";
    case S_IFSOCK:
      return "socket";
    default:
      return "device";
  }
}

Status ReadExtended(int fd, FileAttributes& attributes) {
  const Result<std::vector<std::string>> names = ListAttributes(fd);
  if (!names.ok() && Reason(names.status()) == "XATTR_UNSUPPORTED") return {};
  if (!names.ok()) return names.status();
  for (const std::string& name : *names) {
    ASSIGN_OR_RETURN(const std::optional<Bytes> value, ReadAttribute(fd, name));
    if (!value) continue;
    std::string& text = attributes["xattr:" + ToPlainText(name)];
    if (name.starts_with("security.") && value->size() <= kMaxShownAttribute) {
      text = Hex(*value);
    } else {
      ASSIGN_OR_RETURN(const Bytes digest, verify::ImaDigest(verify::ImaHash::kSha256, *value));
      text = "sha256:" + Hex(digest);
    }
  }
  return {};
}

// Nothing else is opened: opening a device does something to it.
Result<UniqueFd> OpenRegular(const os::Place& place) {
  if (!S_ISREG(place.stat.st_mode)) {
    return Fail(Code::kFailedPrecondition, "UNSAFE_FILE", "it is not a regular file");
  }
  if (place.stat.st_size > kMaxFile) {
    return Fail(Code::kFailedPrecondition, "UNSAFE_FILE", "it has more than 16 GiB");
  }
  UniqueFd fd = os::Reopen(place, O_RDONLY | O_NONBLOCK);
  if (!fd) return FromErrno(errno, "open");
  return fd;
}

Status ReadContent(Deadline deadline, const os::Place& place, FileAttributes& attributes) {
  ASSIGN_OR_RETURN(const UniqueFd fd, OpenRegular(place));
  std::uint64_t bytes = 0;
  ASSIGN_OR_RETURN(const Bytes digest,
                   HashFile(deadline, fd.get(), verify::ImaHash::kSha256, place.stat, bytes));
  attributes["digest"] = Hex(digest);
  attributes["size"] = std::to_string(bytes);
  RETURN_IF_ERROR(ReadExtended(fd.get(), attributes));
  // Mode, owner and attributes are those of the content.
  return CheckUnchanged(fd.get(), place.stat);
}

Result<os::Place> Find(const os::RootFolder& root, const std::string& path) {
  ASSIGN_OR_RETURN(std::optional<os::Place> place, root.At(path));
  if (!place) return Fail(Code::kNotFound, "FILE_NOT_FOUND", "there is nothing there");
  return *std::move(place);
}

Result<FileAttributes> ReadPlace(Deadline deadline, const os::Place& place) {
  const mode_t mode = place.stat.st_mode;
  FileAttributes attributes = {{"type", TypeOf(mode)},
                               {"uid", std::to_string(place.stat.st_uid)},
                               {"gid", std::to_string(place.stat.st_gid)}};
  if (S_ISLNK(mode)) {
    ASSIGN_OR_RETURN(const std::string target, os::ReadLink(place));
    attributes["target"] = ToPlainText(target);
    return attributes;
  }
  attributes["mode"] = Octal(mode);
  if (S_ISREG(mode)) RETURN_IF_ERROR(ReadContent(deadline, place, attributes));
  return attributes;
}

}  // namespace

Result<FileAttributes> ReadFileAttributes(Deadline deadline, const os::RootFolder& root,
                                          const InstalledFile& file) {
  const Result<os::Place> place = Find(root, file.path);
  Result<FileAttributes> attributes =
      place.ok() ? ReadPlace(deadline, *place) : Result<FileAttributes>(place.status());
  if (!attributes.ok()) return Wrap(attributes.status(), file.path);
  (*attributes)["kind"] = ToString(file.kind);
  if (!file.package.empty()) (*attributes)["package"] = ToPlainText(file.package);
  return attributes;
}

Result<std::string> Md5OfFile(Deadline deadline, const os::RootFolder& root,
                              const std::string& path) {
  ASSIGN_OR_RETURN(const os::Place place, Find(root, path));
  ASSIGN_OR_RETURN(const UniqueFd fd, OpenRegular(place));
  const CPtr<EVP_MD_CTX, EVP_MD_CTX_free> context(EVP_MD_CTX_new());
  bool hashed = EVP_DigestInit_ex(context.get(), EVP_md5(), nullptr) == 1;
  FilePieces pieces(deadline, fd.get(), place.stat);
  while (hashed) {
    ASSIGN_OR_RETURN(const ByteView piece, pieces.Next());
    if (piece.empty()) break;
    hashed = EVP_DigestUpdate(context.get(), piece.data(), piece.size()) == 1;
  }
  Bytes digest(EVP_MAX_MD_SIZE);
  unsigned size = 0;
  if (!hashed || EVP_DigestFinal_ex(context.get(), digest.data(), &size) != 1) {
    return Fail(Code::kFailedPrecondition, "OPENSSL", "this OpenSSL makes no MD5 digests");
  }
  return Hex(ByteView(digest).first(size));
}

}  // namespace seaworthy::integrity
