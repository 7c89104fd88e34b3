// The keyrings by whose keys a kernel appraises files.
//
// A kernel built as Debian's has no keyring of its own for that. At the first signature that it has
// to check it looks for a keyring named "_ima" ("_evm" for EVM's) in the session of the process
// that happens to be there, and keeps what it found for all processes until the machine is off.
// So it has to be led to ours before anybody else, root or not, can show it another.
#pragma once

#include <cstdint>
#include <string>

#include "seaworthy/ima_certificate.h"

namespace seaworthy::integrity {

// Leaves the process's session keyring for a new and empty one, in which the kernel looks from then
// on. FAILED_PRECONDITION (KEYRINGS_UNAVAILABLE) where the kernel or a sandbox has no keyrings.
Status JoinNewSession();

class KernelKeyring {
 public:
  // The one that an earlier call made in this boot, or a new one; it is kept in root's user
  // keyring. It is put into the session too, where the kernel finds it. Call JoinNewSession before.
  static Result<KernelKeyring> Open(const std::string& name);

  // FAILED_PRECONDITION: KEYRING_CLOSED when the keyring was closed without this key;
  // IMA_CERTIFICATE_REFUSED with what the kernel had against it.
  Status Add(const verify::ImaCertificate& certificate) const;

  // From now on nobody adds a key to it, root neither; nor takes one out by mistake.
  Status Close() const;

  // Whether the kernel has found it, and so will use no other.
  Result<bool> InUse() const;

  // Takes it out of the session.
  Status Leave();

 private:
  KernelKeyring(std::int32_t id, std::string name) : id_(id), name_(std::move(name)) {}

  std::int32_t id_;
  std::string name_;
  std::uint64_t links_ = 2;  // the session's and the user keyring's
};

// The usage count that a text as /proc/keys has it tells of a key; 0 when it does not show the key.
std::uint64_t UsageOf(std::string_view keys, std::int32_t id);

}  // namespace seaworthy::integrity
