// What fails, kept from one audit to the next.
#pragma once

#include "seaworthy/modules/docker/engine_audit.h"

namespace seaworthy::docker {

class KnownFindings {
 public:
  // What fails in the report and was not known, and what was known and is found well or not found
  // any more. What the report cannot tell fails on: an engine that does not answer has no fewer
  // faults.
  AuditDifference Take(const AuditReport& report);

 private:
  AuditReport known_;  // what fails
};

}  // namespace seaworthy::docker
