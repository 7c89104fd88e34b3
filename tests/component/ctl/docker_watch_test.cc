// The watch of an engine from outside, where there is none.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <nlohmann/json.hpp>
#include <sstream>
#include <thread>

#include "program.h"
#include "seaworthy/deadline.h"

namespace seaworthy::testing {
namespace {

using ::testing::HasSubstr;

TEST(DockerWatch, TellsEventsUntilItHasToldEnough) {
  const TempRoot root;
  const std::vector<std::string> watch = {SEAWORTHYCTL,  "docker",  "watch", "--engine",
                                          root / "none", "--count", "2"};
  const Ran text = RunProgram(watch);
  EXPECT_EQ(text.exit, 0) << text.err;
  EXPECT_THAT(text.out, HasSubstr("  audit  No engine was there"));
  EXPECT_THAT(text.out, HasSubstr("  engine-gone  "));
  std::vector<std::string> as_json = watch;
  as_json.insert(as_json.end(), {"--output", "json"});
  std::istringstream lines(RunProgram(as_json).out);
  std::vector<std::string> kinds;
  for (std::string line; std::getline(lines, line);) {
    kinds.push_back(nlohmann::json::parse(line, nullptr, false).value("kind", ""));
  }
  EXPECT_THAT(kinds, ::testing::ElementsAre("audit", "engine-gone"));
}

TEST(DockerWatch, EndsWellWhenItIsInterrupted) {
  const TempRoot root;
  for (const int signal : {SIGINT, SIGTERM}) {
    const pid_t pid = Start({SEAWORTHYCTL, "docker", "watch", "--engine", root / "none"},
                            root / "out", root / "err");
    ASSERT_GT(pid, 0);
    const Deadline deadline = DeadlineIn(std::chrono::seconds(60));
    while (Content(root / "out").find("engine-gone") == std::string::npos) {
      ASSERT_GT(TimeLeft(deadline).count(), 0) << Content(root / "err");
      std::this_thread::yield();
    }
    ASSERT_EQ(kill(pid, signal), 0);
    int status = 0;
    ASSERT_EQ(waitpid(pid, &status, 0), pid);
    EXPECT_TRUE(WIFEXITED(status));
    EXPECT_EQ(WEXITSTATUS(status), 0) << Content(root / "err");
  }
}

TEST(DockerWatch, NamesThePolicyThatIsNone) {
  const TempRoot root;
  std::ofstream(root / "policy") << "{";
  const Ran ran = RunProgram({SEAWORTHYCTL, "docker", "watch", "--policy", root / "policy"});
  EXPECT_EQ(ran.exit, 2);
  EXPECT_THAT(ran.err, HasSubstr(root / "policy"));
}

}  // namespace
}  // namespace seaworthy::testing
