// An audit's report and its parts as JSON.
#pragma once

#include <cstddef>
#include <map>
#include <nlohmann/json.hpp>
#include <string>

#include "modules/docker/facts.h"
#include "modules/docker/site_policy.h"
#include "seaworthy/modules/docker/engine_audit.h"

namespace seaworthy::docker {

// All that is judged of the facts, as of now.
AuditReport MakeReport(const Facts& facts, const SitePolicy& policy);

// {"fail": 3, "pass": 60}
nlohmann::ordered_json CountsJson(const std::map<Outcome, std::size_t>& counts);
nlohmann::ordered_json FindingJson(const ReportedFinding& finding);

}  // namespace seaworthy::docker
