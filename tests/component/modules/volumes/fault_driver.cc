// Runs one change of a volume with a fault armed; faults_test.cc starts it.
//
//   luks_fault_driver VOLUME CHANGE FAULT NTH [FILE]
//
// Exits with 0 when done, 4 after an error; plus 10 when the fault has struck.
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "component/modules/volumes/changes.h"
#include "component/modules/volumes/locks.h"
#include "support/fault_points.h"

int main(int argc, char** argv) {
  using namespace seaworthy;
  using namespace seaworthy::testing;
  const std::vector<std::string> arguments(argv, argv + argc);
  if (arguments.size() < 6) return 2;
  UseLocksIfPossible();
  ArmFault(static_cast<Fault>(std::atoi(arguments[3].c_str())), std::atoi(arguments[4].c_str()));
  const Status status = MakeChange(arguments[1], arguments[2], arguments[5]);
  if (!status.ok()) std::fprintf(stderr, "%s\n", status.ToString().c_str());
  return (status.ok() ? 0 : 4) + (FaultStruck() ? 10 : 0);
}
