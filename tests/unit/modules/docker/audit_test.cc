// The audit as a whole: that it leaves no check out, and what the site's exceptions make of it.
#include "modules/docker/audit.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cctype>
#include <set>

#include "seaworthy/modules/docker/engine_audit.h"
#include "support/temp_root.h"

namespace seaworthy::docker {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// How many checks of each kind the benchmark has.
TEST(Audit, KnowsEachCheckOfTheBenchmarkOnce) {
  std::set<std::string_view> ids;
  std::map<Automation, int> kinds;
  for (const CheckFamily* const family : AllCheckFamilies()) {
    for (const Check& check : family->checks) {
      EXPECT_TRUE(ids.insert(check.id).second) << check.id;
      EXPECT_FALSE(check.title.empty()) << check.id;
      EXPECT_FALSE(check.remediation.empty()) << check.id;
      ++kinds[check.automation];
    }
  }
  EXPECT_EQ(kinds[Automation::kFull], 101);
  EXPECT_EQ(kinds[Automation::kPartial], 10);
  EXPECT_EQ(kinds[Automation::kManual], 6);
}

Result<AuditReport> AuditNothing(const std::string& root, const std::string& policy = {}) {
  EngineAuditOptions options;
  options.root = root;
  options.socket = root + "/docker.sock";
  options.policy = policy;
  return AuditEngine(DeadlineIn(std::chrono::seconds(10)), options);
}

// Nothing passes of what stands on an engine that is not there.
TEST(Audit, SaysSomethingAboutEachCheckWithoutAnEngine) {
  const seaworthy::testing::TempRoot root;
  const Result<AuditReport> report = AuditNothing(root.path().string());
  ASSERT_TRUE(report.ok()) << report.status();
  std::set<std::string_view> told;
  for (const ReportedFinding& finding : report->findings) {
    told.insert(finding.check);
    EXPECT_TRUE(finding.text.ends_with('.')) << finding.check << ": " << finding.text;
    const char first = finding.text.front();
    const bool name = first == '/' || finding.text.find_first_of("./:-") < finding.text.find(' ');
    EXPECT_TRUE(name || std::isupper(first) != 0) << finding.check << ": " << finding.text;
    EXPECT_FALSE(finding.section.empty()) << finding.check;
    if (finding.check.starts_with("2.") || finding.check.starts_with("5.")) {
      EXPECT_NE(finding.outcome, Outcome::kPass) << finding.check << ": " << finding.text;
      EXPECT_NE(finding.outcome, Outcome::kFail) << finding.check << ": " << finding.text;
    }
  }
  for (const CheckFamily* const family : AllCheckFamilies()) {
    for (const Check& check : family->checks) EXPECT_TRUE(told.contains(check.id)) << check.id;
  }
  EXPECT_THAT(report->engine, IsEmpty());
}

class AuditExceptions : public ::testing::Test {
 protected:
  AuditExceptions() : facts_(*os::RootFolder::Open(root_.path().string())) {
    facts_.info = nlohmann::json{{"Swarm", {{"LocalNodeState", "active"}}}};
    facts_.containers = std::vector<nlohmann::json>{{{"Name", "/agent"},
                                                     {"State", {{"Running", true}}},
                                                     {"HostConfig", {{"Privileged", true}}}}};
  }
  // Of 5.5, for the container above.
  Outcome Judge(const AuditException& exception, std::string* text = nullptr) {
    SitePolicy policy;
    policy.exceptions.push_back(exception);
    for (const Finding& finding : Audit(facts_, policy, "2026-11-29")) {
      if (finding.check != "5.5") continue;
      if (text != nullptr) *text = finding.text;
      return finding.outcome;
    }
    return Outcome::kCannotTell;
  }

  const seaworthy::testing::TempRoot root_;
  Facts facts_;
};

TEST_F(AuditExceptions, AcceptWhatFailsUntilTheirLastDay) {
  std::string text;
  EXPECT_EQ(Judge({"5.5", "agent", "drives the disks", "2026-11-29"}, &text), Outcome::kAccepted);
  EXPECT_THAT(text, HasSubstr("host may. The site accepts it until 2026-11-29: drives the disks."));
  EXPECT_EQ(Judge({"5.5", "", "drives the disks", "2026-12-31"}), Outcome::kAccepted);
}

TEST_F(AuditExceptions, HaveEnded) {
  std::string text;
  EXPECT_EQ(Judge({"5.5", "agent", "drives the disks", "2026-11-28"}, &text), Outcome::kFail);
  EXPECT_THAT(text, HasSubstr("ended on 2026-11-28"));
}

TEST_F(AuditExceptions, AreOfOneCheckAndOneSubject) {
  EXPECT_EQ(Judge({"5.4", "agent", "r", "2027-01-01"}), Outcome::kFail);
  EXPECT_EQ(Judge({"5.5", "other", "r", "2027-01-01"}), Outcome::kFail);
}

AuditReport Reported(std::vector<std::pair<std::string, Outcome>> subjects) {
  AuditReport report{"2026-11-29T06:30:00Z", "/run/docker.sock", "20.10.24", {}};
  for (auto& [subject, outcome] : subjects) {
    report.findings.push_back(
        {{"5.5", subject, outcome, "It is.", "seen"}, "Containers", "title", "do", "icc"});
  }
  return report;
}

TEST(AuditReport, IsReadAsItWasWritten) {
  const AuditReport report =
      Reported({{"a", Outcome::kFail}, {"b", Outcome::kManual}, {"", Outcome::kNotApplicable}});
  const Result<AuditReport> read = ParseAuditReport(ToJson(report));
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(ToJson(*read), ToJson(report));
}

TEST(AuditReport, IsRefusedWhereItIsNone) {
  for (const char* const text :
       {"", "{}", R"({"time": "", "socket": "", "engine": "", "findings": {}})",
        R"({"time": "", "socket": "", "engine": "", "findings": [{}]})",
        R"({"time": "", "socket": "", "engine": "", "findings": ["x"]})"}) {
    EXPECT_EQ(Reason(ParseAuditReport(text).status()), "AUDIT_REPORT_MALFORMED") << text;
  }
}

TEST(AuditReport, IsComparedByCheckAndSubject) {
  const AuditReport before = Reported({{"a", Outcome::kFail}, {"b", Outcome::kFail}});
  const AuditReport now =
      Reported({{"b", Outcome::kFail}, {"c", Outcome::kFail}, {"a", Outcome::kAccepted}});
  const AuditDifference difference = Compare(before, now);
  ASSERT_THAT(difference.appeared, SizeIs(1));
  EXPECT_EQ(difference.appeared[0].subject, "c");
  ASSERT_THAT(difference.gone, SizeIs(1));
  EXPECT_EQ(difference.gone[0].subject, "a");
}

}  // namespace
}  // namespace seaworthy::docker
