#include "modules/docker/judge_swarm.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "judge_fixture.h"

namespace seaworthy::docker {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

class JudgeSwarm : public JudgeFixture {
 protected:
  JudgeSwarm() : JudgeFixture(kSwarmChecks) {
    facts_.info = json::parse(R"({"Swarm": {
      "LocalNodeState": "active", "ControlAvailable": true, "NodeID": "a", "NodeAddr": "10.0.0.1",
      "Managers": 3, "RemoteManagers": [{"NodeID": "b", "Addr": "10.0.0.2:9999"},
                                        {"NodeID": "a", "Addr": "10.0.0.1:2377"}],
      "Cluster": {"Spec": {"EncryptionConfig": {"AutoLockManagers": true},
                           "CAConfig": {"NodeCertExpiry": 7776000000000000}}}}})");
    facts_.networks = std::vector<json>();
    facts_.process = EngineProcess();
    facts_.data_root = "/data";
    WriteState(R"({"ListenAddr": "10.0.0.1:2377", "DataPathAddr": "10.1.0.1"})");
  }

  void WriteState(const std::string& text) {
    std::filesystem::create_directories(root_ / "data/swarm");
    std::ofstream(root_ / "data/swarm/docker-state.json") << text;
  }

  json& swarm() { return (*facts_.info)["Swarm"]; }

  void Listen(const char* address, std::uint16_t port) {
    facts_.process->listeners.push_back({Listener::Kind::kTcp, address, port});
  }

  void ExpectAll(Outcome outcome) const {
    for (const Check& check : kSwarmChecks.checks)
      EXPECT_EQ(OutcomeOf(check.id), outcome) << check.id;
  }
};

TEST_F(JudgeSwarm, OutOfASwarmThereIsNothingToLookAt) {
  swarm() = {{"LocalNodeState", "inactive"}};
  ExpectAll(Outcome::kNotApplicable);
  EXPECT_THAT(SwarmPorts(facts_), SizeIs(0));
  facts_.info = Fail(Code::kUnavailable, "ENGINE_ABSENT", "nobody listens there");
  ExpectAll(Outcome::kCannotTell);
}

TEST_F(JudgeSwarm, ManualChecksSayWhatToLookAt) {
  for (const char* const check : {"7.4", "7.6", "7.7", "7.8", "7.9"}) {
    EXPECT_EQ(OutcomeOf(check), Outcome::kManual) << check;
    EXPECT_FALSE(One(check).text.empty()) << check;
  }
}

TEST_F(JudgeSwarm, NoMoreManagersThanThePolicyAllows) {
  EXPECT_EQ(OutcomeOf("7.1"), Outcome::kPass);
  policy_.swarm_managers = 2;
  EXPECT_EQ(OutcomeOf("7.1"), Outcome::kFail);
  // A worker knows its managers by their addresses.
  swarm()["ControlAvailable"] = false;
  swarm()["Managers"] = 0;
  EXPECT_EQ(OutcomeOf("7.1"), Outcome::kPass);
  policy_.swarm_managers = 1;
  EXPECT_EQ(OutcomeOf("7.1"), Outcome::kFail);
  swarm()["RemoteManagers"] = nullptr;
  EXPECT_EQ(OutcomeOf("7.1"), Outcome::kCannotTell);
}

TEST_F(JudgeSwarm, ListensAtOneAddress) {
  EXPECT_EQ(OutcomeOf("7.2"), Outcome::kCannotTell);
  Listen("10.0.0.1", 2377);
  Listen("10.0.0.1", 7946);
  Listen("0.0.0.0", 2376);  // the API's own, which is another check's
  EXPECT_EQ(OutcomeOf("7.2"), Outcome::kPass);
  EXPECT_THAT(One("7.2").evidence, HasSubstr("10.0.0.1 port 2377, 10.0.0.1 port 7946"));
  Listen("::", 7946);
  EXPECT_EQ(OutcomeOf("7.2"), Outcome::kFail);
  EXPECT_EQ(One("7.2").subject, ":: port 7946");
  facts_.process = Fail(Code::kNotFound, "ENGINE_PROCESS", "no dockerd");
  EXPECT_EQ(OutcomeOf("7.2"), Outcome::kCannotTell);
}

