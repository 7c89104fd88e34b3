#include "modules/docker/hardening/roots_file.h"

#include <fcntl.h>

#include "seaworthy/directory.h"
#include "seaworthy/json/foreign_json.h"
#include "seaworthy/status_macros.h"

namespace seaworthy::docker {
namespace {

constexpr mode_t kWrittenByOthers = S_IWGRP | S_IWOTH;

// In a folder as /tmp others may make files, and not replace root's: enough on the way to the last
// folder, which is root's and made already.
Status CheckFolder(const os::Place& place, const std::string& path, bool last,
                   std::string_view reason) {
  if (!S_ISDIR(place.stat.st_mode)) {
    return Fail(Code::kFailedPrecondition, reason, path + " is no folder");
  }
  if (place.stat.st_uid != 0) {
    return Fail(Code::kFailedPrecondition, reason, path + " belongs to another than root");
  }
  const bool sticky = (place.stat.st_mode & S_ISVTX) != 0;
  if (OthersMayWrite(place) && (last || !sticky)) {
    return Fail(Code::kFailedPrecondition, reason, path + " may be written by others than root");
  }
  return {};
}

Status CheckFile(const os::Place& place, const std::string& path, std::string_view reason) {
  if (S_ISLNK(place.stat.st_mode)) {
    return Fail(Code::kFailedPrecondition, reason, path + " is a link");
  }
  if (!S_ISREG(place.stat.st_mode)) {
    return Fail(Code::kFailedPrecondition, reason, path + " is no regular file");
  }
  if (place.stat.st_uid != 0) {
    return Fail(Code::kFailedPrecondition, reason, path + " belongs to another than root");
  }
  return {};
}

}  // namespace

bool OthersMayWrite(const os::Place& place) { return (place.stat.st_mode & kWrittenByOthers) != 0; }

Result<std::optional<os::Place>> FindRootsFile(const os::RootFolder& root, const std::string& path,
                                               std::string_view reason) {
  const std::string below = os::BelowRoot(path);
  if (!path.starts_with('/') || below.empty() ||
      ("/" + below + "/").find("/../") != std::string::npos) {
    return Fail(Code::kFailedPrecondition, reason, Quoted(path) + " is no plain absolute path");
  }
  for (std::size_t end = 0; end != std::string::npos; end = below.find('/', end + 1)) {
    const std::string folder = below.substr(0, end);
    ASSIGN_OR_RETURN(const std::optional<os::Place> place, root.At(folder));
    if (!place) return std::optional<os::Place>();
    if (S_ISLNK(place->stat.st_mode)) {
      return Fail(Code::kFailedPrecondition, reason, path + " is reached by a link, /" + folder);
    }
    const bool last = below.find('/', end + 1) == std::string::npos;
    RETURN_IF_ERROR(CheckFolder(*place, "/" + folder, last, reason));
  }
  ASSIGN_OR_RETURN(std::optional<os::Place> place, root.At(below));
  if (place) RETURN_IF_ERROR(CheckFile(*place, path, reason));
  return place;
}

Result<std::string> ReadRootsFile(const os::Place& place, const std::string& path, std::size_t cap,
                                  std::string_view too_large) {
  if (static_cast<std::size_t>(place.stat.st_size) > cap) {
    return Fail(Code::kInvalidArgument, too_large,
                path + ": has more than " + std::to_string(cap) + " bytes");
  }
  const UniqueFd file = os::Reopen(place, O_RDONLY);
  if (!file) return FromErrno(errno, "open " + path);
  Result<Bytes> content = ReadFile("/proc/self/fd/" + std::to_string(file.get()), cap);
  if (!content.ok()) return Wrap(content.status(), path);
  return std::string(AsText(*content));
}

}  // namespace seaworthy::docker
