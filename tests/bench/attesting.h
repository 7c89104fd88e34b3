// Evidence of a node whose kernel has measured much, and of one whose kernel has measured little.
#pragma once

#include <string>

#include "bench/daemon.h"
#include "support/sw_tpm.h"

namespace seaworthy::bench {

class Attesting {
 public:
  // The kernel's part is done here first: so many entries in the list, and PCR 10 extended by each.
  Attesting(const std::string& program, int entries);

  static constexpr int kNew = 10;

  // One round of a verifier that knows all entries but the last kNew.
  void Attest() { daemon_.Attest(first_, reset_count_); }

 private:
  const testing::SwTpm tpm_;
  Daemon daemon_;
  const std::uint64_t first_;
  std::uint32_t reset_count_ = 0;
};

}  // namespace seaworthy::bench
