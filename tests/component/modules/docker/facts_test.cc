// What is collected from a real engine with real containers, beside what was asked of it.
#include "modules/docker/facts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "engine_fixture.h"
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
