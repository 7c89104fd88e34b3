// The engine held against the CIS Docker Benchmark, as one report.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "seaworthy/deadline.h"
#include "seaworthy/modules/docker/finding.h"
#include "seaworthy/status.h"

namespace seaworthy::docker {

// What Debian's and Docker's packages have the engine listen at.
inline constexpr const char* kEngineSocket = "/run/docker.sock";
// Where AuditEngine's caller finds the site's policy; a node may be without one.
inline constexpr const char* kSitePolicyFile = "/etc/seaworthy/docker-policy.json";
inline constexpr std::size_t kMaxSitePolicy = std::size_t{1} << 20;
inline constexpr std::size_t kMaxAuditReport = std::size_t{64} << 20;

// A finding with what its check is.
struct ReportedFinding : Finding {
  std::string section;
  std::string title;
  std::string remediation;
  std::string daemon_key;  // of daemon.json, that makes it hold; or empty
};

struct AuditReport {
  std::string time;    // "2026-11-29T06:30:00Z"
  std::string socket;  // of the engine
  std::string engine;  // its version, as it says; empty when it did not answer
  // In the benchmark's order, each of its checks at least once.
  std::vector<ReportedFinding> findings;

  // How many findings there are of each outcome.
  std::map<Outcome, std::size_t> Counts() const;
};

struct EngineAuditOptions {
  std::string root = "/";  // of the system
  std::string socket = kEngineSocket;
  std::string policy;  // the text of the site's; empty: none
};

// Looks as what runs it may: as root it sees all. An engine that does not answer is a report, too,
// that says so. INVALID_ARGUMENT (SITE_POLICY_MALFORMED).
Result<AuditReport> AuditEngine(Deadline deadline, const EngineAuditOptions& options);

// One JSON object, indented.
std::string ToJson(const AuditReport& report);
// INVALID_ARGUMENT (AUDIT_REPORT_MALFORMED).
Result<AuditReport> ParseAuditReport(std::string_view text);

// What fails now and did not before, and what did and does not now, by check and subject.
struct AuditDifference {
  std::vector<ReportedFinding> appeared;
  std::vector<ReportedFinding> gone;
};
AuditDifference Compare(const AuditReport& before, const AuditReport& now);

}  // namespace seaworthy::docker