TEST_F(JudgeSwarm, ManagementMayHaveAnotherPort) {
  swarm()["RemoteManagers"][1]["Addr"] = "10.0.0.1:3000";
  EXPECT_THAT(SwarmPorts(facts_), ElementsAre(3000, 7946));
  Listen("0.0.0.0", 3000);
  EXPECT_EQ(OutcomeOf("7.2"), Outcome::kFail);
  swarm()["RemoteManagers"][1]["Addr"] = "10.0.0.1:99999";
  EXPECT_THAT(SwarmPorts(facts_), ElementsAre(2377, 7946));
}

TEST_F(JudgeSwarm, OverlayNetworksAreEncrypted) {
  const auto network = [](const char* name, const char* driver, json options) {
    return json{{"Name", name}, {"Driver", driver}, {"Options", std::move(options)}};
  };
  facts_.networks = std::vector<json>{network("bridge", "bridge", nullptr)};
  EXPECT_EQ(OutcomeOf("7.3"), Outcome::kNotApplicable);
  // What the option says is nothing to the engine.
  facts_.networks->push_back(network("safe", "overlay", {{"encrypted", ""}}));
  facts_.networks->push_back(network("odd", "overlay", {{"encrypted", "false"}}));
  EXPECT_EQ(OutcomeOf("7.3"), Outcome::kPass);
  facts_.networks->push_back(network("open", "overlay", {{"other", "1"}}));
  facts_.networks->push_back(network("ingress", "overlay", nullptr));
  const std::vector<Finding> found = Of("7.3");
  ASSERT_THAT(found, SizeIs(2));
  EXPECT_EQ(found[0].subject, "open");
  EXPECT_EQ(found[0].outcome, Outcome::kFail);
  EXPECT_EQ(found[1].subject, "ingress");
}

TEST_F(JudgeSwarm, ManagersAreLocked) {
  EXPECT_EQ(OutcomeOf("7.5"), Outcome::kPass);
  swarm()["Cluster"]["Spec"]["EncryptionConfig"]["AutoLockManagers"] = false;
  EXPECT_EQ(OutcomeOf("7.5"), Outcome::kFail);
  swarm()["ControlAvailable"] = false;
  EXPECT_EQ(OutcomeOf("7.5"), Outcome::kNotApplicable);
  swarm() = {{"LocalNodeState", "locked"}};
  EXPECT_EQ(OutcomeOf("7.5"), Outcome::kPass);
}

TEST_F(JudgeSwarm, CertificatesOfNodesEndInTime) {
  json& expiry = swarm()["Cluster"]["Spec"]["CAConfig"]["NodeCertExpiry"];
  expiry = std::int64_t{7776000000000001};
  EXPECT_EQ(OutcomeOf("7.7"), Outcome::kFail);
  expiry = nullptr;
  EXPECT_EQ(OutcomeOf("7.7"), Outcome::kCannotTell);
}

TEST_F(JudgeSwarm, TrafficHasAnAddressOfItsOwn) {
  WriteState(R"({"DataPathAddr": ""})");
  EXPECT_EQ(OutcomeOf("7.9"), Outcome::kFail);
  WriteState(R"({"DataPathAddr": "10.0.0.1"})");
  EXPECT_EQ(OutcomeOf("7.9"), Outcome::kFail);
  WriteState("{");
  EXPECT_EQ(OutcomeOf("7.9"), Outcome::kCannotTell);
  std::filesystem::remove_all(root_ / "data");
  EXPECT_EQ(OutcomeOf("7.9"), Outcome::kCannotTell);
}

}  // namespace
}  // namespace seaworthy::docker
