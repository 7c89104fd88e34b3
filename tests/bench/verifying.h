// What evidence costs who judges it, beside evmctl over the same IMA list. In seconds of CPU time
// of the one thread that works: nothing waits here, so this holds on a busy machine too.
#pragma once

#include <cstdint>
#include <string>

#include "seaworthy/verifier.h"
#include "support/temp_root.h"
#include "unit/verify/forger.h"

namespace seaworthy::bench {

class Verifying {
 public:
  // The list is in a file from then on, so that it's no memory of this process.
  Verifying();

  static constexpr int kEntries = 1'000'000;

  struct ListCost {
    double seconds = 0;
    // Of this process from a tenth of the list on, in resident memory.
    double growth_mib = 0;
  };
  // The whole list, replayed and judged by a policy, in chunks of 1 MiB.
  ListCost JudgeList() const;
  // The same list, replayed by evmctl.
  double ReplayByEvmctl() const;
  // A quote over PCRs 0 to 7 and 10 without logs, by a policy that has a value for each.
  double JudgeQuote() const;

 private:
  verify::Verifier MakeList();

  testing::TempRoot root_;
  Bytes pcr10_;  // after the list
  verify::Verifier list_verifier_;
  verify::Forger node_;
  verify::EnrolledKey ak_;
  verify::Evidence evidence_;
  verify::Verifier quote_verifier_;
};

}  // namespace seaworthy::bench
