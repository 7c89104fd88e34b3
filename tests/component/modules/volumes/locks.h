// libcryptsetup's locks for re-encryption are files in /run/cryptsetup, a folder of root's.
#pragma once

#include <libcryptsetup.h>
#include <unistd.h>

namespace seaworthy::testing {

// Does without locks, in this process for good, where there can be none. Returns the option for
// cryptsetup's command line.
inline const char* UseLocksIfPossible() {
  if (geteuid() == 0 || access("/run/cryptsetup", W_OK) == 0) return "";
  crypt_metadata_locking(nullptr, 0);
  return " --disable-locks ";
}

}  // namespace seaworthy::testing
