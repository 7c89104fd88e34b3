#include "seaworthy/modules/integrity/sign_tree.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/fs.h>
#include <openssl/sha.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <atomic>
#include <csignal>
#include <filesystem>
#include <map>
#include <thread>

#include "support/fault_points.h"
#include "support/status_matchers.h"
#include "unit/modules/integrity/signing_key.h"

namespace seaworthy::integrity {
namespace {

using ::seaworthy::testing::Fails;
using ::seaworthy::testing::IsOk;
using ::seaworthy::testing::TempRoot;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Key;
using ::testing::Pair;
using verify::ImaHash;

constexpr SignatureOptions kUser = {.user_attributes = true};
constexpr SignatureOptions kUserEvm = {.evm = true, .user_attributes = true};

class Tree : public ::testing::Test {
 protected:
  Tree() {
    for (const char* folder : {"tree/a", "tree/b/c", "outside"}) {
      std::filesystem::create_directories(root_ / folder);
    }
    for (const char* file : kFiles) WriteText(tree_ + "/" + file, std::string("content ") + file);
    WriteText(root_ / "outside/file", "outside");
  }

  TreeRun Run(std::vector<std::string> paths = {"."}) {
    return {.deadline = Soon(),
            .paths = std::move(paths),
            .failed = [this](const std::string& path, const Status& why) {
              failed_[path] = Reason(why);
            }};
  }
  Result<SignProgress> Sign(const TreeRun& run, const SignatureOptions& options = kUser) {
    failed_.clear();
    return SignTree(tree_, run, key_.Signer(), options, nullptr);
  }
  Result<CheckProgress> Check(const TreeRun& run, const SignatureOptions& options = kUser) {
    failed_.clear();
    return CheckTree(tree_, run, key_.Keys(), options, nullptr);
  }
  bool IsSigned(const std::string& path) const { return Attribute(path, "user.ima").has_value(); }

