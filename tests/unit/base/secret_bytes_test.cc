#include "seaworthy/secret_bytes.h"

#include <gmock/gmock.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <type_traits>

#include "support/own_memory.h"

namespace seaworthy {
namespace {

using ::seaworthy::testing::CopiesInMemory;
using ::seaworthy::testing::MemoryFlags;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Each bit of a secret turned: the test itself keeps no copy of it.
const Bytes& Inverted() {
  static const Bytes bytes = [] {
    Bytes made;
    for (int i = 0; i < 32; ++i) made.push_back(static_cast<std::uint8_t>(0x91 + 37 * i));
    return made;
  }();
  return bytes;
}

SecretBytes MakeSecret() {
  SecretBytes secret(Inverted().size());
  std::ranges::transform(Inverted(), secret.data(),
                         [](std::uint8_t byte) { return static_cast<std::uint8_t>(byte ^ 0xff); });
  return secret;
}

TEST(SecretBytes, BeginsAsZeros) {
  EXPECT_TRUE(SecretBytes().empty());
  EXPECT_TRUE(SecretBytes(0).view().empty());
  const SecretBytes secret(5000);
  EXPECT_EQ(secret.size(), 5000U);
  EXPECT_THAT(secret.view(), Each(0));
}

TEST(SecretBytes, TakesATextAndLeavesZeros) {
  std::string text("\1\2\3", 3);
  const SecretBytes taken = SecretBytes::Take(text);
  EXPECT_THAT(taken.view(), ElementsAre(1, 2, 3));
  EXPECT_EQ(text, std::string(3, '\0'));
}

TEST(SecretBytes, MovesAndLeavesNothingBehind) {
  static_assert(!std::is_copy_constructible_v<SecretBytes>);
  static_assert(!std::is_copy_assignable_v<SecretBytes>);
  const Bytes bytes = {1, 2, 3};
  SecretBytes first = SecretBytes::Copy(bytes);
  SecretBytes second = std::move(first);
  EXPECT_TRUE(first.empty());  // NOLINT(bugprone-use-after-move)
  EXPECT_EQ(first.data(), nullptr);
  EXPECT_THAT(second.view(), ElementsAre(1, 2, 3));
  second.mutable_view()[0] = 9;
  first = std::move(second);
  EXPECT_TRUE(second.empty());  // NOLINT(bugprone-use-after-move)
  EXPECT_THAT(first.view(), ElementsAre(9, 2, 3));
}

TEST(SecretBytes, LeavesNoCopyInMemory) {
  {
    const SecretBytes secret = MakeSecret();
    EXPECT_EQ(CopiesInMemory(Inverted()), 1U);
    const SecretBytes copy = SecretBytes::Copy(secret.view());
    EXPECT_EQ(CopiesInMemory(Inverted()), 2U);
  }
  EXPECT_EQ(CopiesInMemory(Inverted()), 0U);
  SecretBytes overwritten = MakeSecret();
  SecretBytes other(3);
  overwritten = std::move(other);
  EXPECT_EQ(CopiesInMemory(Inverted()), 0U);
}

TEST(SecretBytes, IsNeitherSwappedNorDumped) {
  const SecretBytes secret(1);
  EXPECT_THAT(MemoryFlags(secret.data()), HasSubstr(" dd "));
  // Where the limit, or a sanitizer, lets anything be locked.
  const std::size_t size = 4096;
  void* page = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(page, MAP_FAILED);
  (void)mlock(page, size);
  if (MemoryFlags(page).find(" lo ") != std::string::npos) {
    EXPECT_THAT(MemoryFlags(secret.data()), HasSubstr(" lo "));
  }
  munmap(page, size);
}

// Two small secrets do not share a page, whose lock would go with the first of them.
TEST(SecretBytes, StaysLockedWhenANeighbourGoes) {
  const SecretBytes stays(16);
  const std::string before = MemoryFlags(stays.data());
  for (int i = 0; i < 8; ++i) const SecretBytes goes(16);
  EXPECT_EQ(MemoryFlags(stays.data()), before);
}

TEST(SecretBytes, IsNotInherited) {
  const SecretBytes secret = MakeSecret();
  const pid_t child = fork();
  if (child == 0) {
    const bool zeros = std::ranges::all_of(secret.view(), [](auto byte) { return byte == 0; });
    _exit(zeros ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

}  // namespace
}  // namespace seaworthy
