// What is judged of a real engine, as it starts, as it reloads, and as its file is edited.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <fstream>
#include <memory>
#include <thread>

#include "engine_fixture.h"
#include "modules/docker/audit.h"
#include "own_network.h"
#include "support/program.h"

namespace seaworthy::docker {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;

std::vector<Finding> Judge(const Facts& facts, const CheckFamily& family, std::string_view check) {
  Findings findings;
  family.judge(facts, SitePolicy(), findings);
  std::vector<Finding> of;
  for (Finding& finding : findings.Take()) {
    if (finding.check == check) of.push_back(std::move(finding));
  }
  return of;
}

Finding One(const Facts& facts, const CheckFamily& family, std::string_view check) {
  std::vector<Finding> of = Judge(facts, family, check);
  EXPECT_THAT(of, SizeIs(1)) << check;
  return of.empty() ? Finding() : of.front();
}

Finding Daemon(const Facts& facts, std::string_view check) {
  return One(facts, kDaemonChecks, check);
}

constexpr const char* kConfigured = R"({
  "x": {"no-new-privileges": true}, "iptables": false, "userland-proxy": false,
  "live-restore": true, "log-driver": "nosuch", "storage-driver": "vfs",
  "insecure-registries": ["registry.example:5000", "10.0.0.0/8", "127.0.0.1:5000", "::1/128"],
  "default-ulimits": {"nofile": {"Name": "nofile", "Soft": 64, "Hard": 128}}})";

class JudgeEngine : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    network_ = std::make_unique<OwnNetwork>();
    engine_ = std::make_unique<PrivateEngine>(kConfigured);
  }
  static void TearDownTestSuite() {
    engine_.reset();
    network_.reset();
  }

  static void Write(const std::string& daemon_json) {
    std::ofstream(engine_->config()) << daemon_json;
  }

  // Until the engine's /info shows whether it debugs.
  static void Reload(bool debug) {
    kill(engine_->pid(), SIGHUP);
    const Deadline deadline = PrivateEngine::Soon();
    for (;;) {
      const auto info = engine_->api().Get(deadline, "/info");
      ASSERT_TRUE(info.ok()) << info.status();
      if (IsTrue(At(*info, {"Debug"})) == debug) return;
      std::this_thread::yield();
    }
  }

  static inline std::unique_ptr<OwnNetwork> network_;
  static inline std::unique_ptr<PrivateEngine> engine_;
};

// The file is named by --config-file PATH, in two words.
TEST_F(JudgeEngine, AsItIsConfigured) {
  const Facts facts = engine_->facts();
  EXPECT_EQ(Daemon(facts, "2.4").outcome, Outcome::kFail);
  EXPECT_EQ(Daemon(facts, "2.4").evidence, engine_->config() + ": iptables = false");
  for (const char* const good : {"2.2", "2.3", "2.6", "2.7", "2.8", "2.10", "2.11", "2.14", "2.15",
                                 "2.16", "2.17", "2.18"}) {
    EXPECT_EQ(Daemon(facts, good).outcome, Outcome::kPass) << good << Daemon(facts, good).text;
    EXPECT_THAT(Daemon(facts, good).evidence, Not(HasSubstr("has changed"))) << good;
  }
  for (const char* const bad : {"2.1", "2.9", "2.12", "2.13"}) {
    EXPECT_EQ(Daemon(facts, bad).outcome, Outcome::kFail) << bad;
  }
  EXPECT_THAT(Daemon(facts, "2.13").text, HasSubstr("no such log driver"));
  EXPECT_THAT(Judge(facts, kDaemonChecks, "2.5"),
              ElementsAre(AllOf(Field(&Finding::subject, "10.0.0.0/8"),
                                Field(&Finding::outcome, Outcome::kFail)),
                          Field(&Finding::subject, "registry.example:5000")));
  for (const Check& check : kSwarmChecks.checks) {
    EXPECT_EQ(One(facts, kSwarmChecks, check.id).outcome, Outcome::kNotApplicable) << check.id;
  }
}

