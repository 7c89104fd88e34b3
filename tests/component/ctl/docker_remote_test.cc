// Docker's engine asked about over a daemon: what is said there is what the commands get here.
#include "ctl/docker_remote.h"

#include <gmock/gmock.h>

#include <sstream>

#include "component/ctl/node.h"
#include "component/modules/docker/hardener_program.h"
#include "modules/docker/hardener_protocol.h"
#include "modules/docker/hardener_socket.h"
#include "support/status_matchers.h"

namespace seaworthy::testing {
namespace {

using docker::HardenerProgram;
using docker::HardenerSocket;
using ::testing::HasSubstr;

class DockerRemote : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { node_ = std::make_unique<Node>(); }
  static void TearDownTestSuite() { node_.reset(); }
  void TearDown() override { unlink(hardener().c_str()); }

  static std::string hardener() { return *node_ / "hardener.sock"; }

  // Answers each request with the next of these.
  static std::unique_ptr<HardenerSocket> Answering(std::vector<std::string> answers) {
    auto rest = std::make_shared<std::vector<std::string>>(std::move(answers));
    return std::make_unique<HardenerSocket>(hardener(), [rest](UniqueFd connection) {
      const Deadline soon = DeadlineIn(std::chrono::seconds(30));
      docker::LineReader lines(connection.get(), docker::kMaxHardenerRequest);
      const auto request = lines.Next(soon);
      asked_.push_back(request.value_or(""));
      EXPECT_FALSE(rest->empty());
      if (rest->empty()) return;
      EXPECT_THAT(docker::SendLine(connection.get(), soon, rest->front()), IsOk());
      rest->erase(rest->begin());
    });
  }

  static ctl::Connection ToDaemon() {
    ctl::Connection connection;
    connection.socket = *node_ / "admin/s";
    return connection;
  }

  void SetUp() override { asked_.clear(); }

  std::istringstream in_;
  std::ostringstream out_;
  std::ostringstream err_;
  ctl::Terminal terminal_{in_, out_, err_, false, false};
  ctl::Session session_{ToDaemon(), ctl::Format::kJson, terminal_};

  static inline std::unique_ptr<Node> node_;
  static inline std::vector<std::string> asked_;
};

constexpr char kPlan[] =
    R"({"profile":"trial","socket":"/run/docker.sock","engine":"20.10.24",)"
    R"("changes":[{"key":"icc","before":"true","origin":"default","after":"false",)"
    R"("effect":"restart","why":"w"}],"skipped":[{"key":"selinux-enabled","why":"no SELinux"}],)"
    R"("consents":[{"consent":"stop-containers","why":"swarm"}],"warnings":["slow"],)"
    R"("files":[{"path":"/etc/docker/daemon.json","after":"{}"}],"effect":"restart",)"
    R"("canary":true,"digest":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"})";
constexpr char kTransaction[] =
    R"({"id":"t1","kind":"apply","undoes":"","profile":"trial","engine":"20.10.24","begun":"b",)"
    R"("ended":"e","result":"restored","reason":"CONTAINER_LOST","problem":"web is gone",)"
    R"("files":[{"path":"/etc/docker/daemon.json","before":"{}"}]})";

TEST_F(DockerRemote, AuditIsThatOfTheNode) {
  const std::string engine = *node_ / "no-engine.sock";
  const HardenerProgram program(hardener(), {SEAWORTHY_HARDENER, "--engine", engine});
  const Ran there = node_->Ctl({"docker", "audit", "--output", "json"});
  const Ran here =
      RunProgram({SEAWORTHYCTL, "docker", "audit", "--engine", engine, "--output", "json"});
  EXPECT_EQ(there.exit, here.exit);
  auto over = nlohmann::json::parse(there.out);
  auto directly = nlohmann::json::parse(here.out);
  over.erase("time");
  directly.erase("time");
  EXPECT_EQ(over, directly);
  EXPECT_GE(over["findings"].size(), 117U);
}

TEST_F(DockerRemote, AnAuditElsewhereHasItsOwnEngineAndPolicy) {
  for (const char* const option : {"--engine", "--policy"}) {
    const Ran ran = node_->Ctl({"docker", "audit", option, "/none"});
    EXPECT_EQ(ran.exit, 2);
    EXPECT_THAT(ran.err, HasSubstr("--policy"));
  }
}

