// A network of its own for this thread and what it starts, with a loopback interface: engines in it
// leave the machine's interfaces, firewall and ports alone.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cstring>

#include "seaworthy/handle.h"

namespace seaworthy::docker {

class OwnNetwork {
 public:
  OwnNetwork() : before_(open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC)) {
    EXPECT_TRUE(before_);
    EXPECT_EQ(unshare(CLONE_NEWNET), 0) << std::strerror(errno);
    const UniqueFd any(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    ifreq loopback = {};
    std::strncpy(loopback.ifr_name, "lo", sizeof(loopback.ifr_name) - 1);
    loopback.ifr_flags = IFF_UP;
    EXPECT_EQ(ioctl(any.get(), SIOCSIFFLAGS, &loopback), 0) << std::strerror(errno);
  }
  ~OwnNetwork() { EXPECT_EQ(setns(before_.get(), CLONE_NEWNET), 0) << std::strerror(errno); }
  OwnNetwork(const OwnNetwork&) = delete;
  OwnNetwork& operator=(const OwnNetwork&) = delete;

 private:
  const UniqueFd before_;
};

}  // namespace seaworthy::docker
