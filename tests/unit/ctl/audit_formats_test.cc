#include "ctl/audit_formats.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "support/program.h"
#include "support/temp_root.h"

namespace seaworthy::ctl {
namespace {

using docker::AuditReport;
using docker::Outcome;
using ::testing::HasSubstr;
using ::testing::Not;

AuditReport Sample() {
  AuditReport report{"2026-11-29T06:30:00Z", "/run/docker.sock", "20.10.24", {}};
  const auto add = [&](const char* check, const char* subject, Outcome outcome) {
    report.findings.push_back({{check, subject, outcome, "Why <it> is.", "Seen = \"this\" & that"},
                               check[0] == '2' ? "2 Daemon" : "5 Containers",
                               "Title",
                               "Do this",
                               check[0] == '2' ? "icc" : ""});
  };
  add("2.2", "", Outcome::kFail);
  add("2.3", "", Outcome::kPass);
  add("5.4", "bad\x1b[31m\xff", Outcome::kFail);
  add("5.5", "agent", Outcome::kAccepted);
  add("5.7", "", Outcome::kCannotTell);
  add("5.9", "", Outcome::kManual);
  return report;
}

TEST(AuditText, ShowsWhatIsLeftToDo) {
  const std::string text = RenderAudit(Sample(), false, {});
  EXPECT_THAT(text, HasSubstr("2 Daemon\n  fail  2.2  Why <it> is.\n"));
  EXPECT_THAT(text, HasSubstr("to do: Do this"));
  EXPECT_THAT(text, HasSubstr("daemon.json: icc"));
  EXPECT_THAT(text, HasSubstr("cannot-tell  5.7"));
  EXPECT_THAT(text, Not(HasSubstr("2.3")));
  EXPECT_THAT(text, HasSubstr("engine 20.10.24 at /run/docker.sock: 1 pass, 2 fail, 1 accepted, 1 "
                              "cannot-tell, 1 manual"));
  EXPECT_THAT(RenderAudit(Sample(), true, {}), HasSubstr("pass  2.3"));
}

// A container's name is the container's maker's.
TEST(AuditText, SteersNoTerminal) {
  EXPECT_THAT(RenderAudit(Sample(), true, {}), Not(HasSubstr("\x1b")));
}

TEST(AuditSarif, HasARuleForEachCheckAndAKindForEachResult) {
  const auto sarif = nlohmann::json::parse(ToSarif(Sample()));
  EXPECT_EQ(sarif["version"], "2.1.0");
  const auto& run = sarif["runs"][0];
  EXPECT_EQ(run["tool"]["driver"]["rules"].size(), 6U);
  std::vector<std::string> kinds;
  for (const auto& result : run["results"]) {
    kinds.push_back(result["kind"]);
    // SARIF 2.1.0, 3.27.10: a level but "none" is for failures alone.
    EXPECT_EQ(result["level"] == "none", result["kind"] != "fail");
  }
  EXPECT_THAT(kinds, ::testing::ElementsAre("fail", "pass", "fail", "fail", "open", "review"));
  EXPECT_FALSE(run["results"][2].contains("suppressions"));
  EXPECT_EQ(run["results"][3]["suppressions"][0]["kind"], "external");
}

TEST(AuditJUnit, IsXmlThatAnotherParserReads) {
  const seaworthy::testing::TempRoot folder;
  const std::string path = folder / "audit.xml";
  std::ofstream(path) << ToJUnit(Sample());
  const auto read = seaworthy::testing::OutputOf(
      "/usr/bin/python3 -c 'import sys, xml.etree.ElementTree as e\n"
      "for s in e.parse(sys.argv[1]).getroot():\n"
      "  print(s.get(\"name\"), s.get(\"tests\"), s.get(\"failures\"), s.get(\"skipped\"),"
      " len(s.findall(\"testcase/failure\")), s.find(\"testcase/failure\").get(\"message\"))' " +
      path);
  EXPECT_EQ(read.status, 0);
  EXPECT_EQ(read.text, "2 Daemon 2 1 0 1 Why <it> is.\n5 Containers 4 1 3 1 Why <it> is.\n");
}

}  // namespace
}  // namespace seaworthy::ctl
