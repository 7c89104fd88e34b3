#include "ctl/audit_formats.h"

#include <nlohmann/json.hpp>
#include <set>

namespace seaworthy::ctl {
namespace {

using docker::AuditReport;
using docker::Outcome;
using docker::ReportedFinding;
using Json = nlohmann::ordered_json;

std::string Paint(Outcome outcome, const Style& style) {
  const std::string_view word = docker::ToString(outcome);
  switch (outcome) {
    case Outcome::kPass:
      return style.Good(word);
    case Outcome::kFail:
      return style.Bad(word);
    case Outcome::kNotApplicable:
      return std::string(word);
    default:
      return style.Warning(word);
  }
}

std::string RenderFinding(const ReportedFinding& finding, const Style& style) {
  std::string text = "  " + Paint(finding.outcome, style) + "  " + Printable(finding.check);
  if (!finding.subject.empty()) text += "  " + style.Strong(Printable(finding.subject));
  text += "  " + Printable(finding.text) + "\n";
  if (!finding.evidence.empty()) text += "      seen: " + Printable(finding.evidence) + "\n";
  const bool open = finding.outcome == Outcome::kFail || finding.outcome == Outcome::kManual;
  if (open && !finding.remediation.empty()) {
    text += "      to do: " + Printable(finding.remediation) + "\n";
  }
  if (finding.outcome == Outcome::kFail && !finding.daemon_key.empty()) {
    text += "      daemon.json: " + Printable(finding.daemon_key) + "\n";
  }
  return text;
}

bool IsQuiet(Outcome outcome) {
  return outcome == Outcome::kPass || outcome == Outcome::kNotApplicable;
}

std::string_view SarifKind(Outcome outcome) {
  switch (outcome) {
    case Outcome::kPass:
      return "pass";
    case Outcome::kNotApplicable:
      return "notApplicable";
    case Outcome::kCannotTell:
      return "open";
    case Outcome::kManual:
      return "review";
    default:
      return "fail";
  }
}

Json SarifResult(const ReportedFinding& finding) {
  const std::string text =
      finding.evidence.empty() ? finding.text : finding.text + " Seen: " + finding.evidence;
  const std::string_view kind = SarifKind(finding.outcome);
  Json result = {{"ruleId", finding.check},
                 {"kind", kind},
                 {"level", kind == "fail" ? "error" : "none"},
                 {"message", {{"text", text}}}};
  const std::string where = finding.subject.empty() ? "engine" : finding.subject;
  result["locations"] =
      Json::array({{{"logicalLocations", Json::array({{{"fullyQualifiedName", where}}})}}});
  if (finding.outcome == Outcome::kAccepted) {
    result["suppressions"] = Json::array({{{"kind", "external"}, {"justification", finding.text}}});
  }
  return result;
}

// Of an attribute or a text; control characters, which XML has no way to say, as Printable shows
// them.
std::string Xml(std::string_view text) {
  std::string escaped;
  for (const char c : Printable(text)) {
    switch (c) {
      case '&':
        escaped += "&amp;";
        break;
      case '<':
        escaped += "&lt;";
        break;
      case '>':
        escaped += "&gt;";
        break;
      case '"':
        escaped += "&quot;";
        break;
      default:
        escaped += c;
    }
  }
  return escaped;
}

std::string JUnitCase(const ReportedFinding& finding) {
  const std::string subject = finding.subject.empty() ? "" : " [" + finding.subject + "]";
  std::string text = "    <testcase classname=\"" + Xml(finding.section) + "\" name=\"" +
                     Xml(finding.check + " " + finding.title + subject) + "\"";
  if (finding.outcome == Outcome::kPass) return text + "/>\n";
  text += ">\n";
  if (finding.outcome == Outcome::kFail) {
    text += "      <failure message=\"" + Xml(finding.text) + "\">" +
            Xml(finding.evidence + " To do: " + finding.remediation) + "</failure>\n";
  } else {
    text += "      <skipped message=\"" +
            Xml(std::string(docker::ToString(finding.outcome)) + ": " + finding.text) + "\"/>\n";
  }
  return text + "    </testcase>\n";
}

std::string JUnitSuite(const std::string& section, const AuditReport& report) {
  std::size_t tests = 0;
  std::size_t failures = 0;
  std::size_t skipped = 0;
  std::string cases;
  for (const ReportedFinding& finding : report.findings) {
    if (finding.section != section) continue;
    ++tests;
    if (finding.outcome == Outcome::kFail) {
      ++failures;
    } else if (finding.outcome != Outcome::kPass) {
      ++skipped;
    }
    cases += JUnitCase(finding);
  }
  return "  <testsuite name=\"" + Xml(section) + "\" tests=\"" + std::to_string(tests) +
         "\" failures=\"" + std::to_string(failures) + "\" skipped=\"" + std::to_string(skipped) +
         "\" timestamp=\"" + Xml(report.time) + "\">\n" + cases + "  </testsuite>\n";
}

}  // namespace

std::string RenderAudit(const AuditReport& report, bool all, const Style& style) {
  std::string text;
  std::string section;
  for (const ReportedFinding& finding : report.findings) {
    if (!all && IsQuiet(finding.outcome)) continue;
    if (finding.section != section) {
      section = finding.section;
      text += style.Strong(Printable(section)) + "\n";
    }
    text += RenderFinding(finding, style);
  }
  text += report.engine.empty()
              ? "no engine answers at " + Printable(report.socket)
              : "engine " + Printable(report.engine) + " at " + Printable(report.socket);
  const char* separator = ": ";
  for (const auto& [outcome, count] : report.Counts()) {
    text += separator + std::to_string(count) + " " + std::string(docker::ToString(outcome));
    separator = ", ";
  }
  return text + "\n";
}

std::string RenderDifference(const docker::AuditDifference& difference, const Style& style) {
  std::string text;
  for (const ReportedFinding& finding : difference.appeared) {
    text += style.Bad("new") + "  " + RenderFinding(finding, style).substr(2);
  }
  for (const ReportedFinding& finding : difference.gone) {
    text += style.Good("gone") + "  " + Printable(finding.check) + "  " +
            Printable(finding.subject) + "\n";
  }
  return text + std::to_string(difference.appeared.size()) + " new, " +
         std::to_string(difference.gone.size()) + " gone since then\n";
}

std::string ToSarif(const AuditReport& report) {
  Json rules = Json::array();
  Json results = Json::array();
  std::set<std::string> told;
  for (const ReportedFinding& finding : report.findings) {
    if (told.insert(finding.check).second) {
      rules.push_back({{"id", finding.check},
                       {"shortDescription", {{"text", finding.title}}},
                       {"help", {{"text", finding.remediation}}},
                       {"properties", {{"section", finding.section}}}});
    }
    results.push_back(SarifResult(finding));
  }
  const Json driver = {
      {"name", "Seaworthy"}, {"version", SEAWORTHY_VERSION}, {"rules", std::move(rules)}};
  const Json run = {{"tool", {{"driver", driver}}}, {"results", std::move(results)}};
  const Json sarif = {{"$schema", "https://json.schemastore.org/sarif-2.1.0.json"},
                      {"version", "2.1.0"},
                      {"runs", Json::array({run})}};
  return sarif.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string ToJUnit(const AuditReport& report) {
  std::string text =
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"Seaworthy\">\n";
  std::string section;
  for (const ReportedFinding& finding : report.findings) {
    if (finding.section == section) continue;  // they come section by section
    section = finding.section;
    text += JUnitSuite(section, report);
  }
  return text + "</testsuites>\n";
}

std::string DifferenceJson(const AuditReport& report, const docker::AuditDifference& difference) {
  const auto list = [](const std::vector<ReportedFinding>& findings) {
    Json names = Json::array();
    for (const ReportedFinding& finding : findings) {
      names.push_back({{"check", finding.check}, {"subject", finding.subject}});
    }
    return names;
  };
  Json json = Json::parse(docker::ToJson(report), nullptr, false);
  json["appeared"] = list(difference.appeared);
  json["gone"] = list(difference.gone);
  return json.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace seaworthy::ctl