TEST_F(JudgeEngine, AFileThatIsEditedDoesNotSayWhatRuns) {
  Write(R"({"iptables": true, "userland-proxy": false, "live-restore": false})");
  const Facts edited = engine_->facts();
  EXPECT_EQ(Daemon(edited, "2.15").outcome, Outcome::kPass);
  EXPECT_THAT(Daemon(edited, "2.15").evidence, HasSubstr("the file has changed"));
  EXPECT_THAT(Daemon(edited, "2.13").evidence, HasSubstr("the file has changed"));
  EXPECT_THAT(Judge(edited, kDaemonChecks, "2.5").front().evidence, HasSubstr("has changed"));
  // The engine runs without iptables, whatever the file says by now.
  EXPECT_EQ(Daemon(edited, "2.4").outcome, Outcome::kCannotTell);

  // A key that is gone does not set back what runs, and SIGHUP takes what it can alone.
  Write(R"({"iptables": true, "debug": true, "log-level": "info"})");
  Reload(true);
  const Facts reloaded = engine_->facts();
  EXPECT_EQ(Daemon(reloaded, "2.3").outcome, Outcome::kFail);
  EXPECT_EQ(Daemon(reloaded, "2.15").outcome, Outcome::kPass);
  EXPECT_EQ(Daemon(reloaded, "2.4").outcome, Outcome::kCannotTell);

  Write(R"({"icc": true, "icc": false})");
  const Facts twice = engine_->facts();
  EXPECT_EQ(Daemon(twice, "2.4").outcome, Outcome::kCannotTell);
  EXPECT_THAT(Daemon(twice, "2.4").text, HasSubstr(engine_->config()));
  Write(R"({"iptables": true, "unknown-to-it": 1, "log-driver": "nosuch", "live-restore": true,
            "debug": true})");
  EXPECT_EQ(Daemon(engine_->facts(), "2.4").outcome, Outcome::kCannotTell);

  Write(R"({"debug": false})");
  Reload(false);
  Write(kConfigured);
}

// The bridge is made at the start, and shows what the engine made of icc then.
TEST(JudgeBridge, IsAsItWasMade) {
  const OwnNetwork network;
  PrivateEngine engine(R"({"icc": false, "storage-driver": "vfs"})", {"--bridge="});
  EXPECT_EQ(Daemon(engine.facts(), "2.2").outcome, Outcome::kPass);
  EXPECT_THAT(Daemon(engine.facts(), "2.2").evidence, HasSubstr("enable_icc = false"));
  std::ofstream(engine.config()) << R"({"icc": true, "storage-driver": "vfs"})";
  EXPECT_EQ(Daemon(engine.facts(), "2.2").outcome, Outcome::kPass);
  EXPECT_THAT(Daemon(engine.facts(), "2.2").evidence, HasSubstr("the file has changed"));
  engine.Stop();
  engine.Start({"--bridge="});
  EXPECT_EQ(Daemon(engine.facts(), "2.2").outcome, Outcome::kFail);
}

// What the engine itself serves, as its flags say.
class JudgeTcp : public ::testing::Test {
 protected:
  static std::string Certificates(const testing::TempRoot& folder) {
    const auto made = testing::OutputOf(
        "cd " + folder.path().string() +
        " && openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=t -addext "
        "subjectAltName=IP:127.0.0.1 -keyout key -out cert 2>&1");
    EXPECT_EQ(made.status, 0) << made.text;
    return made.text;
  }

