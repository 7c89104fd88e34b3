// Faults at a chosen state-changing system call. The program must be linked with
// FAULT_POINT_LINK_OPTIONS (tests/support/CMakeLists.txt), which sends the calls of our own
// code through here: openat that creates, write (not to the standard streams), fsync,
// fsetxattr, renameat, renameat2, unlinkat, mkdirat. Or, for the calls of shared libraries too,
// with seaworthy_library_fault_points: open that creates and fdatasync as well.
#pragma once

namespace seaworthy::testing {

enum class Fault {
  kKillBefore,     // SIGKILL of this process before the call
  kKillAfter,      // SIGKILL when it is done
  kDiskFullOnce,   // ENOSPC instead of the call
  kDiskStaysFull,  // ENOSPC from that call on, for all that need room
};

// Lets the fault strike at the nth point from now on, counting from 1. For the two kinds of a
// full disk only calls that need room count: not renames and removals.
void ArmFault(Fault fault, int nth);

// Whether it struck.
bool FaultStruck();

}  // namespace seaworthy::testing
