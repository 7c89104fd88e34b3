#include "seaworthy/modules/integrity/install_policy.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "seaworthy/directory.h"
#include "seaworthy/status_macros.h"

namespace seaworthy::integrity {
namespace {

constexpr char kPolicy[] = "ima-policy";
constexpr char kNew[] = "ima-policy.new";
constexpr char kPrevious[] = "ima-policy.previous";
constexpr char kRemoved[] = "ima-policy.removed";
constexpr std::size_t kMaxPolicy = std::size_t{1} << 20;
// Nothing in a policy is secret.
constexpr mode_t kFolderMode = 0755;
constexpr mode_t kFileMode = 0644;

Status Refused(std::string_view why) {
  return Fail(Code::kFailedPrecondition, "IMA_POLICY_REFUSED",
              "the kernel refuses the policy, and it is not installed: " + std::string(why) +
                  "; its log says more");
}

// The kernel reads the policy itself, from a path of its own root, as it does for systemd.
Result<PolicyLoading> LoadNow(const std::string& root) {
  const std::string ima = root + "/sys/kernel/security/ima";
  const UniqueFd fd(open((ima + "/policy").c_str(), O_WRONLY | O_CLOEXEC));
  if (!fd) {
    const int error = errno;
    struct stat stat = {};
    if (error != ENOENT) return FromErrno(error, "open " + ima + "/policy");
    if (::stat(ima.c_str(), &stat) == 0) return PolicyLoading::kTooLateForNow;
    return Fail(Code::kFailedPrecondition, "IMA_ABSENT", "there is no " + ima);
  }
  const std::string path = std::string("/etc/ima/") + kNew;
  if (write(fd.get(), path.data(), path.size()) < 0) {
    return Refused(Message(FromErrno(errno, "write the policy's path")));
  }
  return PolicyLoading::kNow;
}

Result<PolicyLoading> TryNow(const std::string& root, const Directory& folder, ByteView policy) {
  RETURN_IF_ERROR(folder.Replace(kNew, policy, kFileMode));
  Result<PolicyLoading> loading = LoadNow(root);
  Status removed = folder.Remove(kNew);
  if (loading.ok() && !removed.ok()) return removed;
  return loading;
}

Status Install(const Directory& folder, ByteView policy) {
  if (folder.Exists(kPolicy)) {
    ASSIGN_OR_RETURN(const Bytes before, folder.Read(kPolicy, kMaxPolicy));
    // The way back leads to another policy.
    if (AsText(before) == AsText(policy)) return {};
    RETURN_IF_ERROR(folder.Replace(kPrevious, before, kFileMode));
  }
  return folder.Replace(kPolicy, policy, kFileMode);
}

}  // namespace

Result<PolicyLoading> InstallImaPolicy(const std::string& root, std::string_view text, bool now) {
  // Without the last line's end the kernel takes none of it.
  std::string policy(text);
  if (!policy.ends_with('\n')) policy += '\n';
  ASSIGN_OR_RETURN(const Directory top, Directory::Open(root));
  ASSIGN_OR_RETURN(const Directory etc, top.OpenExisting("etc"));
  ASSIGN_OR_RETURN(const Directory folder, etc.OpenSubdirectory("ima", kFolderMode));
  RETURN_IF_ERROR(etc.Sync());
  PolicyLoading loading = PolicyLoading::kNextBoot;
  if (now) {
    ASSIGN_OR_RETURN(loading, TryNow(root, folder, AsBytes(policy)));
  }
  const Status installed = Install(folder, AsBytes(policy));
  if (!installed.ok() && loading == PolicyLoading::kNow) {
    return Wrap(installed, "loaded, but not installed for the next boot");
  }
  RETURN_IF_ERROR(installed);
  return loading;
}

Result<bool> RemoveImaPolicy(const std::string& root) {
  ASSIGN_OR_RETURN(const Directory top, Directory::Open(root));
  ASSIGN_OR_RETURN(const Directory etc, top.OpenExisting("etc"));
  const Result<Directory> folder = etc.OpenExisting("ima");
  const auto there = [&](const char* name) { return folder.ok() && folder->Exists(name); };
  if (!folder.ok() && folder.status().code() != Code::kNotFound) return folder.status();
  if (!there(kPolicy) && !there(kPrevious)) {
    return Fail(Code::kNotFound, "IMA_POLICY_MISSING", "no policy is installed");
  }
  if (there(kPolicy)) {
    if (there(kRemoved)) RETURN_IF_ERROR(folder->Remove(kRemoved));
    RETURN_IF_ERROR(folder->Rename(kPolicy, kRemoved));
  }
  // Cut off here, the next call goes on.
  if (!there(kPrevious)) return false;
  RETURN_IF_ERROR(folder->Rename(kPrevious, kPolicy));
  return true;
}

}  // namespace seaworthy::integrity
