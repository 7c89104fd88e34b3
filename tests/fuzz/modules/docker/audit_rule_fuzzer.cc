// A rule of the kernel's audit, whatever the kernel says that it is.
#include <cstdlib>

#include "modules/docker/audit_rules.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto watch = seaworthy::docker::ParseAuditRule({data, size});
  if (watch.ok() && *watch) {
    // What is compared with paths is one.
    if (!(*watch)->path.starts_with('/')) std::abort();
    if ((*watch)->path.find('\0') != std::string::npos) std::abort();
  }
  return 0;
}
