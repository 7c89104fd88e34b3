#include "modules/integrity/dpkg.h"

#include <algorithm>

#include "seaworthy/status_macros.h"

namespace seaworthy::integrity {
namespace {

constexpr char kStatus[] = "var/lib/dpkg/status";
constexpr char kInfo[] = "var/lib/dpkg/info/";
constexpr std::size_t kMaxStatus = std::size_t{64} << 20;
constexpr std::size_t kMaxList = std::size_t{64} << 20;
constexpr std::size_t kMd5Digits = 32;

std::string_view TakeLine(std::string_view& text) {
  const std::size_t end = std::min(text.find('\n'), text.size());
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return line;
}

std::string_view TakeWord(std::string_view& text) {
  text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
  const std::string_view word = text.substr(0, text.find(' '));
  text.remove_prefix(word.size());
  return word;
}

// One field of a paragraph, or a further line of the field before.
class Paragraph {
 public:
  void Add(std::string_view line) {
    if (line.starts_with(' ')) {
      if (field_ == "Conffiles") AddConffile(line);
      return;
    }
    const std::size_t colon = std::min(line.find(':'), line.size());
    field_ = line.substr(0, colon);
    std::string_view value = line.substr(std::min(colon + 1, line.size()));
    value.remove_prefix(std::min(value.find_first_not_of(' '), value.size()));
    if (field_ == "Package") package_.name = value;
    if (field_ == "Version") package_.version = value;
    if (field_ == "Architecture") architecture_ = value;
    if (field_ == "Multi-Arch") same_ = value == "same";
    if (field_ == "Status") present_ = !value.ends_with(" not-installed");
  }

  void MoveTo(std::vector<DpkgPackage>& packages) && {
    // The name becomes part of a path.
    if (!present_ || package_.name.empty() || package_.name.find('/') != std::string::npos) return;
    package_.info = package_.name + (same_ ? ":" + architecture_ : "");
    if (package_.info.find('/') == std::string::npos) packages.push_back(std::move(package_));
  }

 private:
  // " /etc/default/docker 0123... obsolete".
  void AddConffile(std::string_view line) {
    const std::string_view path = TakeWord(line);
    const std::string_view md5 = TakeWord(line);
    if (md5.size() == kMd5Digits) package_.conffiles[os::BelowRoot(path)] = md5;
  }

  DpkgPackage package_;
  std::string_view field_;
  std::string architecture_;
  bool same_ = false;
  bool present_ = false;
};

}  // namespace

std::vector<DpkgPackage> ParseDpkgStatus(std::string_view text) {
  std::vector<DpkgPackage> packages;
  Paragraph paragraph;
  while (!text.empty()) {
    const std::string_view line = TakeLine(text);
    if (!line.empty()) {
      paragraph.Add(line);
      continue;
    }
    std::move(paragraph).MoveTo(packages);
    paragraph = {};
  }
  std::move(paragraph).MoveTo(packages);
  return packages;
}

Result<std::vector<DpkgPackage>> ReadDpkgStatus(const os::RootFolder& root) {
  ASSIGN_OR_RETURN(const std::optional<Bytes> status, root.Read(kStatus, kMaxStatus));
  return status ? ParseDpkgStatus(AsText(*status)) : std::vector<DpkgPackage>();
}

Status ForEachDpkgPath(const os::RootFolder& root, const DpkgPackage& package,
                       const std::function<Status(std::string_view path)>& visit) {
  ASSIGN_OR_RETURN(const std::optional<Bytes> list,
                   root.Read(kInfo + package.info + ".list", kMaxList));
  if (!list) return {};
  std::string_view text = AsText(*list);
  while (!text.empty()) {
    const std::string_view line = TakeLine(text);
    if (line.size() > 1 && line.starts_with('/')) RETURN_IF_ERROR(visit(line.substr(1)));
  }
  return {};
}

Result<std::map<std::string, std::string>> ReadDpkgDigests(const os::RootFolder& root,
                                                           const DpkgPackage& package) {
  std::map<std::string, std::string> digests = package.conffiles;
  ASSIGN_OR_RETURN(const std::optional<Bytes> file,
                   root.Read(kInfo + package.info + ".md5sums", kMaxList));
  std::string_view text = file ? AsText(*file) : std::string_view();
  while (!text.empty()) {
    const std::string_view line = TakeLine(text);
    if (line.size() <= kMd5Digits + 2 || line.substr(kMd5Digits, 2) != "  ") continue;
    digests.emplace(line.substr(kMd5Digits + 2), line.substr(0, kMd5Digits));
  }
  return digests;
}

std::string BeforeUsrMerge(std::string_view path) {
  constexpr std::string_view kUsr = "usr/";
  if (!path.starts_with(kUsr)) return "";
  path.remove_prefix(kUsr.size());
  const bool merged = path.starts_with("bin/") || path.starts_with("sbin/") ||
                      path.starts_with("lib/") || path.starts_with("lib64/");
  return merged ? std::string(path) : "";
}

}  // namespace seaworthy::integrity