TEST_F(DockerRemote, TellsThatNobodyHardensThere) {
  const Ran ran = node_->Ctl({"docker", "audit"});
  EXPECT_EQ(ran.exit, 4);
  EXPECT_THAT(ran.err, HasSubstr("HARDENER_MISSING"));
}

TEST_F(DockerRemote, WatchTellsWhatIsToldThere) {
  const std::string engine = *node_ / "no-engine.sock";
  const HardenerProgram program(hardener(), {SEAWORTHY_HARDENER, "--engine", engine});
  const Ran ran = node_->Ctl({"docker", "watch", "--count", "2", "--output", "json"});
  EXPECT_EQ(ran.exit, 0) << ran.err;
  std::istringstream lines(ran.out);
  std::vector<std::string> kinds;
  for (std::string line; std::getline(lines, line);) {
    const auto event = nlohmann::json::parse(line, nullptr, false);
    kinds.push_back(event.value("kind", ""));
    if (kinds.size() == 1) {
      EXPECT_GT(event["counts"].value("cannot-tell", 0), 0);
    }
  }
  EXPECT_THAT(kinds, ::testing::ElementsAre("audit", "engine-gone"));
}

TEST_F(DockerRemote, PlanHasAllThatItHasThere) {
  const auto answering = Answering({docker::AnswerLine(kPlan)});
  docker::Plan plan;
  EXPECT_TRUE(ctl::PlanOver(session_, "trial", plan).ok());
  EXPECT_EQ(nlohmann::json::parse(docker::ToJson(plan)), nlohmann::json::parse(kPlan));
}

TEST_F(DockerRemote, AppliesByThePlanThatIsMadeFirst) {
  const auto answering = Answering(
      {docker::AnswerLine(kPlan), docker::StepLine(R"({"name":"write","text":"it is written"})") +
                                      "\n" + docker::AnswerLine(kTransaction)});
  docker::HardeningOptions options;
  options.profile = "trial";
  options.consents = {docker::Consent::kStopContainers};
  options.canary = false;
  std::vector<std::string> steps;
  docker::Transaction done;
  // It was undone, which is an error of the call, and the transaction tells it.
  EXPECT_TRUE(ctl::ApplyOver(
                  session_, options,
                  [&](const docker::HardeningStep& step) { steps.push_back(step.text); }, done)
                  .ok());
  EXPECT_THAT(steps, ::testing::ElementsAre("it is written"));
  EXPECT_EQ(nlohmann::json::parse(docker::ToJson(done)), nlohmann::json::parse(kTransaction));
  ASSERT_EQ(asked_.size(), 2U);
  const auto request = docker::ParseHardenerRequest(asked_[1]);
  ASSERT_THAT(request, IsOk());
  EXPECT_EQ(request->digest, std::string(64, 'a'));
  EXPECT_EQ(request->consents, options.consents);
  EXPECT_EQ(request->canary, options.canary);
}

TEST_F(DockerRemote, RollsBackAndLists) {
  const auto answering =
      Answering({docker::AnswerLine(kTransaction),
                 docker::AnswerLine(std::string("{\"transactions\":[") + kTransaction + "]}"),
                 docker::ErrorLine(Fail(Code::kAborted, "FILES_CHANGED", "edited"))});
  docker::Transaction done;
  EXPECT_TRUE(ctl::RollBackOver(session_, {}, "t0", {}, done).ok());
  EXPECT_EQ(done.id, "t1");
  EXPECT_EQ(docker::ParseHardenerRequest(asked_.at(0))->transaction, "t0");
  std::vector<docker::Transaction> history;
  EXPECT_TRUE(ctl::HistoryOver(session_, history).ok());
  ASSERT_EQ(history.size(), 1U);
  EXPECT_EQ(history[0].files[0].after, std::nullopt);
  const ctl::Outcome refused = ctl::RollBackOver(session_, {}, "", {}, done);
  EXPECT_EQ(refused.exit, ctl::ExitCode::kFailed);
  EXPECT_THAT(refused.status, Fails(Code::kAborted, "FILES_CHANGED"));
}

}  // namespace
}  // namespace seaworthy::testing
