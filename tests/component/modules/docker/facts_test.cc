// What is collected from a real engine with real containers, beside what was asked of it.
#include "modules/docker/facts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <map>

#include "engine_fixture.h"
#include "modules/docker/audit.h"
#include "support/status_matchers.h"

namespace seaworthy::docker {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::SizeIs;

TEST(Facts, AreThoseOfTheEngineThatListensThere) {
  PrivateEngine engine(R"({"icc": true, "log-level": "warn"})", {"--iptables=false"});
  engine.ImportBusybox();
  const std::string id = engine.Run("one");
  const Facts facts = engine.facts();
  ASSERT_TRUE(facts.process.ok()) << facts.process.status();
  EXPECT_EQ(facts.process->pid, engine.pid());
  EXPECT_EQ(facts.process->uid, 0U);
  EXPECT_THAT(facts.process->executable, ::testing::EndsWith("/dockerd"));
  EXPECT_THAT(facts.process->arguments, Contains("--iptables=false"));
  ASSERT_TRUE(facts.config.ok()) << facts.config.status();
  EXPECT_EQ(facts.config->Value("log-level"), "warn");
  EXPECT_EQ(facts.config->settings.at("iptables").origin, Origin::kCommandLine);
  EXPECT_EQ(facts.config_file.path, engine.config());
  EXPECT_TRUE(facts.config_file.present);
  EXPECT_EQ(facts.data_root, engine.root() / "data");
  EXPECT_EQ(facts.containerd_socket, engine.root() / "exec/containerd/containerd.sock");
  ASSERT_TRUE(facts.containers.ok()) << facts.containers.status();
  ASSERT_THAT(*facts.containers, SizeIs(1));
  EXPECT_EQ(Text(At(facts.containers->front(), {"Name"})), "/one");
  ASSERT_TRUE(facts.images.ok()) << facts.images.status();
  ASSERT_THAT(*facts.images, SizeIs(1));
  EXPECT_TRUE(At(facts.images->front(), {"History"}).is_array());
  EXPECT_TRUE(facts.networks.ok()) << facts.networks.status();
  ASSERT_TRUE(facts.container_processes.contains(id));
  ASSERT_TRUE(facts.container_processes.at(id).ok()) << facts.container_processes.at(id).status();
  EXPECT_THAT(*facts.container_processes.at(id), ::testing::ElementsAre("sleep"));
}

TEST(Facts, OfExecsAndOfWhatVolumesAreMadeOf) {
  PrivateEngine engine("{}", {"--iptables=false"});
  engine.ImportBusybox();
  const auto volume = engine.api().Post(
      PrivateEngine::Soon(), "/volumes/create",
      {{"Name", "keys"},
       {"DriverOpts", {{"type", "none"}, {"o", "bind"}, {"device", "/etc/ssl"}}}});
  ASSERT_TRUE(volume.ok()) << volume.status();
  const std::string id =
      engine.Run("one", {{"User", "1000"}, {"HostConfig", {{"Binds", {"keys:/keys"}}}}});
  const auto exec =
      engine.api().Post(PrivateEngine::Soon(), "/containers/one/exec",
                        {{"User", "0"}, {"Privileged", true}, {"Cmd", {"/bin/sleep", "3600"}}});
  ASSERT_TRUE(exec.ok()) << exec.status();
  const Facts facts = engine.facts();
  ASSERT_TRUE(facts.execs.contains(id));
  ASSERT_TRUE(facts.execs.at(id).ok()) << facts.execs.at(id).status();
  ASSERT_THAT(*facts.execs.at(id), SizeIs(1));
  EXPECT_TRUE(IsTrue(At(facts.execs.at(id)->front(), {"ProcessConfig", "privileged"})));
  EXPECT_EQ(Text(At(facts.execs.at(id)->front(), {"ProcessConfig", "user"})), "0");
  ASSERT_TRUE(facts.volumes.ok()) << facts.volumes.status();
  ASSERT_THAT(*facts.volumes, SizeIs(1));
  EXPECT_EQ(Text(At(facts.volumes->front(), {"Options", "device"})), "/etc/ssl");
  std::map<std::string, std::string> fails;
  for (const Finding& finding : Audit(facts, {}, "2026-11-29")) {
    if (finding.outcome == Outcome::kFail) fails[finding.check] = finding.evidence;
  }
  EXPECT_THAT(fails["5.6"], HasSubstr("a volume of /etc/ssl"));
  EXPECT_THAT(fails["5.23"], HasSubstr("privileged"));
  EXPECT_THAT(fails["5.24"], HasSubstr("\"user\":\"0\""));
}

TEST(Facts, SayWhyThereAreNone) {
  const seaworthy::testing::TempRoot folder;
  const Result<Facts> facts = CollectFacts(PrivateEngine::Soon(), {.socket = folder / "none.sock"});
  ASSERT_TRUE(facts.ok());
  EXPECT_EQ(Reason(facts->version.status()), "ENGINE_ABSENT");
  EXPECT_EQ(Reason(facts->process.status()), "ENGINE_PROCESS");
  EXPECT_FALSE(facts->config.ok());
}

TEST(Facts, OfASocketThatHangsAreThereAtTheDeadline) {
  const seaworthy::testing::TempRoot folder;
  const UniqueFd listener(socket(AF_UNIX, SOCK_STREAM, 0));
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  std::snprintf(address.sun_path, sizeof(address.sun_path), "%s", (folder / "s").c_str());
  ASSERT_EQ(bind(listener.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  ASSERT_EQ(listen(listener.get(), 1), 0);
  const auto begin = std::chrono::steady_clock::now();
  const Result<Facts> facts =
      CollectFacts(DeadlineIn(std::chrono::milliseconds(300)), {.socket = folder / "s"});
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(5));
  ASSERT_TRUE(facts.ok());
  EXPECT_EQ(Reason(facts->version.status()), "ENGINE_TIMEOUT");
  EXPECT_EQ(Reason(facts->containers.status()), "ENGINE_TIMEOUT");
}

}  // namespace
}  // namespace seaworthy::docker
