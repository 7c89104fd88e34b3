// Runs one change of a volume with a fault armed; faults_test.cc, guarded_faults_test.cc,
// volumes_guard_key_test.cc and volumes_kills_test.cc start it.
//
//   luks_fault_driver VOLUME CHANGE FAULT NTH FILE [TCTI TPM_STATE_DIR [STATE_DIR]]
//
// Exits with 0 when done, 4 after an error; plus 10 when the fault has struck.
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "component/modules/volumes/changes.h"
#include "component/modules/volumes/guarded_changes.h"
#include "component/modules/volumes/locks.h"
#include "component/modules/volumes/module_changes.h"
#include "support/fault_points.h"

namespace {

using namespace seaworthy;
using namespace seaworthy::testing;

Status Make(const std::vector<std::string>& arguments) {
  if (arguments.size() < 8) return MakeChange(arguments[1], arguments[2], arguments[5]);
  tpm::Broker broker({.tcti = arguments[6], .state_dir = arguments[7], .on_change = {}});
  if (arguments.size() > 8) {
    return MakeModuleChange(broker, arguments[8], arguments[1], arguments[2], arguments[5]);
  }
  return MakeGuardedChange(broker, arguments[1], arguments[2], arguments[5]);
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> arguments(argv, argv + argc);
  if (arguments.size() < 6) return 2;
  UseLocksIfPossible();
  ArmFault(static_cast<Fault>(std::atoi(arguments[3].c_str())), std::atoi(arguments[4].c_str()));
  const Status status = Make(arguments);
  if (!status.ok()) std::fprintf(stderr, "%s\n", status.ToString().c_str());
  return (status.ok() ? 0 : 4) + (FaultStruck() ? 10 : 0);
}
