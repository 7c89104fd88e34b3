#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "modules/docker/audit.h"
#include "support/temp_root.h"

namespace seaworthy::docker {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::Not;

class JudgeImagesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    facts_.info = json::parse(R"({"Plugins": {"Authorization": null}})");
    facts_.containers = std::vector<json>(
        1,
        json::parse(
            R"({"Name": "/c", "Config": {"User": "1000:1000"}, "State": {"Running": true, "Pid": 7}})"));
    facts_.images = std::vector<json>(1, json::parse(R"({
      "Id": "sha256:a801", "RepoTags": ["busybox:latest"],
      "Config": {"Env": ["PATH=/bin"], "Healthcheck": {"Test": ["CMD-SHELL", "/bin/true"]}},
      "History": [{"CreatedBy": "/bin/sh -c #(nop)  CMD [\"sh\"]"},
                  {"CreatedBy": "/bin/sh -c #(nop) ADD file:3ed5 in / "}]})"));
  }
  json& image() { return facts_.images->front(); }
  void LastStep(const char* created_by) { image()["History"][0]["CreatedBy"] = created_by; }
  Finding Of(std::string_view check) const {
    Findings findings;
    kImageChecks.judge(facts_, policy_, findings);
    for (const Finding& finding : findings.all()) {
      if (finding.check == check) return finding;
    }
    ADD_FAILURE() << check << ": nothing said";
    return {};
  }
  Outcome OutcomeOf(std::string_view check) const { return Of(check).outcome; }

  const testing::TempRoot root_;
  Facts facts_{os::RootFolder::Open(root_.path().string()).value()};
  SitePolicy policy_;
};

TEST_F(JudgeImagesTest, SaysSomethingOfEachCheckWhateverIsMissing) {
  const Facts nothing(os::RootFolder::Open(root_.path().string()).value());
  for (const Facts* facts : {&nothing, static_cast<const Facts*>(&facts_)}) {
    Findings findings;
    kImageChecks.judge(*facts, policy_, findings);
    EXPECT_EQ(kImageChecks.checks.size(), 12U);
    for (const Check& check : kImageChecks.checks) EXPECT_TRUE(findings.Has(check.id)) << check.id;
  }
}

TEST_F(JudgeImagesTest, RootHoweverItIsSpelt) {
  EXPECT_EQ(OutcomeOf("4.1"), Outcome::kPass);
  for (const char* user : {"", "0", "00", "+0", "0:0", "root", "root:x", ":1000"}) {
    facts_.containers->front()["Config"]["User"] = user;
    EXPECT_EQ(OutcomeOf("4.1"), Outcome::kFail) << user;
  }
  for (const char* user : {"1", "100", "app:0", "rooty"}) {
    facts_.containers->front()["Config"]["User"] = user;
    EXPECT_EQ(OutcomeOf("4.1"), Outcome::kPass) << user;
  }
  // A name to which the image gives the uid 0.
  std::filesystem::create_directories(root_.path() / "proc/7");
  std::ofstream(root_ / "proc/7/status") << "Name:\tsleep\nUid:\t0\t0\t0\t0\n";
  EXPECT_THAT(Of("4.1").evidence, HasSubstr("Uid 0"));
}

TEST_F(JudgeImagesTest, NothingEnforcesSignatures) {
  EXPECT_EQ(OutcomeOf("4.5"), Outcome::kFail);
  (*facts_.info)["Plugins"]["Authorization"] = {"agent"};
  EXPECT_EQ(OutcomeOf("4.5"), Outcome::kCannotTell);
  EXPECT_EQ(OutcomeOf("4.2"), Outcome::kCannotTell);
  EXPECT_EQ(OutcomeOf("4.12"), Outcome::kCannotTell);
}

TEST_F(JudgeImagesTest, Healthcheck) {
  EXPECT_EQ(OutcomeOf("4.6"), Outcome::kPass);
  image()["Config"]["Healthcheck"]["Test"] = {"NONE"};
  EXPECT_EQ(OutcomeOf("4.6"), Outcome::kFail);
  image()["Config"].erase("Healthcheck");
  EXPECT_EQ(Of("4.6").subject, "busybox:latest");
}

TEST_F(JudgeImagesTest, LoneUpdates) {
  for (const char* step :
       {"/bin/sh -c apt-get update", "RUN /bin/sh -c apt-get -qq update # buildkit",
        "|1 A=b /bin/sh -c apk update && echo install"}) {
    LastStep(step);
    EXPECT_EQ(OutcomeOf("4.7"), Outcome::kFail) << step;
  }
  for (const char* step :
       {"/bin/sh -c apt-get update && apt-get install -y curl", "/bin/sh -c yum update",
        "/bin/sh -c #(nop)  LABEL use=apt-get update", "CMD [\"sh\"]"}) {
    LastStep(step);
    EXPECT_EQ(OutcomeOf("4.7"), Outcome::kPass) << step;
  }
  LastStep("");  // an imported one
  EXPECT_EQ(OutcomeOf("4.7"), Outcome::kManual);
}

TEST_F(JudgeImagesTest, AddBeyondTheBaseImage) {
  EXPECT_EQ(OutcomeOf("4.9"), Outcome::kPass);
  for (const char* step :
       {"/bin/sh -c #(nop) ADD file:77 in /x ", "ADD http://x/y /y # buildkit"}) {
    LastStep(step);
    EXPECT_EQ(OutcomeOf("4.9"), Outcome::kFail) << step;
  }
  LastStep("COPY a /b # buildkit");
  EXPECT_EQ(OutcomeOf("4.9"), Outcome::kPass);
}

TEST_F(JudgeImagesTest, SecretsByTheirNamesAreNotRepeated) {
  EXPECT_EQ(OutcomeOf("4.10"), Outcome::kManual);
  for (const char* variable :
       {"DB_PASSWORD_FILE=/run/x", "API_TOKEN=$TOKEN", "GPG_KEY=A035", "TOKEN="}) {
    image()["Config"]["Env"] = {variable};
    EXPECT_EQ(OutcomeOf("4.10"), Outcome::kManual) << variable;
  }
  image()["Config"]["Env"] = {"DB_PASSWORD=hunter2"};
  LastStep("RUN |1 NPM_TOKEN=hunter3 /bin/sh -c npm ci # buildkit");
  const Finding finding = Of("4.10");
  EXPECT_EQ(finding.outcome, Outcome::kFail);
  EXPECT_EQ(finding.evidence, "Config.Env DB_PASSWORD, History NPM_TOKEN");
  EXPECT_THAT(finding.text, Not(HasSubstr("hunter")));
}

}  // namespace
}  // namespace seaworthy::docker
