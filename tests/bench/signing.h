// Files signed for IMA by a key of the daemon's, beside the bare TPM2_Sign.
#pragma once

#include <functional>
#include <string>

#include "bench/daemon.h"
#include "seaworthy/modules/integrity/sign_tree.h"
#include "support/sw_tpm.h"
#include "support/temp_root.h"

namespace seaworthy::bench {

class Signing {
 public:
  Signing(const std::string& program, v1::KeyAlgorithm algorithm);

  static constexpr int kFiles = 200;

  // Signs kFiles files that have changed since the last time.
  void SignFiles();
  // Before SignFiles, and not of its time.
  void ChangeFiles();

 private:
  const testing::SwTpm tpm_;
  const testing::TempRoot root_;
  Daemon daemon_;
  std::optional<integrity::FileSigner> signer_;
  int change_ = 0;
};

}  // namespace seaworthy::bench
