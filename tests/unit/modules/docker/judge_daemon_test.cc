#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "judge_fixture.h"

namespace seaworthy::docker {
namespace {

using nlohmann::json;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;

constexpr const char* kFile = "/etc/docker/daemon.json";

// What an engine of 20.10 with nothing configured says of itself, as far as it is judged.
json PlainInfo() {
  return json::parse(R"({
    "Debug": false, "Driver": "overlay2", "ExperimentalBuild": false, "LiveRestoreEnabled": false,
    "LoggingDriver": "json-file",
    "Plugins": {"Authorization": null, "Log": ["json-file", "journald", "syslog"]},
    "RegistryConfig": {"InsecureRegistryCIDRs": ["127.0.0.0/8"],
                       "IndexConfigs": {"docker.io": {"Name": "docker.io", "Secure": true}}},
    "SecurityOptions": ["name=apparmor", "name=seccomp,profile=default"],
    "Swarm": {"LocalNodeState": "inactive"}})");
}

class JudgeDaemon : public JudgeFixture {
 protected:
  JudgeDaemon() : JudgeFixture(kDaemonChecks) {
    facts_.version = json{{"Version", "20.10.24"}, {"Experimental", false}};
    facts_.info = PlainInfo();
    facts_.networks = std::vector<json>();
    facts_.process = EngineProcess();
    facts_.process->pid = 77;
    facts_.config_file = {.path = kFile, .named = false, .present = true};
    Configure("{}");
  }

  void Configure(std::string_view file, const std::vector<std::string>& arguments = {},
                 const EngineVersion& version = {20, 10, 24}) {
    facts_.engine_version = version;
    const Result<DaemonJson> parsed = ParseDaemonJson(file, version);
    if (!parsed.ok()) {
      facts_.config = Wrap(parsed.status(), kFile);
      return;
    }
    facts_.config = MakeEffectiveConfig(ParseEngineFlags(arguments, version), *parsed, version);
  }

  std::vector<Finding> All() const {
    Findings findings;
    kDaemonChecks.judge(facts_, policy_, findings);
    return findings.Take();
  }

  void Listen(std::uint16_t port, Result<TlsAnswer> answer) {
    const Listener listener = {Listener::Kind::kTcp, "127.0.0.1", port};
    facts_.process->listeners.push_back(listener);
    facts_.tls.push_back({listener, std::move(answer)});
  }
};

TEST_F(JudgeDaemon, EachCheckSaysSomethingWhateverIsThere) {
  const auto all_have_one = [&] {
    for (const Check& check : kDaemonChecks.checks)
      EXPECT_THAT(Of(check.id), SizeIs(1)) << check.id;
  };
  all_have_one();
  const Status absent = Fail(Code::kUnavailable, "ENGINE_ABSENT", "nobody listens there");
  facts_.info = absent;
  facts_.version = absent;
  facts_.networks = absent;
  facts_.config = absent;
  facts_.process = absent;
  all_have_one();
  for (const Finding& finding : All()) {
    EXPECT_EQ(finding.outcome, Outcome::kCannotTell) << finding.check;
    EXPECT_EQ(finding.text, "nobody listens there") << finding.check;
  }
  facts_.info = json("no object");
  facts_.version = json::array();
  facts_.networks = std::vector<json>{json(1)};
  facts_.process = EngineProcess();
  Configure("{}");
  all_have_one();
}

TEST_F(JudgeDaemon, WhatAnEngineWithoutConfigurationIs) {
  for (const char* const good :
       {"2.3", "2.4", "2.5", "2.6", "2.7", "2.10", "2.11", "2.17", "2.18"}) {
    EXPECT_EQ(OutcomeOf(good), Outcome::kPass) << good;
  }
  for (const char* const bad :
       {"2.1", "2.2", "2.8", "2.9", "2.12", "2.13", "2.14", "2.15", "2.16"}) {
    EXPECT_EQ(OutcomeOf(bad), Outcome::kFail) << bad;
  }
  EXPECT_EQ(One("2.4").evidence, "iptables = true, the engine's default");
}

TEST_F(JudgeDaemon, WhatTheFileSaysCounts) {
  Configure(R"({"icc": false, "log-level": "info", "iptables": true, "no-new-privileges": true,
                "default-ulimits": {"nofile": {"Name": "nofile", "Soft": 64, "Hard": 128}},
                "userland-proxy": false})");
  for (const char* const good : {"2.2", "2.3", "2.4", "2.8", "2.14", "2.16"}) {
    EXPECT_EQ(OutcomeOf(good), Outcome::kPass) << good;
  }
  EXPECT_EQ(One("2.16").evidence, "/etc/docker/daemon.json: userland-proxy = false");
  Configure(R"({"iptables": false, "log-level": "warn", "cgroup-parent": "/other",
                "storage-opts": ["dm.basesize=20G"]})");
  for (const char* const bad : {"2.3", "2.4", "2.10", "2.11"}) {
    EXPECT_EQ(OutcomeOf(bad), Outcome::kFail) << bad;
  }
  EXPECT_EQ(One("2.4").evidence, "/etc/docker/daemon.json: iptables = false");
}

