#include "seaworthy/handle.h"

#include <fcntl.h>
#include <gtest/gtest.h>

namespace seaworthy {
namespace {

bool IsOpen(int fd) { return fcntl(fd, F_GETFD) >= 0; }

TEST(UniqueFd, ClosesOnceAtTheEnd) {
  int raw = -1;
  {
    UniqueFd fd(open("/dev/null", O_RDONLY | O_CLOEXEC));
    raw = fd.get();
    EXPECT_TRUE(fd);
    EXPECT_TRUE(IsOpen(raw));
  }
  EXPECT_FALSE(IsOpen(raw));
}

TEST(UniqueFd, MovesAndClosesWhatItHeld) {
  UniqueFd a(open("/dev/null", O_RDONLY | O_CLOEXEC));
  UniqueFd b(open("/dev/null", O_RDONLY | O_CLOEXEC));
  const int first = a.get();
  const int second = b.get();
  a = std::move(b);
  EXPECT_FALSE(IsOpen(first));
  EXPECT_TRUE(IsOpen(second));
  EXPECT_EQ(a.get(), second);
  const UniqueFd c(std::move(a));
  EXPECT_EQ(c.get(), second);
}

TEST(UniqueFd, ReleaseGivesItAway) {
  UniqueFd fd(open("/dev/null", O_RDONLY | O_CLOEXEC));
  const UniqueFd taken(fd.release());
  EXPECT_FALSE(fd);
  EXPECT_TRUE(IsOpen(taken.get()));
}

int g_freed = 0;
void FreeInt(int* value) {
  ++g_freed;
  delete value;
}

TEST(CPtr, CallsTheLibrarysFunctionButNotOnNull) {
  g_freed = 0;
  {
    const CPtr<int, FreeInt> one(new int(1));
  }
  {
    const CPtr<int, FreeInt> none;
  }
  EXPECT_EQ(g_freed, 1);
}

}  // namespace
}  // namespace seaworthy
