#include "seaworthy/words.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace seaworthy {
namespace {

using ::testing::ElementsAre;

TEST(Words, AreSplitWithTheEmptyOnes) {
  EXPECT_THAT(Split("a,b", ','), ElementsAre("a", "b"));
  EXPECT_THAT(Split(",a,,", ','), ElementsAre("", "a", "", ""));
  EXPECT_THAT(Split("", ','), ElementsAre(""));
}

TEST(Words, AreJoinedAsTheyWereSplit) {
  for (const char* const text : {"", "a", "a,b", ",a,,"}) {
    EXPECT_EQ(Join(Split(text, ','), ","), text);
  }
  EXPECT_EQ(Join(std::vector<std::string>{"a", "b"}), "a, b");
  EXPECT_EQ(Join(std::vector<std::string>()), "");
}

}  // namespace
}  // namespace seaworthy