TEST_F(JudgeDaemon, FlagsCountAndAreNamed) {
  Configure("{}",
            {"--iptables=false", "--userland-proxy=false", "--default-ulimit", "nofile=64:128"});
  EXPECT_EQ(OutcomeOf("2.4"), Outcome::kFail);
  EXPECT_EQ(One("2.4").evidence, "dockerd --iptables = false");
  EXPECT_EQ(OutcomeOf("2.16"), Outcome::kPass);
  EXPECT_EQ(OutcomeOf("2.8"), Outcome::kPass);
  EXPECT_THAT(One("2.8").evidence, HasSubstr("dockerd --default-ulimit = "));
}

// The engine takes a flag's key out of any object.
TEST_F(JudgeDaemon, NestedKeysTakeEffect) {
  Configure(R"({"x": {"no-new-privileges": true, "iptables": false}})");
  EXPECT_EQ(OutcomeOf("2.14"), Outcome::kPass);
  EXPECT_EQ(OutcomeOf("2.4"), Outcome::kFail);
  Configure(R"({"x": {"default-ulimits": {"nofile": {"Name": "nofile", "Soft": 1, "Hard": 1}}}})");
  EXPECT_EQ(OutcomeOf("2.8"), Outcome::kFail);
}

TEST_F(JudgeDaemon, AFileWithAKeyTwiceCannotBeRead) {
  Configure(R"({"icc": true, "icc": false})");
  const Finding finding = One("2.2");
  EXPECT_EQ(finding.outcome, Outcome::kCannotTell);
  EXPECT_THAT(finding.text, AllOf(HasSubstr(kFile), HasSubstr("icc")));
  EXPECT_EQ(OutcomeOf("2.4"), Outcome::kCannotTell);
  // What runs can still be seen.
  EXPECT_EQ(OutcomeOf("2.15"), Outcome::kFail);
}

TEST_F(JudgeDaemon, DebugOverridesTheLogLevel) {
  Configure(R"({"debug": true, "log-level": "info"})");
  (*facts_.info)["Debug"] = true;
  EXPECT_EQ(OutcomeOf("2.3"), Outcome::kFail);
  EXPECT_THAT(One("2.3").evidence,
              AllOf(HasSubstr("GET /info: Debug = true"), HasSubstr("log-level = \"info\""),
                    Not(HasSubstr("has changed"))));
}

