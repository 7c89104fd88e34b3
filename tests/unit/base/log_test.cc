#include "seaworthy/log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace seaworthy {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// Standard error of a test is not the journal's, so these see the lines.
class LogTest : public ::testing::Test {
 protected:
  void TearDown() override { SetLogLevel(Level::kInfo); }

  template <class Work>
  static std::string LinesOf(Work work) {
    ::testing::internal::CaptureStderr();
    work();
    return ::testing::internal::GetCapturedStderr();
  }
};

TEST_F(LogTest, IsOneLineWithFields) {
  EXPECT_EQ(
      LinesOf([] { Log(Level::kWarning, "The TPM went away.", {{"SEAWORTHY_TCTI", "swtpm"}}); }),
      "seaworthyd: The TPM went away. SEAWORTHY_TCTI=swtpm\n");
}

TEST_F(LogTest, ForeignTextMakesNoSecondLine) {
  const std::string lines = LinesOf(
      [] { Log(Level::kInfo, "peer\nseaworthyd: forged", {{"SEAWORTHY_PEER", "a\r\nb\x1b[2J"}}); });
  EXPECT_EQ(std::count(lines.begin(), lines.end(), '\n'), 1);
  EXPECT_THAT(lines, Not(HasSubstr("\x1b")));
  EXPECT_THAT(lines, Not(HasSubstr("\r")));
}

TEST_F(LogTest, LevelDropsWhatIsLessUrgent) {
  EXPECT_EQ(LinesOf([] { Log(Level::kDebug, "hidden"); }), "");
  EXPECT_THAT(LinesOf([] {
                SetLogLevel(Level::kDebug);
                Log(Level::kDebug, "shown");
              }),
              HasSubstr("shown"));
  EXPECT_EQ(LinesOf([] {
              SetLogLevel(Level::kError);
              Log(Level::kWarning, "hidden");
            }),
            "");
}

TEST_F(LogTest, ThreadsDoNotMixLines) {
  const std::string lines = LinesOf([] {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([] {
        for (int n = 0; n < 100; ++n) Log(Level::kInfo, "0123456789");
      });
    }
  });
  std::string expected;
  for (int i = 0; i < 400; ++i) expected += "seaworthyd: 0123456789\n";
  EXPECT_EQ(lines, expected);
}

}  // namespace
}  // namespace seaworthy
