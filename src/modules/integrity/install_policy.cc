#include "seaworthy/modules/integrity/install_policy.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <optional>

#include "seaworthy/directory.h"
#include "seaworthy/status_macros.h"

namespace seaworthy::integrity {
namespace {

constexpr char kPolicy[] = "ima-policy";
constexpr char kNew[] = "ima-policy.new";
constexpr char kPrevious[] = "ima-policy.previous";
constexpr char kRemoved[] = "ima-policy.removed";
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
    ASSIGN_OR_RETURN(const Bytes before, folder.Read(kPolicy, kMaxImaPolicy));
    // The way back leads to another policy.
    if (AsText(before) == AsText(policy)) return {};
    RETURN_IF_ERROR(folder.Replace(kPrevious, before, kFileMode));
  }
  return folder.Replace(kPolicy, policy, kFileMode);
}

constexpr PolicyPlace kPlaces[] = {PolicyPlace::kSystemd, PolicyPlace::kBehindKeys};

PolicyPlace Other(PolicyPlace place) {
  return place == PolicyPlace::kSystemd ? PolicyPlace::kBehindKeys : PolicyPlace::kSystemd;
}

const char* FolderOf(PolicyPlace place) {
  return place == PolicyPlace::kSystemd ? "ima" : "seaworthy";
}

Result<Directory> OpenEtc(const std::string& root) {
  ASSIGN_OR_RETURN(const Directory top, Directory::Open(root));
  return top.OpenExisting("etc");
}

// Where a policy lies already; nothing where nobody has made the folder.
Result<std::optional<Directory>> OpenPlace(const Directory& etc, PolicyPlace place) {
  Result<Directory> folder = etc.OpenExisting(FolderOf(place));
  if (folder.status().code() == Code::kNotFound) return std::optional<Directory>();
  RETURN_IF_ERROR(folder.status());
  return std::optional(*std::move(folder));
}

// What was there as the new name is gone.
Status Move(const Directory& folder, const char* from, const char* to) {
  if (folder.Exists(to)) RETURN_IF_ERROR(folder.Remove(to));
  return folder.Rename(from, to);
}

// The policy of the other place is the one before now.
Status PutAside(const Directory& etc, PolicyPlace place, const Directory& installed) {
  ASSIGN_OR_RETURN(const std::optional<Directory> other, OpenPlace(etc, Other(place)));
  if (!other || !other->Exists(kPolicy)) return {};
  RETURN_IF_ERROR(Move(*other, kPolicy, kPrevious));
  return installed.Exists(kPrevious) ? installed.Remove(kPrevious) : Status();
}

}  // namespace

PolicyPlace PlaceOf(const ImaPolicy& policy) {
  return Appraises(policy) ? PolicyPlace::kBehindKeys : PolicyPlace::kSystemd;
}

std::string PathOf(PolicyPlace place) {
  return std::string("/etc/") + FolderOf(place) + "/" + kPolicy;
}

Result<PolicyLoading> InstallImaPolicy(const std::string& root, std::string_view text,
                                       PolicyPlace place, bool now) {
  // Without the last line's end the kernel takes none of it.
  std::string policy(text);
  if (!policy.ends_with('\n')) policy += '\n';
  ASSIGN_OR_RETURN(const Directory etc, OpenEtc(root));
  ASSIGN_OR_RETURN(const Directory folder, etc.OpenSubdirectory(FolderOf(place), kFolderMode));
  RETURN_IF_ERROR(etc.Sync());
  PolicyLoading loading = PolicyLoading::kNextBoot;
  if (now) {
    ASSIGN_OR_RETURN(loading, TryNow(root, folder, AsBytes(policy)));
  }
  Status installed = Install(folder, AsBytes(policy));
  if (installed.ok()) installed = PutAside(etc, place, folder);
  if (!installed.ok() && loading == PolicyLoading::kNow) {
    return Wrap(installed, "loaded, but not installed for the next boot");
  }
  RETURN_IF_ERROR(installed);
  return loading;
}

Result<bool> RemoveImaPolicy(const std::string& root) {
  ASSIGN_OR_RETURN(const Directory etc, OpenEtc(root));
  bool removed = false;
  const Directory* before = nullptr;
  std::optional<Directory> folders[std::size(kPlaces)];
  for (std::size_t i = 0; i < std::size(kPlaces); ++i) {
    ASSIGN_OR_RETURN(folders[i], OpenPlace(etc, kPlaces[i]));
    if (!folders[i]) continue;
    if (folders[i]->Exists(kPrevious)) before = &*folders[i];
    if (!folders[i]->Exists(kPolicy)) continue;
    RETURN_IF_ERROR(Move(*folders[i], kPolicy, kRemoved));
    removed = true;
  }
  if (!removed && before == nullptr) {
    return Fail(Code::kNotFound, "IMA_POLICY_MISSING", "no policy is installed");
  }
  // Cut off here, the next call goes on.
  if (before == nullptr) return false;
  RETURN_IF_ERROR(before->Rename(kPrevious, kPolicy));
  return true;
}

}  // namespace seaworthy::integrity
