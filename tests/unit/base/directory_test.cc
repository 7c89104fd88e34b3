// Shows M-04, M-08: what somebody put into the state folder is refused and left as it is.
#include "seaworthy/directory.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <csignal>
#include <filesystem>
#include <fstream>

#include "support/status_matchers.h"
#include "support/temp_root.h"

namespace seaworthy {
namespace {

using ::testing::ElementsAre;
using testing::Fails;
using testing::IsOk;

class DirectoryTest : public ::testing::Test {
 protected:
  DirectoryTest() : directory_(*Directory::Open(root_.path())) {}

  std::string On(const std::string& name) const { return root_ / name; }
  void Write(const std::string& name, const std::string& text) const {
    std::ofstream(On(name)) << text;
  }
  std::string TextOf(const std::string& name) const {
    std::ifstream file(On(name));
    return {std::istreambuf_iterator<char>(file), {}};
  }

  testing::TempRoot root_;
  Directory directory_;
};

TEST_F(DirectoryTest, OpenRefusesAbsentFileAndLink) {
  Write("file", "x");
  std::filesystem::create_directory(On("real"));
  std::filesystem::create_directory_symlink(On("real"), On("link"));
  EXPECT_THAT(Directory::Open(On("absent")), Fails(Code::kNotFound, "FILE_NOT_FOUND"));
  EXPECT_THAT(Directory::Open(On("file")), Fails(Code::kFailedPrecondition, "UNSAFE_FILE"));
  EXPECT_THAT(Directory::Open(On("link")), Fails(Code::kFailedPrecondition, "UNSAFE_FILE"));
  EXPECT_THAT(Directory::Create(On("link")), Fails(Code::kFailedPrecondition, "UNSAFE_FILE"));
  EXPECT_THAT(directory_.OpenSubdirectory("link"), Fails(Code::kFailedPrecondition, "UNSAFE_FILE"));
}

TEST_F(DirectoryTest, CreateMakesParentsAndIsForItsOwnerOnly) {
  ASSERT_THAT(Directory::Create(On("a/b/c")), IsOk());
  struct stat stat = {};
  ASSERT_EQ(::stat(On("a/b/c").c_str(), &stat), 0);
  EXPECT_EQ(stat.st_mode & 07777, 0700U);
  EXPECT_THAT(Directory::Create(On("a/b/c")), IsOk());
}

TEST_F(DirectoryTest, CreateSubdirectoryIsForNewOnesOnly) {
  ASSERT_THAT(directory_.CreateSubdirectory("a"), IsOk());
  EXPECT_THAT(directory_.CreateSubdirectory("a"), Fails(Code::kAlreadyExists, "FILE_EXISTS"));
  EXPECT_THAT(directory_.OpenSubdirectory("a"), IsOk());
}

TEST_F(DirectoryTest, ReadIsCappedToTheByte) {
  Write("file", std::string(100, 'x'));
  EXPECT_EQ(directory_.Read("file", 100)->size(), 100U);
  EXPECT_THAT(directory_.Read("file", 99), Fails(Code::kFailedPrecondition, "UNSAFE_FILE"));
  Write("empty", "");
  EXPECT_EQ(directory_.Read("empty", 0)->size(), 0U);
  EXPECT_THAT(directory_.Read("absent", 99), Fails(Code::kNotFound, "FILE_NOT_FOUND"));
}

TEST_F(DirectoryTest, ReadGoesOnPastOneBuffer) {
  std::string text;
  for (int i = 0; i < 50'000; ++i) text += std::to_string(i);
  Write("file", text);
  EXPECT_EQ(AsText(*directory_.Read("file", 1 << 20)), text);
}

TEST_F(DirectoryTest, ReadRefusesLinksAndSpecialFiles) {
  Write("file", "secret");
  std::filesystem::create_symlink(On("file"), On("link"));
  std::filesystem::create_directory(On("folder"));
  ASSERT_EQ(mkfifo(On("fifo").c_str(), 0600), 0);
  for (const std::string name : {"link", "folder", "fifo"}) {
    EXPECT_THAT(directory_.Read(name, 100), Fails(Code::kFailedPrecondition, "UNSAFE_FILE"))
        << name;
  }
}

TEST_F(DirectoryTest, ReplaceMakesTheFileWithItsMode) {
  ASSERT_THAT(directory_.Replace("file", AsBytes("one")), IsOk());
  ASSERT_THAT(directory_.Replace("open", AsBytes("two"), 0644), IsOk());
  struct stat stat = {};
  ASSERT_EQ(::stat(On("file").c_str(), &stat), 0);
  EXPECT_EQ(stat.st_mode & 07777, 0600U);
  EXPECT_EQ(TextOf("file"), "one");
  ASSERT_EQ(::stat(On("open").c_str(), &stat), 0);
  EXPECT_EQ(stat.st_mode & 07777, 0644U);
}

TEST_F(DirectoryTest, ReplacePutsAFileInALinksPlaceAndDoesNotFollowIt) {
  Write("target", "untouched");
  std::filesystem::create_symlink(On("target"), On("link"));
  ASSERT_THAT(directory_.Replace("link", AsBytes("new")), IsOk());
  EXPECT_EQ(TextOf("target"), "untouched");
  EXPECT_FALSE(std::filesystem::is_symlink(On("link")));
}

TEST_F(DirectoryTest, ReplaceLeavesNothingBehindOnError) {
  std::filesystem::create_directory(On("folder"));
  EXPECT_FALSE(directory_.Replace("folder", AsBytes("new")).ok());
  EXPECT_THAT(*directory_.List(10), ElementsAre("folder"));
}

TEST_F(DirectoryTest, ReplaceIsOneInodeForAnother) {
  // Who has the old file open goes on reading the old content: nothing is written in place.
  Write("file", "old");
  std::ifstream reader(On("file"));
  ASSERT_THAT(directory_.Replace("file", AsBytes("new")), IsOk());
  std::string old;
  reader >> old;
  EXPECT_EQ(old, "old");
  EXPECT_EQ(TextOf("file"), "new");
}

// A write that stops half way, as on a full disk: here at the process's file size limit.
TEST_F(DirectoryTest, HalfAWriteLosesNothing) {
  Write("file", "old");
  rlimit before = {};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit small = {4096, before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  const Status status = directory_.Replace("file", Bytes(10'000, 'x'));
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
  std::signal(SIGXFSZ, handler);
  EXPECT_THAT(status, Fails(Code::kInternal, "SYSTEM_CALL"));
  EXPECT_EQ(TextOf("file"), "old");
  EXPECT_THAT(*directory_.List(10), ElementsAre("file"));
}

TEST(FromErrno, SaysWhatToDoNext) {
  EXPECT_THAT(FromErrno(ENOENT, "x"), Fails(Code::kNotFound, "FILE_NOT_FOUND"));
  EXPECT_THAT(FromErrno(EEXIST, "x"), Fails(Code::kAlreadyExists, "FILE_EXISTS"));
  EXPECT_THAT(FromErrno(ELOOP, "x"), Fails(Code::kFailedPrecondition, "UNSAFE_FILE"));
  EXPECT_THAT(FromErrno(EACCES, "x"), Fails(Code::kPermissionDenied, "FILE_ACCESS"));
  EXPECT_THAT(FromErrno(EROFS, "x"), Fails(Code::kPermissionDenied, "FILE_ACCESS"));
  EXPECT_THAT(FromErrno(ENOSPC, "x"), Fails(Code::kResourceExhausted, "DISK_FULL"));
  EXPECT_THAT(FromErrno(EDQUOT, "x"), Fails(Code::kResourceExhausted, "DISK_FULL"));
  EXPECT_THAT(FromErrno(EIO, "x"), Fails(Code::kInternal, "SYSTEM_CALL"));
  EXPECT_EQ(Message(FromErrno(ENOENT, "open /a")), "open /a: No such file or directory");
}

TEST_F(DirectoryTest, RenameDoesNotOverwrite) {
  Write("a", "a");
  Write("b", "b");
  EXPECT_THAT(directory_.Rename("a", "b"), Fails(Code::kAlreadyExists, "FILE_EXISTS"));
  EXPECT_EQ(TextOf("b"), "b");
  EXPECT_THAT(directory_.Rename("a", "c"), IsOk());
  EXPECT_EQ(TextOf("c"), "a");
  EXPECT_THAT(directory_.Rename("a", "d"), Fails(Code::kNotFound, "FILE_NOT_FOUND"));
}

TEST_F(DirectoryTest, RemoveTakesFilesAndFoldersOfFiles) {
  Write("file", "x");
  std::filesystem::create_directory(On("folder"));
  Write("folder/a", "x");
  Write("folder/b", "x");
  EXPECT_THAT(directory_.Remove("file"), IsOk());
  EXPECT_THAT(directory_.Remove("folder"), IsOk());
  EXPECT_THAT(directory_.Remove("folder"), Fails(Code::kNotFound, "FILE_NOT_FOUND"));
  EXPECT_TRUE(directory_.List(10)->empty());
}

TEST_F(DirectoryTest, RemoveTakesALinkAndNotWhatItPointsTo) {
  std::filesystem::create_directory(On("folder"));
  Write("folder/a", "x");
  std::filesystem::create_directory_symlink(On("folder"), On("link"));
  EXPECT_THAT(directory_.Remove("link"), IsOk());
  EXPECT_TRUE(std::filesystem::exists(On("folder/a")));
}

TEST_F(DirectoryTest, ListIsSortedAndCapped) {
  for (const std::string name : {"c", "a", ".hidden", "b"}) Write(name, "x");
  EXPECT_THAT(*directory_.List(4), ElementsAre(".hidden", "a", "b", "c"));
  EXPECT_THAT(directory_.List(3), Fails(Code::kResourceExhausted, "TOO_MANY_FILES"));
}

TEST_F(DirectoryTest, ExistsSeesADanglingLink) {
  std::filesystem::create_symlink(On("nowhere"), On("link"));
  EXPECT_TRUE(directory_.Exists("link"));
  EXPECT_FALSE(directory_.Exists("absent"));
}

TEST_F(DirectoryTest, StaysWithItsFolderWhenThePathIsSwapped) {
  std::filesystem::create_directory(On("state"));
  Write("state/file", "mine");
  const Directory open = *Directory::Open(On("state"));
  std::filesystem::rename(On("state"), On("moved"));
  std::filesystem::create_directory(On("state"));
  Write("state/file", "forged");
  EXPECT_EQ(AsText(*open.Read("file", 100)), "mine");
}

TEST_F(DirectoryTest, LeaksNoDescriptor) {
  const auto count = [] {
    return std::distance(std::filesystem::directory_iterator("/proc/self/fd"), {});
  };
  Write("file", "x");
  std::filesystem::create_symlink(On("file"), On("link"));
  const auto before = count();
  for (int i = 0; i < 10; ++i) {
    EXPECT_TRUE(directory_.List(10).ok());
    EXPECT_FALSE(directory_.List(1).ok());
    EXPECT_TRUE(directory_.Read("file", 10).ok());
    EXPECT_FALSE(directory_.Read("link", 10).ok());
    EXPECT_TRUE(directory_.Replace("file", AsBytes("y")).ok());
    EXPECT_FALSE(directory_.OpenSubdirectory("file").ok());
  }
  EXPECT_EQ(count(), before);
}

TEST(ReadFile, FollowsLinksForTheOperatorAndNamesThePath) {
  testing::TempRoot root;
  std::ofstream(root / "file") << "text";
  std::filesystem::create_symlink(root / "file", root / "link");
  EXPECT_EQ(AsText(*ReadFile(root / "link", 100)), "text");
  const Status absent = ReadFile(root / "absent", 100).status();
  EXPECT_THAT(absent, Fails(Code::kNotFound, "FILE_NOT_FOUND"));
  EXPECT_THAT(Message(absent), ::testing::HasSubstr(root / "absent"));
  EXPECT_THAT(ReadFile("/dev/zero", 100), Fails(Code::kFailedPrecondition, "UNSAFE_FILE"));
}

TEST(ReplaceFile, WritesIntoTheFilesFolder) {
  testing::TempRoot root;
  ASSERT_THAT(ReplaceFile(root / "file", AsBytes("text"), 0644), IsOk());
  EXPECT_EQ(AsText(*ReadFile(root / "file", 100)), "text");
  EXPECT_THAT(ReplaceFile(root / "absent/file", AsBytes("x"), 0644),
              Fails(Code::kNotFound, "FILE_NOT_FOUND"));
}

}  // namespace
}  // namespace seaworthy
