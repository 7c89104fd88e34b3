// How the IMA list stands, as the daemon has followed it in this boot of the node.
#pragma once

#include <cstdint>

#include "seaworthy/status.h"

namespace seaworthy::integrity {

struct ImaListState {
  std::uint64_t entries = 0;     // read
  std::uint64_t confirmed = 0;   // of these, up to the last that PCR 10 vouches for
  std::uint64_t violations = 0;  // of these
  std::uint64_t unexpected = 0;  // of these, not what the allowed files are
  std::uint64_t bytes = 0;       // the list's size
  // Why it is not followed, or not believed: IMA_LIST_MISSING, IMA_LIST_UNREADABLE,
  // IMA_LIST_MISMATCH, IMA_LIST_SHRUNK, IMA_LIST_KEXEC, or what the TPM says.
  Status problem;
  bool operator==(const ImaListState&) const = default;
};

}  // namespace seaworthy::integrity
