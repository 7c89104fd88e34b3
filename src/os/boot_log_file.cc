#include "seaworthy/os/boot_log_file.h"

#include "seaworthy/directory.h"

namespace seaworthy::os {

Result<Bytes> ReadBootLogFile(const std::string& path) {
  if (path.empty()) return Bytes();
  Result<Bytes> log = ReadFile(path, kMaxBootLogFile);
  if (log.ok()) return log;
  if (log.status().code() == Code::kNotFound) return Bytes();
  return Fail(Code::kFailedPrecondition, "BOOT_LOG_UNREADABLE",
              path + " cannot be read: " + Message(log.status()));
}

}  // namespace seaworthy::os