  static Finding Of(const std::vector<std::string>& flags) {
    const OwnNetwork network;
    PrivateEngine engine(R"({"iptables": false, "storage-driver": "vfs"})", flags);
    const Facts facts = engine.facts();
    // What its configuration is told to be is what the engine made of it.
    for (const TlsProbe& probe : facts.tls) {
      EXPECT_TRUE(probe.answer.ok()) << probe.answer.status();
      if (!facts.config.ok() || !probe.answer.ok()) continue;
      EXPECT_EQ(facts.config->Flag("tls"), probe.answer->tls);
      EXPECT_EQ(facts.config->Flag("tlsverify"), probe.answer->insists_on_certificate);
    }
    EXPECT_EQ(facts.tls.size(), 1U);
    return Daemon(facts, "2.7");
  }
};

TEST_F(JudgeTcp, WithoutTls) {
  const Finding finding = Of({"-H", "tcp://127.0.0.1:2375", "--tls=false"});
  EXPECT_EQ(finding.outcome, Outcome::kFail);
  EXPECT_EQ(finding.subject, "tcp://127.0.0.1:2375");
  EXPECT_THAT(finding.evidence, HasSubstr("HTTP without TLS"));
}

TEST_F(JudgeTcp, WithAndWithoutClientCertificates) {
  const testing::TempRoot folder;
  Certificates(folder);
  std::vector<std::string> flags = {
      "-H",        "tcp://127.0.0.1:2376", "--tlscacert", folder / "cert",
      "--tlscert", folder / "cert",        "--tlskey",    folder / "key",
      "--tls"};
  // --tls is --tlsverify as well unless that says no.
  EXPECT_EQ(Of(flags).outcome, Outcome::kPass);
  flags.emplace_back("--tlsverify=false");
  const Finding open = Of(flags);
  EXPECT_EQ(open.outcome, Outcome::kFail);
  EXPECT_THAT(open.evidence, HasSubstr("asks for no client certificate"));
  flags.back() = "--tlsverify";
  const Finding mutual = Of(flags);
  EXPECT_EQ(mutual.outcome, Outcome::kPass);
  // Of an engine whose versions and suites nobody can set.
  EXPECT_THAT(mutual.evidence,
              AllOf(HasSubstr("accepts TLSv1.2, TLSv1.3"), HasSubstr("ECDHE-RSA-AES128-SHA"),
                    HasSubstr("insists on a client certificate")));
}

TEST(JudgeSwarmOfEngine, AsItIsMade) {
  const OwnNetwork network;
  PrivateEngine engine(R"({"iptables": false, "storage-driver": "vfs"})");
  const auto made =
      engine.api().Post(PrivateEngine::Soon(), "/swarm/init",
                        {{"ListenAddr", "127.0.0.1:2377"}, {"AdvertiseAddr", "127.0.0.1:2377"}});
  ASSERT_TRUE(made.ok()) << made.status();
  const auto overlay = engine.api().Post(
      PrivateEngine::Soon(), "/networks/create",
      {{"Name", "safe"}, {"Driver", "overlay"}, {"Options", {{"encrypted", ""}}}});
  EXPECT_TRUE(overlay.ok()) << overlay.status();
  const Facts facts = engine.facts();
  const auto swarm = [&](std::string_view check) { return One(facts, kSwarmChecks, check); };
  EXPECT_EQ(swarm("7.1").outcome, Outcome::kPass);
  EXPECT_EQ(swarm("7.2").outcome, Outcome::kPass) << swarm("7.2").text;
  EXPECT_THAT(swarm("7.2").evidence, HasSubstr("127.0.0.1 port 2377"));
  EXPECT_EQ(swarm("7.3").subject, "ingress");
  EXPECT_EQ(swarm("7.5").outcome, Outcome::kFail);
  EXPECT_EQ(swarm("7.7").outcome, Outcome::kManual);
  EXPECT_EQ(swarm("7.9").outcome, Outcome::kFail) << swarm("7.9").text;
  EXPECT_EQ(Daemon(facts, "2.15").outcome, Outcome::kNotApplicable);
  // The swarm's ports are no API.
  EXPECT_EQ(Daemon(facts, "2.7").outcome, Outcome::kPass) << Daemon(facts, "2.7").evidence;
}

}  // namespace
}  // namespace seaworthy::docker
