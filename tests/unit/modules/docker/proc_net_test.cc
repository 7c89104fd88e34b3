// Lines as /proc shows them, of a real engine; and what is none.
#include "modules/docker/proc_net.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace seaworthy::docker {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr std::string_view kUnix =
    "Num       RefCount Protocol Flags    Type St Inode Path\n"
    "000000004d2b7a2e: 00000002 00000000 00010000 0001 01 21310 /run/docker.sock\n"
    "0000000012c7d1a3: 00000003 00000000 00000000 0001 03 21311 /run/docker.sock\n"
    "0000000012c7d1a4: 00000002 00000000 00010000 0001 01 21312 @/containerd-shim/a.sock\n"
    "0000000012c7d1a5: 00000002 00000000 00010000 0001 01 21313 /run/a folder/s\n"
    "0000000012c7d1a6: 00000002 00000000 00010000 0001 01 21314\n";

TEST(ProcNet, UnixSocketsThatListenAtAPath) {
  const auto sockets = ParseProcNetUnix(kUnix);
  ASSERT_THAT(sockets, SizeIs(2));
  EXPECT_EQ(sockets[0].inode, 21310U);
  EXPECT_EQ(sockets[0].listener.address, "/run/docker.sock");
  EXPECT_EQ(sockets[1].listener.address, "/run/a folder/s");
}

TEST(ProcNet, TcpSocketsThatListen) {
  const auto sockets = ParseProcNetTcp(
      "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout "
      "inode\n"
      "   0: 0100007F:0947 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 "
      "4711 1 0000000000000000 100 0 0 10 0\n"
      "   1: 0100007F:0947 0100007F:D2F0 01 00000000:00000000 00:00000000 00000000     0        0 "
      "4712 1 0000000000000000 20 4 30 10 -1\n");
  ASSERT_THAT(sockets, SizeIs(1));
  EXPECT_EQ(sockets[0].inode, 4711U);
  EXPECT_EQ(sockets[0].listener.kind, Listener::Kind::kTcp);
  EXPECT_EQ(sockets[0].listener.address, "127.0.0.1");
  EXPECT_EQ(sockets[0].listener.port, 2375);
}

TEST(ProcNet, AnAddressOfIpv6IsInFourWords) {
  const auto sockets = ParseProcNetTcp(
      "head\n"
      "   0: B80D0120000000000000000001000000:0948 00000000000000000000000000000000:0000 0A "
      "00000000:00000000 00:00000000 00000000     0        0 4713 1 0000000000000000 100 0 0 10 "
      "0\n");
  ASSERT_THAT(sockets, SizeIs(1));
  EXPECT_EQ(sockets[0].listener.address, "2001:db8::1");
}

TEST(ProcNet, WhatIsNoLineIsLookedOver) {
  EXPECT_THAT(ParseProcNetUnix(""), IsEmpty());
  EXPECT_THAT(ParseProcNetUnix("head\n\nx\n: : : 10000 : : : /\n"), IsEmpty());
  EXPECT_THAT(
      ParseProcNetTcp("head\n0: 7F:1 0 0A 0 0 0 0 0 1\n0: 0100007F:12345 0 0A 0 0 0 0 0 1\n"),
      IsEmpty());
}

}  // namespace
}  // namespace seaworthy::docker
