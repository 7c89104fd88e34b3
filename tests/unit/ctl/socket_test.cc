#include "ctl/socket.h"

#include <gmock/gmock.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>

#include "seaworthy/handle.h"
#include "support/status_matchers.h"
#include "support/temp_root.h"

namespace seaworthy::ctl {
namespace {

using testing::Fails;
using ::testing::HasSubstr;
using testing::IsOk;
using testing::TempRoot;

UniqueFd Listen(const std::string& path) {
  UniqueFd fd(socket(AF_UNIX, SOCK_STREAM, 0));
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path.c_str(), sizeof(address.sun_path) - 1);
  EXPECT_EQ(bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  EXPECT_EQ(listen(fd.get(), 1), 0);
  return fd;
}

TEST(Socket, SaysWhenNobodyListens) {
  const TempRoot root;
  const Status absent = CheckSocket(root / "s");
  EXPECT_THAT(absent, Fails(Code::kUnavailable, "DAEMON_NOT_RUNNING"));
  EXPECT_THAT(Message(absent), HasSubstr("no daemon listens on " + root / "s"));
  EXPECT_THAT(Message(absent), HasSubstr("systemctl status seaworthyd"));
  Listen(root / "s");  // bound and closed again: the file stays
  EXPECT_THAT(CheckSocket(root / "s"), Fails(Code::kUnavailable, "DAEMON_NOT_RUNNING"));
}

TEST(Socket, TakesTheAdminSocketFirst) {
  const TempRoot root;
  const UniqueFd read = Listen(root / "read");
  EXPECT_EQ(ChooseSocket(root / "admin", root / "read").value(), root / "read");
  const UniqueFd admin = Listen(root / "admin");
  EXPECT_EQ(ChooseSocket(root / "admin", root / "read").value(), root / "admin");
}

TEST(Socket, TellsAboutTheReadSocketWhenNeitherCanBeOpened) {
  const TempRoot root;
  const Result<std::string> chosen = ChooseSocket(root / "admin", root / "read");
  EXPECT_THAT(chosen, Fails(Code::kUnavailable, "DAEMON_NOT_RUNNING"));
  EXPECT_THAT(Message(chosen.status()), HasSubstr(root / "read"));
}

TEST(Socket, SaysWhenTheUserMayNot) {
  const TempRoot root;
  const UniqueFd listener = Listen(root / "s");
  ASSERT_THAT(CheckSocket(root / "s"), IsOk());
  // As an ordinary user: root may open anything.
  std::filesystem::permissions(root.path(), std::filesystem::perms::none);
  const uid_t self = geteuid();
  const int left = self == 0 ? seteuid(65534) : 0;
  const Status denied = CheckSocket(root / "s");
  ASSERT_EQ(self == 0 ? seteuid(0) : 0, 0);
  std::filesystem::permissions(root.path(), std::filesystem::perms::owner_all);
  EXPECT_EQ(left, 0);
  EXPECT_THAT(denied, Fails(Code::kPermissionDenied, "SOCKET_DENIED"));
  EXPECT_THAT(Message(denied), HasSubstr("join the group seaworthy"));
}

TEST(Socket, RefusesAPathThatNoSocketCanHave) {
  EXPECT_THAT(CheckSocket("/" + std::string(120, 'x')), Fails(Code::kInvalidArgument, "USAGE"));
}

}  // namespace
}  // namespace seaworthy::ctl
