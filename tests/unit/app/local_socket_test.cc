#include "app/local_socket.h"

#include <sys/socket.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "support/status_matchers.h"
#include "support/temp_root.h"

namespace seaworthy::app {
namespace {

using testing::Fails;
using ::testing::HasSubstr;
using testing::IsOk;

constexpr SocketAccess kAdmin{0700, 0600, static_cast<gid_t>(-1)};
constexpr SocketAccess kReader{0750, 0660, static_cast<gid_t>(-1)};

mode_t ModeOf(const std::string& path) {
  struct stat stat = {};
  EXPECT_EQ(lstat(path.c_str(), &stat), 0) << path;
  return stat.st_mode & 07777U;
}

TEST(LocalSocket, MakesItsDirectoryWithTheModesWhateverTheUmask) {
  const testing::TempRoot root;
  for (const mode_t mask : {mode_t{077}, mode_t{0}}) {
    const mode_t old = umask(mask);
    const std::string folder = root / ("run" + std::to_string(mask));
    const Result<UniqueFd> admin = ListenLocal(folder + "/admin/s", kAdmin);
    const Result<UniqueFd> reader = ListenLocal(folder + "/read/s", kReader);
    umask(old);
    ASSERT_THAT(admin, IsOk());
    ASSERT_THAT(reader, IsOk());
    EXPECT_EQ(ModeOf(folder), 0755U);
    EXPECT_EQ(ModeOf(folder + "/admin"), 0700U);
    EXPECT_EQ(ModeOf(folder + "/admin/s"), 0600U);
    EXPECT_EQ(ModeOf(folder + "/read"), 0750U);
    EXPECT_EQ(ModeOf(folder + "/read/s"), 0660U);
  }
}

TEST(LocalSocket, RefusesAnOpenDirectoryAndLeavesItAsItIs) {
  const testing::TempRoot root;
  std::filesystem::create_directory(root / "d");
  chmod((root / "d").c_str(), 0755);
  const Result<UniqueFd> listener = ListenLocal(root / "d/s", kAdmin);
  EXPECT_THAT(listener, Fails(Code::kFailedPrecondition, "UNSAFE_DIRECTORY"));
  EXPECT_THAT(Message(listener.status()), HasSubstr("0755"));
  EXPECT_EQ(ModeOf(root / "d"), 0755U);
}

TEST(LocalSocket, RefusesALinkedDirectory) {
  const testing::TempRoot root;
  std::filesystem::create_directory(root / "d");
  chmod((root / "d").c_str(), 0700);
  std::filesystem::create_symlink(root / "d", root / "link");
  EXPECT_THAT(ListenLocal(root / "link/s", kAdmin),
              Fails(Code::kFailedPrecondition, "UNSAFE_DIRECTORY"));
}

TEST(LocalSocket, ReplacesAStaleSocketButNoLivingOne) {
  const testing::TempRoot root;
  const std::string path = root / "d/s";
  ASSERT_THAT(ListenLocal(path, kAdmin), IsOk());  // closed again, the name stays
  ASSERT_TRUE(std::filesystem::exists(path));
  const Result<UniqueFd> living = ListenLocal(path, kAdmin);
  ASSERT_THAT(living, IsOk());
  EXPECT_THAT(ListenLocal(path, kAdmin), Fails(Code::kAlreadyExists, "SOCKET_IN_USE"));
}

TEST(LocalSocket, ReplacesNothingElse) {
  const testing::TempRoot root;
  std::filesystem::create_directory(root / "d");
  chmod((root / "d").c_str(), 0700);
  std::ofstream(root / "d/s") << "precious";
  EXPECT_THAT(ListenLocal(root / "d/s", kAdmin), Fails(Code::kFailedPrecondition, "UNSAFE_FILE"));
  EXPECT_EQ(std::filesystem::file_size(root / "d/s"), 8U);
}

TEST(LocalSocket, FindsGroups) {
  const Result<gid_t> root_group = FindGroup("root");
  ASSERT_THAT(root_group, IsOk());
  EXPECT_EQ(*root_group, 0U);
  EXPECT_THAT(FindGroup("no-such-group-here"), Fails(Code::kNotFound, "UNKNOWN_GROUP"));
}

}  // namespace
}  // namespace seaworthy::app
