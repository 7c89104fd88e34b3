#include "seaworthy/modules/integrity/appraisal.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "seaworthy/directory.h"
#include "seaworthy/handle.h"
#include "seaworthy/ima_signature.h"
#include "seaworthy/modules/integrity/kernel_keyring.h"
#include "seaworthy/status_macros.h"

namespace seaworthy::integrity {
namespace {

constexpr const char* kPolicyFile = "/sys/kernel/security/ima/policy";
constexpr const char* kEvmFile = "/sys/kernel/security/evm";
// What is looked up first must be a file of ours. No other file has this owner.
constexpr uid_t kOwner = 4294967293;
constexpr const char* kRule =
    "appraise func=FILE_CHECK mask=MAY_READ fowner=4294967293 appraise_type=imasig\n";
// Bits of securityfs/evm: signatures, and nothing else any more. That this is settled is also what
// lets files without EVM's signature get one of IMA's.
constexpr unsigned kEvmSignatures = 2;
constexpr const char* kEvmSettled = "0x80000002";

Status Write(const UniqueFd& fd, const char* attribute, verify::ImaSignature::Type type) {
  const Bytes nobodys(64);
  verify::ImaSignature signature;
  signature.type = type;
  signature.bytes = nobodys;
  const Bytes value = signature.Encode();
  if (fsetxattr(fd.get(), attribute, value.data(), value.size(), 0) == 0) return {};
  return FromErrno(errno, std::string("write the attribute ") + attribute + " in /run");
}

// A file that nobody else has, and may be read by others than its owner, with a signature for IMA
// by a key that there is not.
Result<UniqueFd> SignedFile() {
  UniqueFd fd(open("/run", O_TMPFILE | O_RDWR | O_CLOEXEC, 0644));
  if (!fd || write(fd.get(), "\n", 1) != 1) return FromErrno(errno, "make a file in /run");
  RETURN_IF_ERROR(Write(fd, "security.ima", verify::ImaSignature::Type::kDigest));
  return fd;
}

// Has the kernel look for IMA's keyring now. Whether the file can be opened does not matter.
Status LookUpIma() {
  ASSIGN_OR_RETURN(const UniqueFd fd, SignedFile());
  if (fchown(fd.get(), kOwner, static_cast<gid_t>(-1)) != 0) return FromErrno(errno, "chown");
  const std::string path = "/proc/self/fd/" + std::to_string(fd.get());
  const UniqueFd again(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  return {};
}

// The same for EVM's: before it lets a mode be changed it verifies what there is, which has to be
// over an attribute of IMA's.
Status LookUpEvm() {
  ASSIGN_OR_RETURN(const UniqueFd fd, SignedFile());
  RETURN_IF_ERROR(Write(fd, "security.evm", verify::ImaSignature::Type::kPortableEvm));
  fchmod(fd.get(), 0400);
  return {};
}

// Whether it was loaded; not when there was one.
Result<bool> LoadPolicy(const ImaPolicy& policy) {
  UniqueFd fd(open(kPolicyFile, O_WRONLY | O_CLOEXEC));
  if (!fd && (errno == ENOENT || errno == EACCES)) return false;
  if (!fd) return FromErrno(errno, kPolicyFile);
  // A write is a rule; the policy holds when all were taken and the file is closed.
  const std::string text = kRule + FormatImaPolicy(policy);
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t size = text.find('\n', begin) + 1 - begin;
    if (write(fd.get(), text.data() + begin, size) != static_cast<ssize_t>(size)) {
      return Fail(Code::kInvalidArgument, "IMA_POLICY_REFUSED",
                  Message(FromErrno(errno, "the kernel refuses the rule \"" +
                                               text.substr(begin, size - 1) + "\"")));
    }
    begin += size;
  }
  return true;
}

Status SwitchEvmOn() {
  ASSIGN_OR_RETURN(const Bytes now, ReadFile(kEvmFile, 64));
  if ((std::strtoul(std::string(AsText(now)).c_str(), nullptr, 0) & kEvmSignatures) != 0) return {};
  const UniqueFd fd(open(kEvmFile, O_WRONLY | O_CLOEXEC));
  if (!fd || write(fd.get(), kEvmSettled, 10) != 10) return FromErrno(errno, kEvmFile);
  return {};
}

Result<KernelKeyring> Fill(const std::string& name, const AppraisalStart& start) {
  ASSIGN_OR_RETURN(KernelKeyring keyring, KernelKeyring::Open(name));
  for (const verify::ImaCertificate& certificate : start.certificates) {
    RETURN_IF_ERROR(keyring.Add(certificate));
  }
  RETURN_IF_ERROR(keyring.Close());
  return keyring;
}

Status NotInUse(const std::string& name) {
  return Fail(Code::kFailedPrecondition, "KEYRING_NOT_IN_USE",
              "the kernel does not look into the keyring " + name +
                  ": it has found another before, or a policy was loaded without the rule that "
                  "leads it there; boot again, and load keys and policy together");
}

Status StartEvm(const AppraisalStart& start) {
  ASSIGN_OR_RETURN(KernelKeyring keyring, Fill("_evm", start));
  RETURN_IF_ERROR(SwitchEvmOn());
  RETURN_IF_ERROR(LookUpEvm());
  ASSIGN_OR_RETURN(const bool in_use, keyring.InUse());
  RETURN_IF_ERROR(keyring.Leave());
  return in_use ? Status() : NotInUse("_evm");
}

}  // namespace

Result<AppraisalStarted> StartAppraisal(const AppraisalStart& start) {
  if (access("/sys/kernel/security/ima", F_OK) != 0) {
    return Fail(Code::kFailedPrecondition, "IMA_UNAVAILABLE",
                "the kernel has no IMA, or securityfs is not mounted");
  }
  if (start.evm && access(kEvmFile, F_OK) != 0) {
    return Fail(Code::kFailedPrecondition, "EVM_UNAVAILABLE", "the kernel has no EVM");
  }
  AppraisalStarted started;
  RETURN_IF_ERROR(JoinNewSession());
  ASSIGN_OR_RETURN(KernelKeyring keyring, Fill("_ima", start));
  if (start.policy) {
    ASSIGN_OR_RETURN(started.policy_loaded, LoadPolicy(*start.policy));
  }
  RETURN_IF_ERROR(LookUpIma());
  ASSIGN_OR_RETURN(started.ima_in_use, keyring.InUse());
  RETURN_IF_ERROR(keyring.Leave());
  if (start.policy && !started.ima_in_use) return NotInUse("_ima");
  // Last: where EVM is on, the lookup's file would be refused before its signature is looked at.
  if (start.evm) RETURN_IF_ERROR(StartEvm(start));
  return started;
}

}  // namespace seaworthy::integrity
