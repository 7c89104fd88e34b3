// Walks the writes of one change (changes.h) and kills the process after each of them.
#pragma once

#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cstdlib>
#include <filesystem>
#include <functional>
#include <string>

#include "support/fault_points.h"

namespace seaworthy::testing {

struct KillWalk {
  std::string before;  // the volume's file
  std::string volume;  // its copy, changed anew each time
  std::string change;
  std::string file;  // what the change takes
};

// `expect(done)` after each run, until one is not killed any more. How many there were.
inline int WalkKills(const KillWalk& walk, const std::function<void(bool done)>& expect) {
  for (int nth = 1;; ++nth) {
    SCOPED_TRACE("point " + std::to_string(nth));
    std::filesystem::copy_file(walk.before, walk.volume,
                               std::filesystem::copy_options::overwrite_existing);
    const int status =
        std::system(("exec " LUKS_FAULT_DRIVER " " + walk.volume + " " + walk.change + " " +
                     std::to_string(static_cast<int>(Fault::kKillAfter)) + " " +
                     std::to_string(nth) + " " + walk.file)
                        .c_str());
    const bool killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
    EXPECT_TRUE(killed || (WIFEXITED(status) && WEXITSTATUS(status) == 0)) << status;
    expect(!killed);
    if (!killed || ::testing::Test::HasFailure()) return nth;
  }
}

}  // namespace seaworthy::testing
