#include "ctl/policy_files.h"

#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <filesystem>

#include "ctl/digest.h"
#include "seaworthy/boot_log.h"
#include "seaworthy/directory.h"
#include "seaworthy/ima_list.h"
#include "seaworthy/status_macros.h"
#include "seaworthy/verifier.h"

namespace seaworthy::ctl {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxStateFile = std::size_t{64} << 10;
constexpr std::size_t kMaxImaFile = std::size_t{1} << 30;
// Debian has merged these into /usr; its packages still name them, the kernel does not.
constexpr std::string_view kMerged[] = {"/bin/", "/sbin/", "/lib/", "/lib32/", "/lib64/"};

Status CannotRead(const fs::path& path, int error) {
  return Fail(Code::kInvalidArgument, "USAGE", path.string() + ": " + std::strerror(error));
}

// The list in its binary form, whichever of the two the file has.
Result<Bytes> ReadImaList(const std::string& path) {
  ASSIGN_OR_RETURN(Bytes file, ReadFile(path, kMaxImaFile));
  // A binary list begins with a PCR in 32 bits.
  const ByteView head = ByteView(file).first(std::min<std::size_t>(4, file.size()));
  if (file.empty() || std::ranges::find(head, 0) != head.end()) return file;
  Result<Bytes> binary = verify::ImaAsciiToBinary(AsText(file));
  if (!binary.ok()) return Wrap(binary.status(), path);
  return binary;
}

// A folder that is gone with the object, for what is unpacked.
class Unpacked {
 public:
  Unpacked() {
    std::string name = (fs::temp_directory_path() / "seaworthyctl-XXXXXX").string();
    if (mkdtemp(name.data()) != nullptr) path_ = name;
  }
  ~Unpacked() {
    std::error_code ignored;
    if (!path_.empty()) fs::remove_all(path_, ignored);
  }
  Unpacked(const Unpacked&) = delete;
  Unpacked& operator=(const Unpacked&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace

Result<verify::Policy> ReadPolicy(const std::string& path) {
  ASSIGN_OR_RETURN(const Bytes file, ReadFile(path, verify::kMaxPolicyFile));
  Result<verify::Policy> policy = verify::ParsePolicy(AsText(file));
  if (!policy.ok()) return Wrap(policy.status(), path);
  return policy;
}

Result<std::optional<verify::NodeState>> ReadState(const std::string& path) {
  if (path.empty()) return std::nullopt;
  Result<Bytes> file = ReadFile(path, kMaxStateFile);
  if (file.status().code() == Code::kNotFound) return std::nullopt;  // the first round
  if (!file.ok()) return file.status();
  Result<verify::NodeState> state = verify::ParseNodeState(AsText(*file));
  if (!state.ok()) return Wrap(state.status(), path);
  return std::optional(*std::move(state));
}

Status AddLogs(const std::string& boot_log, const std::string& ima_list,
               verify::Evidence& evidence) {
  if (!boot_log.empty()) {
    ASSIGN_OR_RETURN(evidence.boot_log, ReadFile(boot_log, verify::kMaxBootLogSize));
  }
  if (ima_list.empty()) return {};
  ASSIGN_OR_RETURN(evidence.ima_list, ReadImaList(ima_list));
  evidence.ima_first = 0;
  const auto pcr10 = std::ranges::find(evidence.pcrs, verify::kImaPcr, &verify::PcrValue::index);
  if (pcr10 == evidence.pcrs.end()) return {};
  if (const auto size = verify::QuotedPrefix(evidence.ima_list, pcr10->bank, pcr10->digest)) {
    evidence.ima_list.resize(*size);
  }
  return {};
}

Result<std::size_t> AllowFolder(const std::string& folder, verify::Policy& policy) {
  std::error_code error;
  std::size_t files = 0;
  policy.ima.required = true;
  fs::recursive_directory_iterator entries(folder, error);
  for (; !error && entries != fs::recursive_directory_iterator(); entries.increment(error)) {
    if (!entries->is_regular_file(error) || entries->is_symlink(error)) continue;
    ASSIGN_OR_RETURN(Bytes digest, HashFile(entries->path().string(), v1::SHA256));
    std::string path = "/" + entries->path().lexically_relative(folder).string();
    if (std::ranges::any_of(kMerged,
                            [&](std::string_view part) { return path.starts_with(part); })) {
      path = "/usr" + path;
    }
    verify::AllowFile(policy, path, {"sha256", std::move(digest)});
    ++files;
  }
  if (error) return Fail(Code::kInvalidArgument, "USAGE", folder + ": " + error.message());
  return files;
}

Result<std::size_t> AllowDeb(const std::string& deb, verify::Policy& policy) {
  const Unpacked folder;
  if (folder.path().empty()) return CannotRead(fs::temp_directory_path(), errno);
  const char* arguments[] = {"dpkg-deb",  "--extract",           "--",
                             deb.c_str(), folder.path().c_str(), nullptr};
  pid_t child = 0;
  const int error =
      posix_spawnp(&child, "dpkg-deb", nullptr, nullptr, const_cast<char**>(arguments), environ);
  if (error != 0) return CannotRead("dpkg-deb", error);
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    return Fail(Code::kInvalidArgument, "USAGE", deb + ": dpkg-deb could not unpack it");
  }
  return AllowFolder(folder.path(), policy);
}

}  // namespace seaworthy::ctl
