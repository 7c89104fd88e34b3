#include "seaworthy/os/notify.h"

#include <gmock/gmock.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cstdlib>
#include <cstring>

#include "seaworthy/handle.h"
#include "support/temp_root.h"

namespace seaworthy::os {
namespace {

using ::testing::MatchesRegex;

// Stands where systemd does.
class NotifyTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const std::string path = root_ / "notify";
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path.c_str(), sizeof(address.sun_path) - 1);
    socket_.reset(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    ASSERT_EQ(bind(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
    setenv("NOTIFY_SOCKET", path.c_str(), 1);
  }
  void TearDown() override {
    unsetenv("NOTIFY_SOCKET");
    unsetenv("WATCHDOG_USEC");
  }

  std::string Receive() {
    pollfd ready = {socket_.get(), POLLIN, 0};
    if (poll(&ready, 1, 20'000) != 1) return "nothing came";
    char buffer[512];
    const ssize_t size = recv(socket_.get(), buffer, sizeof(buffer), 0);
    return {buffer, static_cast<std::size_t>(size)};
  }

  testing::TempRoot root_;
  UniqueFd socket_;
};

TEST_F(NotifyTest, SpeaksTheProtocol) {
  NotifyReady("serving");
  EXPECT_EQ(Receive(), "READY=1\nSTATUS=serving");
  NotifyReloading();
  EXPECT_THAT(Receive(), MatchesRegex("RELOADING=1\nMONOTONIC_USEC=[0-9]+"));
  NotifyStopping("letting calls finish");
  EXPECT_EQ(Receive(), "STOPPING=1\nSTATUS=letting calls finish");
  NotifyAlive();
  EXPECT_EQ(Receive(), "WATCHDOG=1");
}

TEST_F(NotifyTest, TextCannotAddALine) {
  NotifyReady("a\nWATCHDOG=trigger");
  EXPECT_EQ(Receive(), "READY=1\nSTATUS=a WATCHDOG=trigger");
}

TEST_F(NotifyTest, KnowsTheWatchdogTime) {
  EXPECT_EQ(WatchdogTime(), std::nullopt);
  setenv("WATCHDOG_USEC", "30000000", 1);
  EXPECT_EQ(WatchdogTime(), std::chrono::seconds(30));
}

TEST(Notify, DoesNothingWithoutSystemd) {
  unsetenv("NOTIFY_SOCKET");
  NotifyReady("serving");
  EXPECT_EQ(WatchdogTime(), std::nullopt);
}

}  // namespace
}  // namespace seaworthy::os
