#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "modules/docker/audit.h"
#include "support/temp_root.h"

namespace seaworthy::docker {
namespace {

using nlohmann::json;

class JudgeOperationsTest : public ::testing::Test {
 protected:
  Outcome OutcomeOf(std::string_view check) const {
    Findings findings;
    kOperationChecks.judge(facts_, policy_, findings);
    for (const Finding& finding : findings.all()) {
      if (finding.check == check) return finding.outcome;
    }
    ADD_FAILURE() << check << ": nothing said";
    return Outcome::kManual;
  }

  const testing::TempRoot root_;
  Facts facts_{os::RootFolder::Open(root_.path().string()).value()};
  SitePolicy policy_;
};

TEST_F(JudgeOperationsTest, CannotTellWithoutTheEngine) {
  EXPECT_EQ(OutcomeOf("6.1"), Outcome::kCannotTell);
  EXPECT_EQ(OutcomeOf("6.2"), Outcome::kCannotTell);
}

TEST_F(JudgeOperationsTest, ImagesThatAStoppedContainerHasAreUsed) {
  facts_.images =
      std::vector<json>{{{"Id", "sha256:1"}}, {{"Id", "sha256:2"}}, {{"Id", "sha256:3"}}};
  facts_.containers =
      std::vector<json>(1, json::parse(R"({"Image": "sha256:1", "State": {"Running": false}})"));
  policy_.unused_images = 2;
  EXPECT_EQ(OutcomeOf("6.1"), Outcome::kPass);
  policy_.unused_images = 1;
  EXPECT_EQ(OutcomeOf("6.1"), Outcome::kFail);
}

TEST_F(JudgeOperationsTest, ContainersThatDoNotRun) {
  facts_.images = std::vector<json>();
  facts_.containers =
      std::vector<json>{{{"State", {{"Running", false}}}}, {{"State", {{"Running", true}}}}};
  policy_.stopped_containers = 1;
  EXPECT_EQ(OutcomeOf("6.2"), Outcome::kPass);
  policy_.stopped_containers = 0;
  EXPECT_EQ(OutcomeOf("6.2"), Outcome::kFail);
}

}  // namespace
}  // namespace seaworthy::docker
