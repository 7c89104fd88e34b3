// What an open file and its extended attributes hold, and whether they were changed meanwhile.
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "seaworthy/bytes.h"
#include "seaworthy/deadline.h"
#include "seaworthy/ima_signature.h"

namespace seaworthy::integrity {

// FAILED_PRECONDITION (UNSAFE_FILE) when it is no regular file.
Result<struct stat> StatRegular(int fd);

// ABORTED (FILE_CHANGED) when size or times are no longer those of `before`.
Status CheckUnchanged(int fd, const struct stat& before);

// The content of a file, piece by piece; an empty one is its end. ABORTED (FILE_CHANGED) there or
// before when it is not as long as `stat` says or was written to since. DEADLINE_EXCEEDED.
class FilePieces {
 public:
  FilePieces(Deadline deadline, int fd, const struct stat& stat);

  // Valid until the next call.
  Result<ByteView> Next();

  std::uint64_t bytes() const { return bytes_; }  // that were read

 private:
  const Deadline deadline_;
  const int fd_;
  const struct stat stat_;
  Bytes piece_;
  std::uint64_t bytes_ = 0;
};

// The digest of the whole file; errors as those of FilePieces. `bytes` becomes what was read.
Result<Bytes> HashFile(Deadline deadline, int fd, verify::ImaHash hash, const struct stat& stat,
                       std::uint64_t& bytes);

// Nothing when the file has no such attribute.
Result<std::optional<Bytes>> ReadAttribute(int fd, const std::string& name);

// Their names.
Result<std::vector<std::string>> ListAttributes(int fd);

}  // namespace seaworthy::integrity
