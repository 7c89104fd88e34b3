#include "seaworthy/modules/integrity/kernel_keyring.h"

#include <linux/keyctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstdio>
#include <thread>

#include "seaworthy/deadline.h"
#include "seaworthy/directory.h"
#include "seaworthy/status_macros.h"

namespace seaworthy::integrity {
namespace {

constexpr std::size_t kMaxKeys = std::size_t{16} << 20;
// Root's processes may look at it, search it and link it; those that have it in their session may
// do anything to an open one, and no more than the others to a closed one.
constexpr unsigned kOpen = 0x3f1b0000;
constexpr unsigned kClosed = 0x1b1b0000;
// A link that was taken away counts until the kernel has cleared up behind it.
constexpr std::chrono::milliseconds kSettle{200};

template <class... Arguments>
long Keyctl(int operation, Arguments... arguments) {
  return syscall(SYS_keyctl, operation, arguments...);
}

Status KeyringError(int error, const std::string& what) {
  if (error == ENOSYS || error == EOPNOTSUPP) {
    return Fail(Code::kFailedPrecondition, "KEYRINGS_UNAVAILABLE",
                what + ": the kernel has no keyrings");
  }
  return FromErrno(error, what);
}

std::string_view WhyRefused(int error) {
  switch (error) {
    case EBADMSG:
      return "the kernel cannot read it as a certificate";
    case ENOPKG:
      return "the kernel lacks an algorithm that it needs";
    case EKEYREJECTED:
      return "its own signature is not right";
    case EINVAL:
      return "the kernel does not take such a certificate";
    case EDQUOT:
      return "root's quota of keys is used up (/proc/sys/kernel/keys/root_maxbytes)";
    default:
      return "";
  }
}

}  // namespace

Status JoinNewSession() {
  if (Keyctl(KEYCTL_JOIN_SESSION_KEYRING, nullptr) < 0) {
    return KeyringError(errno, "a session keyring of its own");
  }
  return {};
}

Result<KernelKeyring> KernelKeyring::Open(const std::string& name) {
  long id = Keyctl(KEYCTL_SEARCH, KEY_SPEC_USER_KEYRING, "keyring", name.c_str(), 0);
  if (id < 0) {
    id = syscall(SYS_add_key, "keyring", name.c_str(), nullptr, std::size_t{0},
                 KEY_SPEC_SESSION_KEYRING);
    if (id < 0) return KeyringError(errno, "make the keyring " + name);
    if (Keyctl(KEYCTL_SETPERM, id, kOpen) < 0 ||
        Keyctl(KEYCTL_LINK, id, KEY_SPEC_USER_KEYRING) < 0) {
      return KeyringError(errno, "keep the keyring " + name);
    }
  } else if (Keyctl(KEYCTL_LINK, id, KEY_SPEC_SESSION_KEYRING) < 0) {
    return KeyringError(errno, "link the keyring " + name);
  }
  return KernelKeyring(static_cast<std::int32_t>(id), name);
}

Status KernelKeyring::Add(const verify::ImaCertificate& certificate) const {
  if (Keyctl(KEYCTL_SEARCH, id_, "asymmetric", certificate.key.c_str(), 0) >= 0) return {};
  const long key = syscall(SYS_add_key, "asymmetric", nullptr, certificate.der.data(),
                           certificate.der.size(), id_);
  if (key >= 0) {
    // The kernel takes keys that it has no code to verify with.
    keyctl_pkey_query query = {};
    const char* how = certificate.rsa ? "enc=pkcs1 hash=sha256" : "enc=x962 hash=sha256";
    if (Keyctl(KEYCTL_PKEY_QUERY, key, 0, how, &query) == 0) return {};
    Keyctl(KEYCTL_UNLINK, key, id_);
    return Fail(Code::kFailedPrecondition, "IMA_CERTIFICATE_REFUSED",
                certificate.subject + ": the kernel cannot verify signatures by such a key; " +
                    "Debian's is built without ECDSA: sign with an RSA key");
  }
  const int error = errno;
  if (error == EPERM || error == EACCES) {
    return Fail(Code::kFailedPrecondition, "KEYRING_CLOSED",
                "the keyring " + name_ + " was closed without " + certificate.subject +
                    "; after the next boot it takes keys again");
  }
  if (const std::string_view why = WhyRefused(error); !why.empty()) {
    return Fail(Code::kFailedPrecondition, "IMA_CERTIFICATE_REFUSED",
                certificate.subject + ": " + std::string(why));
  }
  return KeyringError(error, "add " + certificate.subject + " to " + name_);
}

Status KernelKeyring::Close() const {
  // With neither a type nor a rule it takes nothing.
  if (Keyctl(KEYCTL_RESTRICT_KEYRING, id_, nullptr, nullptr) == 0 &&
      Keyctl(KEYCTL_SETPERM, id_, kClosed) == 0) {
    return {};
  }
  // A closed one does not let itself be changed.
  return errno == EACCES ? Status() : KeyringError(errno, "close the keyring " + name_);
}

Result<bool> KernelKeyring::InUse() const {
  const Deadline deadline = DeadlineIn(kSettle);
  while (true) {
    ASSIGN_OR_RETURN(const Bytes keys, ReadFile("/proc/keys", kMaxKeys));
    if (UsageOf(AsText(keys), id_) <= links_) return false;
    if (TimeLeft(deadline).count() == 0) return true;
    std::this_thread::sleep_for(kSettle / 20);
  }
}

Status KernelKeyring::Leave() {
  if (Keyctl(KEYCTL_UNLINK, id_, KEY_SPEC_SESSION_KEYRING) < 0) {
    return KeyringError(errno, "take the keyring " + name_ + " out of the session");
  }
  links_ = 1;
  return {};
}

std::uint64_t UsageOf(std::string_view keys, std::int32_t id) {
  // proc_keys_show: the id in eight digits, the flags, the usage count.
  char wanted[10];
  std::snprintf(wanted, sizeof(wanted), "%08x ", static_cast<std::uint32_t>(id));
  while (!keys.empty()) {
    const std::size_t end = keys.find('\n');
    std::string_view line = keys.substr(0, end);
    keys.remove_prefix(end == std::string_view::npos ? keys.size() : end + 1);
    if (!line.starts_with(wanted)) continue;
    const std::size_t flags = line.find(' ', 9);
    const std::size_t begin = line.find_first_not_of(' ', flags);
    if (flags == std::string_view::npos || begin == std::string_view::npos) return 0;
    line.remove_prefix(begin);
    std::uint64_t usage = 0;
    std::from_chars(line.data(), line.data() + line.size(), usage);
    return usage;
  }
  return 0;
}

}  // namespace seaworthy::integrity
