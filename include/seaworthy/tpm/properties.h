// What the TPM says about itself. Needs a turn (broker.h).
#pragma once

#include <vector>

#include "seaworthy/tpm/broker.h"

namespace seaworthy::tpm {

// TPM 2.0 part 2, 6.13 (TPM_PT).
struct Properties {
  std::string manufacturer;
  std::string vendor;
  std::string firmware;       // "major.minor.build.revision"
  std::string specification;  // "2.0 revision 1.64"
  Bytes srk_name;
  bool in_lockout = false;
  std::uint32_t lockout_failures = 0;
  std::uint32_t max_failures = 0;
  std::uint32_t recovery_interval_seconds = 0;
  std::uint32_t lockout_recovery_seconds = 0;
  std::vector<HashAlgorithm> pcr_banks;
  std::vector<KeyAlgorithm> key_algorithms;
};

Result<Properties> ReadProperties(Context& context);

// How often the TPM was started anew (TPM2_Startup with CLEAR), in all its life; TPM2_ReadClock
// tells it as it is, which a quote does not.
Result<std::uint32_t> ReadResetCount(Context& context);

// Handles that exist in the TPM, for finding leaks.
struct HandleCounts {
  std::size_t transient = 0;
  std::size_t sessions = 0;
  std::size_t persistent = 0;
  std::size_t nv_indices = 0;
};
Result<HandleCounts> CountHandles(Context& context);

}  // namespace seaworthy::tpm
