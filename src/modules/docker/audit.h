// The engine held against the CIS Docker Benchmark, without a shell or a program of others.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "modules/docker/facts.h"
#include "modules/docker/site_policy.h"
#include "seaworthy/modules/docker/finding.h"

namespace seaworthy::docker {

// A section of the benchmark.
struct CheckFamily {
  std::string_view title;
  std::span<const Check> checks;
  // Says something about each of its checks.
  void (*judge)(const Facts& facts, const SitePolicy& policy, Findings& findings);
};

extern const CheckFamily kHostChecks;       // 1
extern const CheckFamily kDaemonChecks;     // 2
extern const CheckFamily kFileChecks;       // 3
extern const CheckFamily kImageChecks;      // 4
extern const CheckFamily kContainerChecks;  // 5
extern const CheckFamily kOperationChecks;  // 6
extern const CheckFamily kSwarmChecks;      // 7

// In the benchmark's order.
std::span<const CheckFamily* const> AllCheckFamilies();
// Null for an id that is none.
const Check* FindCheck(std::string_view id);

// `today` is "2026-11-29": exceptions of the policy that have ended are none.
std::vector<Finding> Audit(const Facts& facts, const SitePolicy& policy, std::string_view today);

}  // namespace seaworthy::docker