  static constexpr const char* kFiles[] = {"1", "2", "a/3", "a/4", "b/5", "b/c/6"};
  TempRoot root_;
  const std::string tree_ = root_ / "tree";
  SigningKey key_{kEc};
  std::map<std::string, std::string> failed_;  // path: reason
};

TEST_F(Tree, IsSignedOnce) {
  SignProgress last;
  const auto tell = [&](const SignProgress& now) {
    EXPECT_EQ(now.done, last.done + 1);
    EXPECT_GT(now.bytes, last.bytes);
    last = now;
    return true;
  };
  const auto first = SignTree(tree_, Run(), key_.Signer(), kUser, tell);
  ASSERT_THAT(first, IsOk());
  EXPECT_EQ(first->done, std::size(kFiles));
  EXPECT_EQ(first->skipped + first->failed, 0);
  EXPECT_EQ(last.done, first->done);
  EXPECT_TRUE(Runs(root_,
                   "cd tree && for file in $(find -type f); do evmctl ima_verify "
                   "--xattr-user --key " +
                       key_.certificate_file() + " $file || exit 1; done"))
      << ReadText(root_ / "log");
  EXPECT_EQ(Check(Run())->ok, std::size(kFiles));
  const int signatures = key_.signatures();
  WriteText(tree_ + "/b/5", "new content");
  const auto second = Sign(Run());
  EXPECT_EQ(second->done, 1);
  EXPECT_EQ(second->skipped, std::size(kFiles) - 1);
  EXPECT_EQ(key_.signatures(), signatures + 1);
}

// In another way than what is there: another hash, EVM's signature too.
TEST_F(Tree, IsSignedAgainWhenMoreIsAsked) {
  ASSERT_EQ(Sign(Run())->done, std::size(kFiles));
  EXPECT_EQ(Check(Run(), kUserEvm)->missing, std::size(kFiles));
  ASSERT_EQ(Sign(Run(), kUserEvm)->done, std::size(kFiles));
  EXPECT_EQ(Check(Run(), kUserEvm)->ok, std::size(kFiles));
  EXPECT_EQ(Sign(Run(), kUserEvm)->skipped, std::size(kFiles));
  EXPECT_EQ(Sign(Run(), kUser)->skipped, std::size(kFiles));
  EXPECT_EQ(Sign(Run(), {.hash = ImaHash::kSha512, .user_attributes = true})->done,
            std::size(kFiles));
}

// The type is not under the signature; the kernel takes each type in its place alone.
TEST_F(Tree, ASignatureOfAnotherTypeIsNotWhatWouldBeMade) {
  ASSERT_THAT(Sign(Run()), IsOk());
  Bytes attribute = *Attribute(tree_ + "/1", "user.ima");
  attribute[0] = 0x05;
  ASSERT_TRUE(SetAttribute(tree_ + "/1", "user.ima", attribute));
  EXPECT_EQ(Check(Run())->missing, 1);
  EXPECT_EQ(Sign(Run())->done, 1);
  EXPECT_EQ(Check(Run())->ok, std::size(kFiles));
}

TEST_F(Tree, PathsAreFilesAndFolders) {
  const auto progress = Sign(Run({"1", "b"}));
  ASSERT_THAT(progress, IsOk());
  EXPECT_EQ(progress->done, 3);
  EXPECT_TRUE(IsSigned(tree_ + "/b/c/6"));
  EXPECT_FALSE(IsSigned(tree_ + "/2"));
}

TEST_F(Tree, AFileWithSeveralNamesIsDoneOnce) {
  std::filesystem::create_hard_link(tree_ + "/1", tree_ + "/b/c/again");
  std::filesystem::create_hard_link(tree_ + "/1", tree_ + "/again");
  const auto progress = Sign(Run());
  ASSERT_THAT(progress, IsOk());
  EXPECT_EQ(progress->done, std::size(kFiles));
  EXPECT_EQ(progress->skipped + progress->failed, 0);
  EXPECT_EQ(key_.signatures(), static_cast<int>(std::size(kFiles)));
}

TEST_F(Tree, LinksAndSpecialFilesAreLeftAlone) {
  std::filesystem::create_symlink(root_ / "outside", tree_ + "/folder_link");
  std::filesystem::create_symlink(root_ / "outside/file", tree_ + "/file_link");
  std::filesystem::create_symlink("a/3", tree_ + "/link_inside");
  ASSERT_EQ(mkfifo((tree_ + "/fifo").c_str(), 0600), 0);
  const auto progress = Sign(Run());
  ASSERT_THAT(progress, IsOk());
  EXPECT_EQ(progress->done, std::size(kFiles));
  EXPECT_THAT(failed_, IsEmpty());
  EXPECT_FALSE(IsSigned(root_ / "outside/file"));
}

TEST_F(Tree, WhatIsNamedAndUnsafeFailsAndTheRestIsDone) {
  std::filesystem::create_symlink(root_ / "outside", tree_ + "/folder_link");
  std::filesystem::create_symlink("a", tree_ + "/folder_inside");
  std::filesystem::create_symlink("a/3", tree_ + "/link_inside");
  ASSERT_EQ(mkfifo((tree_ + "/fifo").c_str(), 0600), 0);
  const auto progress =
      Sign(Run({"folder_link/file", "folder_link", "folder_inside/3", "link_inside", "fifo",
                "../outside/file", root_ / "outside/file", "/dev/null", "missing", "2"}));
  ASSERT_THAT(progress, IsOk());
  EXPECT_EQ(progress->done, 1);
  EXPECT_EQ(progress->failed, 9);
  EXPECT_EQ(failed_["missing"], "FILE_NOT_FOUND");
  failed_.erase("missing");
  EXPECT_THAT(failed_, ::testing::Each(Pair(::testing::_, "UNSAFE_FILE")));
  EXPECT_FALSE(IsSigned(root_ / "outside/file"));
}

TEST_F(Tree, TheRootIsNoLink) {
  std::filesystem::create_symlink(tree_, root_ / "link");
  EXPECT_THAT(SignTree(root_ / "link", Run(), key_.Signer(), kUser, nullptr),
              Fails(Code::kFailedPrecondition, "UNSAFE_FILE"));
  EXPECT_THAT(SignTree(root_ / "nothing", Run(), key_.Signer(), kUser, nullptr),
              Fails(Code::kNotFound, "FILE_NOT_FOUND"));
}

TEST_F(Tree, AFileThatFailsIsNamedAndTheRestIsDone) {
  const auto signer =
      FileSigner::Create(key_.certificate(), OneByOne([&](ImaHash hash, ByteView digest) {
                           WriteText(tree_ + "/a/3", std::to_string(key_.signatures()));
                           return key_.Sign(hash, digest);
                         }));
  const auto progress = SignTree(tree_, Run({"1", "a/3", "b"}), *signer, kUser, nullptr);
  ASSERT_THAT(progress, IsOk());
  EXPECT_EQ(progress->done, 3);
  EXPECT_EQ(progress->failed, 1);
  EXPECT_THAT(failed_, ElementsAre(Pair("a/3", "FILE_CHANGED")));
  EXPECT_FALSE(IsSigned(tree_ + "/a/3"));
  EXPECT_EQ(Sign(Run())->failed, 0);
}

TEST_F(Tree, AnErrorOfTheKeyEndsTheRun) {
  WriteText(tree_ + "/2", "the one");
  Bytes fatal(32);
  SHA256(AsBytes("the one").data(), 7, fatal.data());
  const auto signer = FileSigner::Create(
      key_.certificate(), OneByOne([&](ImaHash hash, ByteView digest) -> Result<Bytes> {
        if (std::ranges::equal(digest, fatal))
          return Fail(Code::kUnavailable, "TPM_LOST", "it is gone");
        return key_.Sign(hash, digest);
      }));
  const auto progress = SignTree(tree_, Run({"1", "2", "a/3", "b"}), *signer, kUser, nullptr);
  EXPECT_THAT(progress, Fails(Code::kUnavailable, "TPM_LOST"));
  EXPECT_EQ(Message(progress.status()), "it is gone");
  EXPECT_FALSE(IsSigned(tree_ + "/2"));
  // Those that were under way are whole.
  EXPECT_EQ(Sign(Run())->failed, 0);
  EXPECT_THAT(Check(Run())->bad, 0);
}

// A call of the daemon may cost as much as a signature.
TEST_F(Tree, ASlowKeyIsAskedForManyAtOnce) {
  constexpr int kMany = 100;
  for (int i = 0; i < kMany; ++i) WriteText(tree_ + "/many-" + std::to_string(i), "x");
  int calls = 0;
  std::size_t most = 0;
  const auto sign =
      OneByOne([&](ImaHash hash, ByteView digest) { return key_.Sign(hash, digest); });
  const auto signer =
      FileSigner::Create(key_.certificate(), [&](ImaHash hash, std::span<const Bytes> digests) {
        ++calls;
        most = std::max(most, digests.size());
        // Long enough for the threads that look for files.
        poll(nullptr, 0, 20);
        return sign(hash, digests);
      });
  const auto progress = SignTree(tree_, Run(), *signer, kUser, nullptr);
  ASSERT_THAT(progress, IsOk());
  EXPECT_EQ(progress->done, kMany + std::size(kFiles));
  EXPECT_EQ(most, 16);
  EXPECT_LT(calls, kMany / 4);
  EXPECT_EQ(Check(Run())->ok, kMany + std::size(kFiles));
}

TEST_F(Tree, TheCallerAndTheDeadlineEndTheRun) {
  EXPECT_THAT(SignTree(tree_, Run(), key_.Signer(), kUser,
                       [](const SignProgress& now) { return now.done < 2; }),
              Fails(Code::kCancelled, "CANCELLED"));
  // With those that were under way.
  const auto signatures = key_.signatures();
  EXPECT_GE(signatures, 2);
  TreeRun late = Run();
  late.deadline = DeadlineIn(std::chrono::seconds(0));
  EXPECT_THAT(Sign(late), Fails(Code::kDeadlineExceeded, "DEADLINE_EXCEEDED"));
  EXPECT_THAT(Check(late), Fails(Code::kDeadlineExceeded, "DEADLINE_EXCEEDED"));
  EXPECT_EQ(key_.signatures(), signatures);
}

TEST_F(Tree, CheckTellsWhatIsWrongWithEach) {
  ASSERT_THAT(Sign(Run()), IsOk());
  SigningKey other(kRsa);
  ASSERT_THAT(SignFile(tree_ + "/1", other.Signer(), kUser), IsOk());
  WriteText(tree_ + "/a/3", "tampered");
  ASSERT_TRUE(SetAttribute(tree_ + "/a/4", "user.ima", AsBytes("\x03 rubbish")));
  WriteText(tree_ + "/new", "new");
  const auto progress = Check(Run({".", "missing"}));
  ASSERT_THAT(progress, IsOk());
  EXPECT_EQ(progress->ok, 3);
  EXPECT_EQ(progress->other_key, 1);
  EXPECT_EQ(progress->bad, 2);
  EXPECT_EQ(progress->missing, 1);
  EXPECT_EQ(progress->failed, 1);
  EXPECT_THAT(failed_,
              ElementsAre(Pair("1", "IMA_KEY_UNKNOWN"), Pair("a/3", "IMA_SIGNATURE_INVALID"),
                          Pair("a/4", "IMA_SIGNATURE_MALFORMED"), Pair("missing", "FILE_NOT_FOUND"),
                          Pair("new", "IMA_SIGNATURE_MISSING")));
  EXPECT_THAT(
      CheckTree(tree_, Run(), key_.Keys(), kUser, [](const CheckProgress&) { return false; }),
      Fails(Code::kCancelled, "CANCELLED"));
}

// /dev/shm is mounted on /dev wherever this runs.
TEST_F(Tree, OtherFileSystemsAreEnteredOnlyWhenAsked) {
  struct stat dev = {};
  struct stat shm = {};
  ASSERT_EQ(stat("/dev", &dev), 0);
  ASSERT_EQ(stat("/dev/shm", &shm), 0);
  ASSERT_NE(dev.st_dev, shm.st_dev);
  const std::string name = "shm/seaworthy-" + std::to_string(getpid());
  WriteText("/dev/" + name, "content");
  TreeRun run = Run();
  ASSERT_THAT(CheckTree("/dev", run, key_.Keys(), kUser, nullptr), IsOk());
  EXPECT_THAT(failed_, ::testing::Not(::testing::Contains(Key(::testing::StartsWith("shm")))));
  run.paths = {name};
  ASSERT_THAT(CheckTree("/dev", run, key_.Keys(), kUser, nullptr), IsOk());
  EXPECT_EQ(failed_[name], "UNSAFE_FILE");
  run.other_file_systems = true;
  run.paths = {"."};
  ASSERT_THAT(CheckTree("/dev", run, key_.Keys(), kUser, nullptr), IsOk());
  EXPECT_THAT(failed_[name], ::testing::AnyOf("IMA_SIGNATURE_MISSING", "XATTR_UNSUPPORTED"));
  std::filesystem::remove("/dev/" + name);
}

// The folder is a link to elsewhere by the time that it is entered.
TEST_F(Tree, AFolderThatBecomesALinkIsNotFollowed) {
  std::filesystem::create_directory(tree_ + "/d");
  WriteText(tree_ + "/d/file", "content");
  std::vector<std::string> visited;
  ASSERT_THAT(ForEachFile(tree_, Run({"1", "d/file", "d", "2"}),
                          [&](const std::string& path, int /*fd*/) -> Status {
                            visited.push_back(path);
                            if (path != "1") return {};
                            std::filesystem::remove_all(tree_ + "/d");
                            std::filesystem::create_symlink(root_ / "outside", tree_ + "/d");
                            return {};
                          }),
              IsOk());
  EXPECT_THAT(visited, ElementsAre("1", "2"));
  EXPECT_THAT(failed_, ElementsAre(Pair("d", "UNSAFE_FILE"), Pair("d/file", "UNSAFE_FILE")));
}

// A folder changes places with a link to elsewhere, again and again.
TEST_F(Tree, NothingOutsideIsSignedInARace) {
  std::filesystem::create_directory(tree_ + "/d");
  WriteText(tree_ + "/d/file", "content");
  std::filesystem::create_symlink(root_ / "outside", root_ / "link");
  std::atomic<bool> stop = false;
  std::jthread swapper([&] {
    while (!stop) {
      renameat2(AT_FDCWD, (root_ / "link").c_str(), AT_FDCWD, (tree_ + "/d").c_str(),
                RENAME_EXCHANGE);
    }
  });
  std::uint64_t entered = 0;
  std::uint64_t refused = 0;
  for (const Deadline deadline = Soon(); TimeLeft(deadline).count() > 0;) {
    const auto progress = Sign(Run({"d/file", "d"}));
    ASSERT_THAT(progress, IsOk());
    entered += progress->done + progress->skipped;
    refused += progress->failed;
    ASSERT_FALSE(IsSigned(root_ / "outside/file"));
    if (entered > 200 && refused > 200) break;
  }
  stop = true;
  EXPECT_GT(entered, 200);
  EXPECT_GT(refused, 200);
}

// Killed at each call that changes something, and on from there.
class Killed : public Tree, public ::testing::WithParamInterface<testing::Fault> {};
INSTANTIATE_TEST_SUITE_P(When, Killed,
                         ::testing::Values(testing::Fault::kKillBefore,
                                           testing::Fault::kKillAfter));

TEST_P(Killed, ARunGoesOnWhereItWas) {
  const int points = 3 * static_cast<int>(std::size(kFiles));  // two attributes and an fsync
  for (int nth = 1; nth <= points; ++nth) {
    for (const char* file : kFiles) {
      const std::string path = tree_ + "/" + file;
      removexattr(path.c_str(), "user.ima");
      removexattr(path.c_str(), "user.evm");
    }
    const pid_t child = fork();
    if (child == 0) {
      testing::ArmFault(GetParam(), nth);
      static_cast<void>(Sign(Run(), kUserEvm));
      _exit(0);
    }
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) << nth;
    // What is there is whole.
    const auto found = Check(Run());
    ASSERT_THAT(found, IsOk());
    EXPECT_EQ(found->ok + found->missing, std::size(kFiles)) << nth;
    const auto rest = Sign(Run(), kUserEvm);
    ASSERT_THAT(rest, IsOk());
    EXPECT_EQ(rest->done + rest->skipped, std::size(kFiles));
    EXPECT_LE(rest->done, std::size(kFiles) - static_cast<std::size_t>((nth - 1) / 3));
    EXPECT_EQ(Check(Run(), kUserEvm)->ok, std::size(kFiles)) << nth;
  }
}

}  // namespace
}  // namespace seaworthy::integrity
