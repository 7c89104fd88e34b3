// The judges of the host and of files beside a real engine.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <memory>

#include "component/modules/docker/engine_fixture.h"
#include "modules/docker/audit.h"

namespace seaworthy::docker {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;

class HostAndFilesOfAnEngine : public ::testing::Test {
 protected:
  using Said = std::vector<std::pair<Outcome, std::string>>;

  static void SetUpTestSuite() { engine_ = std::make_unique<PrivateEngine>(); }
  static void TearDownTestSuite() { engine_.reset(); }

  static Said Judge(const CheckFamily& family, std::string_view check) {
    const Facts facts = engine_->facts();
    Findings findings;
    family.judge(facts, {}, findings);
    Said said;
    for (const Finding& finding : findings.all()) {
      if (finding.check == check) said.emplace_back(finding.outcome, finding.subject);
    }
    return said;
  }

  static std::unique_ptr<PrivateEngine> engine_;
};

std::unique_ptr<PrivateEngine> HostAndFilesOfAnEngine::engine_;

TEST_F(HostAndFilesOfAnEngine, AnEngineThatMountsItsDataOnItselfHasNoMountOfItsOwn) {
  const std::string data = engine_->root() / "data";
  EXPECT_THAT(Judge(kHostChecks, "1.1.1"), ElementsAre(Pair(Outcome::kFail, data)));
  // The very same where the engine had no need to.
  ASSERT_EQ(mount(data.c_str(), data.c_str(), nullptr, MS_BIND, nullptr), 0);
  const auto said = Judge(kHostChecks, "1.1.1");
  ASSERT_EQ(umount2(data.c_str(), MNT_DETACH), 0);
  EXPECT_THAT(said, ElementsAre(Pair(Outcome::kFail, data)));
}

TEST_F(HostAndFilesOfAnEngine, TheSocketAndTheConfigurationThatItHas) {
  EXPECT_THAT(Judge(kFileChecks, "3.15"), ElementsAre(Pair(Outcome::kPass, "")));
  EXPECT_THAT(Judge(kFileChecks, "3.16"), ElementsAre(Pair(Outcome::kPass, "")));
  EXPECT_THAT(Judge(kFileChecks, "3.18"), ElementsAre(Pair(Outcome::kPass, "")));
  ASSERT_EQ(chmod(engine_->socket().c_str(), 0666), 0);
  ASSERT_EQ(chmod(engine_->config().c_str(), 0622), 0);
  EXPECT_THAT(Judge(kFileChecks, "3.16"), ElementsAre(Pair(Outcome::kFail, engine_->socket())));
  EXPECT_THAT(Judge(kFileChecks, "3.18"), ElementsAre(Pair(Outcome::kFail, engine_->config())));
  ASSERT_EQ(chmod(engine_->socket().c_str(), 0660), 0);
  ASSERT_EQ(chmod(engine_->config().c_str(), 0644), 0);
}

TEST_F(HostAndFilesOfAnEngine, TheContainerdThatItStarted) {
  const std::string socket = engine_->facts().containerd_socket;
  EXPECT_THAT(Judge(kFileChecks, "3.23"), ElementsAre(Pair(Outcome::kPass, ""))) << socket;
  EXPECT_THAT(Judge(kFileChecks, "3.24"), ElementsAre(Pair(Outcome::kPass, ""))) << socket;
}

}  // namespace
}  // namespace seaworthy::docker