TEST_F(JudgeDaemon, WhatRunsGoesBeforeTheFile) {
  Configure(R"({"live-restore": true, "log-driver": "syslog"})");
  EXPECT_EQ(OutcomeOf("2.15"), Outcome::kFail);
  EXPECT_EQ(OutcomeOf("2.13"), Outcome::kFail);
  for (const char* const check : {"2.13", "2.15"}) {
    EXPECT_THAT(One(check).evidence, HasSubstr("the file has changed since the engine's start"));
  }
  (*facts_.info)["LiveRestoreEnabled"] = true;
  (*facts_.info)["LoggingDriver"] = "syslog";
  for (const char* const check : {"2.13", "2.15"}) {
    EXPECT_EQ(OutcomeOf(check), Outcome::kPass);
    EXPECT_THAT(One(check).evidence, Not(HasSubstr("has changed")));
  }
}

// A file that was edited may have said another thing when the engine read it.
TEST_F(JudgeDaemon, AFileOfAnotherTimeProvesNothing) {
  Configure(R"({"live-restore": true, "userland-proxy": false})");
  EXPECT_EQ(OutcomeOf("2.16"), Outcome::kCannotTell);
  EXPECT_THAT(One("2.16").evidence, AllOf(HasSubstr("userland-proxy = false"),
                                          HasSubstr("live-restore = true, and GET /info")));
  Configure(R"({"userland-proxy": false, "no-such-key": 1})");
  EXPECT_EQ(OutcomeOf("2.16"), Outcome::kCannotTell);
  EXPECT_THAT(One("2.16").evidence, HasSubstr("no-such-key"));
  // A bad one fails, at the next start at the latest; and a flag is as it was at the start.
  Configure(R"({"live-restore": true, "iptables": false})", {"--userland-proxy=false"});
  EXPECT_EQ(OutcomeOf("2.4"), Outcome::kFail);
  EXPECT_EQ(OutcomeOf("2.16"), Outcome::kPass);
}

TEST_F(JudgeDaemon, TheBridgeThatIsThereGoesBeforeTheFile) {
  const auto bridge = [](const char* icc) {
    return std::vector<json>{{{"Name", "bridge"},
                              {"Options",
                               {{"com.docker.network.bridge.default_bridge", "true"},
                                {"com.docker.network.bridge.enable_icc", icc}}}}};
  };
  facts_.networks = bridge("true");
  Configure(R"({"icc": false})");
  EXPECT_EQ(OutcomeOf("2.2"), Outcome::kFail);
  EXPECT_THAT(One("2.2").evidence, HasSubstr("the file has changed"));
  facts_.networks = bridge("false");
  EXPECT_EQ(OutcomeOf("2.2"), Outcome::kPass);
  EXPECT_THAT(One("2.2").evidence, Not(HasSubstr("has changed")));
  EXPECT_THAT(One("2.2").text, Not(HasSubstr("default-network-opts")));
  Configure(R"({"icc": false})", {}, {24, 0, 0});
  EXPECT_THAT(One("2.2").text, HasSubstr("default-network-opts"));
  facts_.networks = std::vector<json>();
  Configure(R"({"bridge": "none"})");
  EXPECT_EQ(OutcomeOf("2.2"), Outcome::kPass);
}

TEST_F(JudgeDaemon, RegistriesOfTheNodeItselfAreNoneOfOthers) {
  json& registries = (*facts_.info)["RegistryConfig"];
  registries["InsecureRegistryCIDRs"] = {"127.0.0.0/8", "::1/128", "127.1.0.0/16"};
  registries["IndexConfigs"]["127.0.0.1:5000"] = {{"Secure", false}};
  registries["IndexConfigs"]["[::1]:5000"] = {{"Secure", false}};
  EXPECT_EQ(OutcomeOf("2.5"), Outcome::kPass);
  registries["InsecureRegistryCIDRs"] = {"127.0.0.0/4", "10.0.0.0/8", "::/0"};
  registries["IndexConfigs"]["registry.example:5000"] = {{"Secure", false}};
  registries["IndexConfigs"]["127.0.0.1.example"] = {{"Secure", false}};
  Configure(R"({"insecure-registries": ["registry.example:5000", "10.0.0.0/8"]})");
  policy_.insecure_registries = {"10.0.0.0/8"};
  const std::vector<Finding> found = Of("2.5");
  EXPECT_THAT(found,
              ElementsAre(Field(&Finding::subject, "127.0.0.0/4"), Field(&Finding::subject, "::/0"),
                          Field(&Finding::subject, "127.0.0.1.example"),
                          Field(&Finding::subject, "registry.example:5000")));
  EXPECT_THAT(found.front().evidence, HasSubstr("has changed"));
  EXPECT_THAT(found.back().evidence, Not(HasSubstr("has changed")));
  policy_.insecure_registries = {"10.0.0.0/8", "127.0.0.0/4", "::/0", "127.0.0.1.example",
                                 "registry.example:5000"};
  EXPECT_EQ(OutcomeOf("2.5"), Outcome::kPass);
}

