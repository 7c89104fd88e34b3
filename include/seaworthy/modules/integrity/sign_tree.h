// Signs the files of a tree, and checks their signatures.
#pragma once

#include <cstdint>

#include "seaworthy/modules/integrity/file_signature.h"
#include "seaworthy/modules/integrity/file_tree.h"

namespace seaworthy::integrity {

// Files, not names: one with several hard links counts once.
struct SignProgress {
  std::uint64_t done = 0;
  std::uint64_t skipped = 0;  // signed already, by this key and in this way
  std::uint64_t failed = 0;   // folders too
  std::uint64_t bytes = 0;    // that were read
};

// Signs what is not signed already, several files at once; `signer`, `progress` and `run.failed`
// are each called by one thread at a time. A run that was broken off is gone on with by another
// one. `progress` is told after each file; where it returns false the run ends with CANCELLED. An
// error of the key ends it too, as the next file would meet it again.
Result<SignProgress> SignTree(const std::string& root, const TreeRun& run, const FileSigner& signer,
                              const SignatureOptions& options,
                              const std::function<bool(const SignProgress&)>& progress);

struct CheckProgress {
  std::uint64_t ok = 0;
  std::uint64_t missing = 0;
  std::uint64_t bad = 0;
  std::uint64_t other_key = 0;
  std::uint64_t failed = 0;  // could not be looked at
  std::uint64_t bytes = 0;
};

// Checks each file. `run.failed` is told of each that is not OK; its reason says what is wrong, see
// CheckFile.
Result<CheckProgress> CheckTree(const std::string& root, const TreeRun& run,
                                const verify::ImaKeys& keys, const SignatureOptions& options,
                                const std::function<bool(const CheckProgress&)>& progress);

}  // namespace seaworthy::integrity
