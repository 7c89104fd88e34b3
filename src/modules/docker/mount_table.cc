#include "modules/docker/mount_table.h"

#include "seaworthy/bytes.h"
#include "seaworthy/json/foreign_json.h"
#include "seaworthy/status_macros.h"

namespace seaworthy::docker {
namespace {

// Blanks, tabs, line ends and backslashes are "\040" and the like.
std::string Unescape(std::string_view text) {
  const auto digit = [&](std::size_t at) { return text[at] >= '0' && text[at] <= '7'; };
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 3 < text.size() && digit(i + 1) && digit(i + 2) && digit(i + 3)) {
      const int code = (text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 + (text[i + 3] - '0');
      plain += static_cast<char>(code);
      i += 3;
    } else {
      plain += text[i];
    }
  }
  return plain;
}

std::string_view TakeWord(std::string_view& line) {
  const std::size_t end = std::min(line.find(' '), line.size());
  const std::string_view word = line.substr(0, end);
  line.remove_prefix(std::min(end + 1, line.size()));
  return word;
}

bool IsBelow(std::string_view path, std::string_view folder) {
  return folder == "/" || path == folder ||
         (path.starts_with(folder) && path.substr(folder.size()).starts_with('/'));
}

}  // namespace

Result<std::vector<Mount>> ParseMountInfo(std::string_view text) {
  std::vector<Mount> mounts;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view whole = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    // "36 35 98:0 /folder /point rw,noatime shared:1 - ext4 /dev/sda1 rw": any number of fields
    // before the dash.
    std::string_view line = whole;
    TakeWord(line);
    TakeWord(line);
    Mount mount;
    mount.device = TakeWord(line);
    mount.folder = Unescape(TakeWord(line));
    mount.point = Unescape(TakeWord(line));
    const std::size_t dash = line.find(" - ");
    // The root of what is mounted from elsewhere, as of "net:[4026531840]", is no path.
    if (mount.device.find(':') == std::string::npos || !mount.point.starts_with('/') ||
        dash == std::string_view::npos) {
      return Fail(Code::kInvalidArgument, "MOUNTINFO_MALFORMED",
                  "the table of mounts has a line that is none: " + Quoted(whole));
    }
    line.remove_prefix(dash + 3);
    mount.type = TakeWord(line);
    mounts.push_back(std::move(mount));
  }
  return mounts;
}

Result<std::vector<Mount>> ReadMountTable(const os::RootFolder& root) {
  ASSIGN_OR_RETURN(const std::optional<Bytes> content,
                   root.Read("proc/self/mountinfo", kMaxMountTable));
  if (!content) {
    return Fail(Code::kUnavailable, "MOUNTINFO_ABSENT", "/proc/self/mountinfo is not there");
  }
  return ParseMountInfo(AsText(*content));
}

const Mount* MountOf(const std::vector<Mount>& mounts, std::string_view path) {
  const Mount* nearest = nullptr;
  for (const Mount& mount : mounts) {
    if (!IsBelow(path, mount.point)) continue;
    if (nearest == nullptr || mount.point.size() >= nearest->point.size()) nearest = &mount;
  }
  return nearest;
}

const Mount* MountAround(const std::vector<Mount>& mounts, std::string_view path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string_view::npos) return nullptr;
  return MountOf(mounts, slash == 0 ? "/" : path.substr(0, slash));
}

}  // namespace seaworthy::docker
