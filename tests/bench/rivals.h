// What others on a Debian node use for the same: tpm2-tools and openssl with tpm2-openssl, one
// process a signature. For the table; nothing is aimed at them.
#pragma once

#include <string>
#include <vector>

#include "support/temp_root.h"

namespace seaworthy::bench {

class Rivals {
 public:
  // Makes a signing key and an attestation key in the TPM. swtpm serves one at a time, so
  // nobody else may have it open.
  explicit Rivals(const std::string& tcti);

  void Tpm2Sign();
  void Tpm2Quote();
  void OpensslSign();
  // Frees the TPM's slots: without a resource manager tpm2-tools leave loaded what they used.
  void Flush();

 private:
  void Do(const std::vector<std::string>& argv);

  testing::TempRoot root_;
  const std::vector<std::string> variables_;
};

}  // namespace seaworthy::bench
