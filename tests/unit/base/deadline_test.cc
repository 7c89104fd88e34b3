#include "seaworthy/deadline.h"

#include <gtest/gtest.h>

namespace seaworthy {
namespace {

using std::chrono::milliseconds;

TEST(TimeLeft, IsNeverNegative) {
  EXPECT_EQ(TimeLeft(DeadlineIn(milliseconds(-5'000))), milliseconds(0));
}

TEST(TimeLeft, CountsDown) {
  const milliseconds left = TimeLeft(DeadlineIn(milliseconds(60'000)));
  EXPECT_GT(left, milliseconds(30'000));
  EXPECT_LE(left, milliseconds(60'000));
}

}  // namespace
}  // namespace seaworthy
