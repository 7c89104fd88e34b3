// Applies a profile, or rolls back, and is killed or runs out of disk meanwhile;
// interruption_test.cc starts it.
//
//   hardening_driver SOCKET STATE PROFILE step NAME NTH      kills itself at that step
//   hardening_driver SOCKET STATE PROFILE fault FAULT NTH    with a fault armed
//
// PROFILE is a file; "-" rolls back. Exits with 0 when applied, 3 when undone, 4 after an error;
// plus 10 when the fault has struck.
#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "seaworthy/directory.h"
#include "seaworthy/modules/docker/hardening.h"
#include "support/fault_points.h"

namespace {

using namespace seaworthy;
using namespace seaworthy::docker;

constexpr std::chrono::minutes kPatience{2};

int Run(const HardeningOptions& options, bool back, const StepSink& step) {
  const Result<Transaction> done = back
                                       ? RollBackHardening(DeadlineIn(kPatience), options, "", step)
                                       : ApplyHardening(DeadlineIn(kPatience), options, step);
  if (!done.ok()) {
    std::fprintf(stderr, "%s\n", done.status().ToString().c_str());
    return 4;
  }
  std::fprintf(stderr, "%s\n", ToJson(*done).c_str());
  return done->result == "applied" ? 0 : 3;
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> arguments(argv, argv + argc);
  if (arguments.size() != 7) return 2;
  HardeningOptions options;
  options.socket = arguments[1];
  options.state = arguments[2];
  const bool back = arguments[3] == "-";
  if (!back) {
    const Result<Bytes> profile = ReadFile(arguments[3], 1 << 20);
    if (!profile.ok()) return 2;
    options.profile_text = AsText(*profile);
  }
  const int nth = std::atoi(arguments[6].c_str());
  if (arguments[4] == "fault") {
    testing::ArmFault(static_cast<testing::Fault>(std::atoi(arguments[5].c_str())), nth);
    const int exit = Run(options, back, {});
    return exit + (testing::FaultStruck() ? 10 : 0);
  }
  int seen = 0;
  return Run(options, back, [&](const HardeningStep& step) {
    if (step.name == arguments[5] && ++seen == nth) kill(getpid(), SIGKILL);
  });
}