TEST_F(JudgeDaemon, SecurityOptionsOfTheEngine) {
  json& options = (*facts_.info)["SecurityOptions"];
  options = {"name=seccomp,profile=unconfined", "name=userns"};
  EXPECT_EQ(OutcomeOf("2.9"), Outcome::kPass);
  EXPECT_EQ(OutcomeOf("2.17"), Outcome::kFail);
  options = {"name=seccomp,profile=/etc/docker/own.json", "name=rootless"};
  EXPECT_EQ(OutcomeOf("2.1"), Outcome::kPass);
  EXPECT_EQ(OutcomeOf("2.9"), Outcome::kPass);
  EXPECT_EQ(OutcomeOf("2.17"), Outcome::kFail);
  options = {"name=seccomp,profile=builtin", "name=no-new-privileges"};
  EXPECT_EQ(OutcomeOf("2.17"), Outcome::kPass);
  EXPECT_EQ(OutcomeOf("2.14"), Outcome::kPass);
  options = {"name=apparmor"};
  EXPECT_EQ(OutcomeOf("2.17"), Outcome::kFail);
  Configure(R"({"userns-remap": "default"})");
  EXPECT_EQ(OutcomeOf("2.9"), Outcome::kFail);
  EXPECT_THAT(One("2.9").evidence, HasSubstr("has changed"));
}

TEST_F(JudgeDaemon, OldDriversAndFeatures) {
  (*facts_.info)["Driver"] = "aufs";
  EXPECT_EQ(OutcomeOf("2.6"), Outcome::kFail);
  (*facts_.version)["Experimental"] = true;
  EXPECT_EQ(OutcomeOf("2.18"), Outcome::kFail);
}

TEST_F(JudgeDaemon, LogDrivers) {
  for (const char* const stays : {"json-file", "local", "none"}) {
    (*facts_.info)["LoggingDriver"] = stays;
    EXPECT_EQ(OutcomeOf("2.13"), Outcome::kFail) << stays;
  }
  (*facts_.info)["LoggingDriver"] = "nosuch";
  EXPECT_EQ(OutcomeOf("2.13"), Outcome::kFail);
  EXPECT_THAT(One("2.13").text, HasSubstr("no such log driver"));
  (*facts_.info)["LoggingDriver"] = "own";
  (*facts_.info)["Plugins"]["Log"] = {"json-file", "own:latest"};
  EXPECT_EQ(OutcomeOf("2.13"), Outcome::kPass);
}

// After a SIGHUP /info shows plugins that are asked no longer.
TEST_F(JudgeDaemon, AuthorizationPluginsPassOnlyWhereAllAgree) {
  Configure(R"({"authorization-plugins": ["agent"]})");
  EXPECT_EQ(OutcomeOf("2.12"), Outcome::kCannotTell);
  (*facts_.info)["Plugins"]["Authorization"] = {"agent"};
  EXPECT_EQ(OutcomeOf("2.12"), Outcome::kPass);
  EXPECT_THAT(One("2.12").evidence,
              AllOf(HasSubstr("only a request that the plugin is seen to answer proves"),
                    Not(HasSubstr("SIGHUP"))));
  Configure("{}", {"--authorization-plugin=agent"});
  EXPECT_EQ(OutcomeOf("2.12"), Outcome::kPass);
  EXPECT_THAT(One("2.12").evidence, HasSubstr("a SIGHUP drops"));
  Configure("{}");
  EXPECT_EQ(OutcomeOf("2.12"), Outcome::kCannotTell);
}

