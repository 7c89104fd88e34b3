#include "modules/docker/known_findings.h"

#include <algorithm>
#include <utility>

namespace seaworthy::docker {
namespace {

bool CannotTell(const AuditReport& report, const ReportedFinding& known) {
  return std::ranges::any_of(report.findings, [&](const ReportedFinding& finding) {
    return finding.outcome == Outcome::kCannotTell && finding.check == known.check &&
           (finding.subject.empty() || finding.subject == known.subject);
  });
}

}  // namespace

AuditDifference KnownFindings::Take(const AuditReport& report) {
  AuditReport now;
  std::ranges::copy_if(
      report.findings, std::back_inserter(now.findings),
      [](const ReportedFinding& finding) { return finding.outcome == Outcome::kFail; });
  for (const ReportedFinding& gone : Compare(known_, now).gone) {
    if (CannotTell(report, gone)) now.findings.push_back(gone);
  }
  AuditDifference difference = Compare(known_, now);
  known_ = std::move(now);
  return difference;
}

}  // namespace seaworthy::docker
