// What the audit reads besides the engine's answers: the kernel's tables, the site's policy, an
// earlier report. The first byte says which.
#include <cstdlib>

#include "modules/docker/container_processes.h"
#include "modules/docker/proc_net.h"
#include "modules/docker/site_policy.h"
#include "seaworthy/bytes.h"
#include "seaworthy/modules/docker/engine_audit.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  namespace docker = seaworthy::docker;
  if (size == 0) return 0;
  const std::string_view text = seaworthy::AsText({data + 1, size - 1});
  switch (data[0] % 5) {
    case 0:
      docker::ParseProcNetUnix(text);
      break;
    case 1:
      docker::ParseProcNetTcp(text);
      break;
    case 2:
      docker::ControlGroupOf(text);
      break;
    case 3:
      (void)docker::ParseSitePolicy(text);
      break;
    default: {
      const auto report = docker::ParseAuditReport(text);
      // What was read is written so that it is read as the same.
      if (report.ok() && !docker::ParseAuditReport(docker::ToJson(*report)).ok()) std::abort();
    }
  }
  return 0;
}
