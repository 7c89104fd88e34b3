#include "support/fault_strike.h"

#include <atomic>

namespace seaworthy::testing {
namespace {

std::atomic<bool> armed = false;
std::atomic<bool> struck = false;
std::atomic<int> left = 0;
Fault wanted = Fault::kKillBefore;

bool Kills() { return wanted == Fault::kKillBefore || wanted == Fault::kKillAfter; }

}  // namespace

Strike NextStrike(bool needs_room) {
  if (!armed || (!Kills() && !needs_room)) return Strike::kNone;
  const int now = --left;
  const bool strikes = now == 0 || (now < 0 && wanted == Fault::kDiskStaysFull);
  if (!strikes) return Strike::kNone;
  struck = true;
  if (!Kills()) return Strike::kFull;
  return wanted == Fault::kKillAfter ? Strike::kKillAfter : Strike::kKillBefore;
}

void ArmFault(Fault fault, int nth) {
  wanted = fault;
  left = nth;
  armed = true;
}

bool FaultStruck() { return struck; }

}  // namespace seaworthy::testing
