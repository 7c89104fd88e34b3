#include "seaworthy/modules/docker/engine_audit.h"

#include <algorithm>
#include <ctime>
#include <nlohmann/json.hpp>
#include <set>

#include "modules/docker/audit.h"
#include "modules/docker/audit_report.h"
#include "modules/docker/engine_json.h"
#include "modules/docker/utc_time.h"
#include "seaworthy/json/foreign_json.h"
#include "seaworthy/status_macros.h"

namespace seaworthy::docker {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::string_view kMalformed = "AUDIT_REPORT_MALFORMED";

const CheckFamily* FamilyOf(std::string_view id) {
  for (const CheckFamily* const family : AllCheckFamilies()) {
    if (std::ranges::count(family->checks, id, &Check::id) != 0) return family;
  }
  return nullptr;
}

ReportedFinding Report(Finding finding) {
  ReportedFinding reported{std::move(finding), {}, {}, {}, {}};
  const CheckFamily* const family = FamilyOf(reported.check);
  const Check* const check = FindCheck(reported.check);
  if (family == nullptr || check == nullptr) return reported;
  reported.section = family->title;
  reported.title = check->title;
  reported.remediation = check->remediation;
  reported.daemon_key = check->daemon_key;
  return reported;
}

bool ParseOutcome(std::string_view name, Outcome& out) {
  for (const Outcome outcome : {Outcome::kPass, Outcome::kFail, Outcome::kAccepted,
                                Outcome::kNotApplicable, Outcome::kCannotTell, Outcome::kManual}) {
    if (ToString(outcome) != name) continue;
    out = outcome;
    return true;
  }
  return false;
}

ReportedFinding ReadFinding(const nlohmann::json& json, const std::string& where,
                            FirstError& error) {
  ObjectReader reader(json, where, error);
  ReportedFinding finding;
  std::string outcome;
  reader.Text("check", finding.check);
  reader.Text("subject", finding.subject);
  reader.Text("outcome", outcome);
  reader.Text("text", finding.text);
  reader.Text("evidence", finding.evidence);
  reader.Text("section", finding.section);
  reader.Text("title", finding.title);
  reader.Text("remediation", finding.remediation);
  reader.Text("daemon_key", finding.daemon_key);
  if (!ParseOutcome(outcome, finding.outcome)) reader.Tell("outcome", "is none");
  return finding;
}

std::vector<ReportedFinding> FailsOnlyIn(const AuditReport& report, const AuditReport& other) {
  std::set<std::pair<std::string, std::string>> there;
  for (const ReportedFinding& finding : other.findings) {
    if (finding.outcome == Outcome::kFail) there.emplace(finding.check, finding.subject);
  }
  std::vector<ReportedFinding> only;
  for (const ReportedFinding& finding : report.findings) {
    if (finding.outcome == Outcome::kFail && !there.contains({finding.check, finding.subject})) {
      only.push_back(finding);
    }
  }
  return only;
}

}  // namespace

std::map<Outcome, std::size_t> AuditReport::Counts() const {
  std::map<Outcome, std::size_t> counts;
  for (const ReportedFinding& finding : findings) ++counts[finding.outcome];
  return counts;
}

AuditReport MakeReport(const Facts& facts, const SitePolicy& policy) {
  AuditReport report;
  report.time = UtcNow();
  report.socket = facts.socket;
  if (facts.version.ok()) report.engine = Text(At(*facts.version, {"Version"}));
  for (Finding& finding : Audit(facts, policy, report.time.substr(0, 10))) {
    report.findings.push_back(Report(std::move(finding)));
  }
  return report;
}

Result<AuditReport> AuditEngine(Deadline deadline, const EngineAuditOptions& options) {
  SitePolicy policy;
  if (!options.policy.empty()) {
    ASSIGN_OR_RETURN(policy, ParseSitePolicy(options.policy));
  }
  FactsOptions places;
  places.root = options.root;
  places.socket = options.socket;
  ASSIGN_OR_RETURN(const Facts facts, CollectFacts(deadline, places));
  return MakeReport(facts, policy);
}

Json CountsJson(const std::map<Outcome, std::size_t>& counts) {
  Json json = Json::object();
  for (const auto& [outcome, count] : counts) json[ToString(outcome)] = count;
  return json;
}

Json FindingJson(const ReportedFinding& finding) {
  return {{"check", finding.check},
          {"subject", finding.subject},
          {"outcome", ToString(finding.outcome)},
          {"text", finding.text},
          {"evidence", finding.evidence},
          {"section", finding.section},
          {"title", finding.title},
          {"remediation", finding.remediation},
          {"daemon_key", finding.daemon_key}};
}

std::string ToJson(const AuditReport& report) {
  Json findings = Json::array();
  for (const ReportedFinding& finding : report.findings) findings.push_back(FindingJson(finding));
  const Json json = {{"time", report.time},
                     {"socket", report.socket},
                     {"engine", report.engine},
                     {"counts", CountsJson(report.Counts())},
                     {"findings", std::move(findings)}};
  // Names of containers and files need not be UTF-8.
  return json.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

Result<AuditReport> ParseAuditReport(std::string_view text) {
  ASSIGN_OR_RETURN(const nlohmann::json json, ParseForeignJson(text, kMaxAuditReport, kMalformed));
  FirstError error(kMalformed);
  ObjectReader reader(json, "", error);
  AuditReport report;
  reader.Text("time", report.time);
  reader.Text("socket", report.socket);
  reader.Text("engine", report.engine);
  const nlohmann::json* const findings = reader.Any("findings");
  if (findings != nullptr && !findings->is_array()) reader.Tell("findings", "is no list");
  if (!error.status().ok() || findings == nullptr) return error.status();
  std::size_t index = 0;
  for (const nlohmann::json& finding : *findings) {
    report.findings.push_back(ReadFinding(finding, "/findings/" + std::to_string(index++), error));
  }
  RETURN_IF_ERROR(error.status());
  return report;
}

AuditDifference Compare(const AuditReport& before, const AuditReport& now) {
  return {FailsOnlyIn(now, before), FailsOnlyIn(before, now)};
}

}  // namespace seaworthy::docker
