// An audit of the engine, as a person likes to read it and as other programs take it.
#pragma once

#include <string>

#include "ctl/text.h"
#include "seaworthy/modules/docker/engine_audit.h"

namespace seaworthy::ctl {

// What fails, what could not be told and what is left to a person; of the rest, with `all`, each a
// line, and else how many there are.
std::string RenderAudit(const docker::AuditReport& report, bool all, const Style& style);
std::string RenderDifference(const docker::AuditDifference& difference, const Style& style);

// SARIF 2.1.0: a rule for each check, a result for each finding; what the site accepts is a
// suppressed failure.
std::string ToSarif(const docker::AuditReport& report);
// JUnit's XML: a suite for each section, a case for each finding; what is neither passed nor failed
// is skipped.
std::string ToJUnit(const docker::AuditReport& report);

// The report as its own JSON, with "appeared" and "gone": checks and subjects that fail now and did
// not in the one before, and the other way round.
std::string DifferenceJson(const docker::AuditReport& report,
                           const docker::AuditDifference& difference);

}  // namespace seaworthy::ctl