TEST_F(JudgeDaemon, LiveRestoreIsNotForSwarms) {
  (*facts_.info)["Swarm"]["LocalNodeState"] = "active";
  EXPECT_EQ(OutcomeOf("2.15"), Outcome::kNotApplicable);
}

TEST_F(JudgeDaemon, ListenersAreJudgedByWhatTheyAnswer) {
  const TlsAnswer mutual = {.tls = true,
                            .versions = {"TLSv1.2", "TLSv1.3"},
                            .cbc_suites = {"ECDHE-RSA-AES128-SHA"},
                            .asks_certificate = true,
                            .insists_on_certificate = true};
  Listen(2376, mutual);
  // The keys may say what they want.
  Configure(R"({"tlsverify": false})");
  EXPECT_EQ(OutcomeOf("2.7"), Outcome::kPass);
  EXPECT_THAT(One("2.7").text, HasSubstr("no key for the lowest version"));
  EXPECT_THAT(One("2.7").evidence,
              AllOf(HasSubstr("tcp://127.0.0.1:2376"), HasSubstr("TLSv1.2, TLSv1.3"),
                    HasSubstr("(CBC): ECDHE-RSA-AES128-SHA")));
  TlsAnswer asks = mutual;
  asks.insists_on_certificate = false;
  Listen(2377, asks);
  Listen(2375, TlsAnswer());
  Listen(2378, Fail(Code::kDeadlineExceeded, "TLS_LISTENER_TIMEOUT", "no whole answer in time"));
  const std::vector<Finding> found = Of("2.7");
  ASSERT_THAT(found, SizeIs(3));
  EXPECT_EQ(found[0].subject, "tcp://127.0.0.1:2377");
  EXPECT_EQ(found[0].outcome, Outcome::kFail);
  EXPECT_EQ(found[1].subject, "tcp://127.0.0.1:2375");
  EXPECT_EQ(found[1].outcome, Outcome::kFail);
  EXPECT_THAT(found[1].evidence, HasSubstr("HTTP without TLS"));
  EXPECT_EQ(found[2].outcome, Outcome::kCannotTell);
  (*facts_.info)["SecurityOptions"] = {"name=rootless"};
  for (const Finding& finding : Of("2.7")) EXPECT_EQ(finding.outcome, Outcome::kCannotTell);
}

// As those of a rootless engine, which are not tried.
TEST_F(JudgeDaemon, AListenerThatWasNotTriedDoesNotPass) {
  Listen(2375, TlsAnswer());
  facts_.tls.clear();
  EXPECT_EQ(OutcomeOf("2.7"), Outcome::kCannotTell);
  (*facts_.info)["SecurityOptions"] = {"name=rootless"};
  EXPECT_EQ(OutcomeOf("2.7"), Outcome::kCannotTell);
}

TEST_F(JudgeDaemon, OtherPortsOfTheEngineAreNotItsApi) {
  Listen(9323, TlsAnswer());
  Listen(2377, TlsAnswer());
  Listen(7946, TlsAnswer());
  EXPECT_THAT(Of("2.7"), SizeIs(3));
  (*facts_.info)["Swarm"]["LocalNodeState"] = "active";
  EXPECT_THAT(Of("2.7"), ElementsAre(Field(&Finding::subject, "tcp://127.0.0.1:9323")));
  Configure(R"({"metrics-addr": "127.0.0.1:9323"})");
  EXPECT_EQ(OutcomeOf("2.7"), Outcome::kPass);
}

}  // namespace
}  // namespace seaworthy::docker
