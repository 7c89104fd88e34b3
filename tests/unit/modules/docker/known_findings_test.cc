#include "modules/docker/known_findings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "seaworthy/modules/docker/engine_watch.h"

namespace seaworthy::docker {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

struct Said {
  std::string check;
  std::string subject;
  Outcome outcome;
};

AuditReport Reported(const std::vector<Said>& all) {
  AuditReport report;
  for (const Said& said : all) {
    ReportedFinding finding;
    finding.check = said.check;
    finding.subject = said.subject;
    finding.outcome = said.outcome;
    report.findings.push_back(finding);
  }
  return report;
}

std::vector<std::string> Names(const std::vector<ReportedFinding>& findings) {
  std::vector<std::string> names;
  for (const ReportedFinding& finding : findings) {
    names.push_back(finding.check + " " + finding.subject);
  }
  return names;
}

constexpr auto kFail = Outcome::kFail;
constexpr auto kCannotTell = Outcome::kCannotTell;

TEST(KnownFindings, AreToldOnceAsTheyAppearAndOnceAsTheyGo) {
  KnownFindings known;
  const AuditReport fails = Reported({{"5.5", "a", kFail}, {"5.6", "a", Outcome::kPass}});
  EXPECT_THAT(Names(known.Take(fails).appeared), ElementsAre("5.5 a"));
  const AuditDifference same = known.Take(fails);
  EXPECT_THAT(same.appeared, IsEmpty());
  EXPECT_THAT(same.gone, IsEmpty());
  const AuditDifference gone = known.Take(Reported({{"5.5", "", Outcome::kPass}}));
  EXPECT_THAT(Names(gone.gone), ElementsAre("5.5 a"));
  EXPECT_THAT(known.Take(Reported({})).gone, IsEmpty());
}

// Or an engine that hangs for a moment would look like one that was mended.
TEST(KnownFindings, DoNotGoWhereTheyCannotBeTold) {
  KnownFindings known;
  known.Take(Reported({{"5.5", "a", kFail}, {"5.5", "b", kFail}, {"5.6", "a", kFail}}));
  EXPECT_THAT(known.Take(Reported({{"5.5", "", kCannotTell}, {"5.6", "", kCannotTell}})).gone,
              IsEmpty());
  const AuditDifference one =
      known.Take(Reported({{"5.5", "a", kCannotTell}, {"5.6", "a", kFail}}));
  EXPECT_THAT(Names(one.gone), ElementsAre("5.5 b"));
  EXPECT_THAT(one.appeared, IsEmpty());
  EXPECT_THAT(Names(known.Take(Reported({})).gone),
              ::testing::UnorderedElementsAre("5.5 a", "5.6 a"));
}

TEST(EngineEvent, IsOneLineOfJson) {
  EngineEvent event;
  event.time = "2026-11-29T06:30:00Z";
  event.kind = EngineEvent::Kind::kAppeared;
  event.text = "It is\nprivileged \xff";
  event.finding = Reported({{"5.5", "a", kFail}}).findings.front();
  const std::string line = ToJson(event);
  EXPECT_EQ(line.find('\n'), std::string::npos);
  const auto json = nlohmann::json::parse(line, nullptr, false);
  EXPECT_EQ(json["kind"], "appeared");
  EXPECT_EQ(json["finding"]["check"], "5.5");
  EXPECT_FALSE(json.contains("counts"));
  event = {.time = {}, .kind = EngineEvent::Kind::kAudit, .counts = {{kFail, 3}}};
  EXPECT_EQ(nlohmann::json::parse(ToJson(event))["counts"]["fail"], 3);
  event = {.time = {}, .kind = EngineEvent::Kind::kConfiguration, .path = "/x", .sha256 = "ab"};
  EXPECT_EQ(nlohmann::json::parse(ToJson(event))["sha256"], "ab");
}

}  // namespace
}  // namespace seaworthy::docker
