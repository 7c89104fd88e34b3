// Brings the kernel to appraise files by our keys, in the order in which nothing goes wrong: keys,
// then the policy, then the first lookup, then EVM.
#pragma once

#include <optional>
#include <vector>

#include "seaworthy/ima_certificate.h"
#include "seaworthy/modules/integrity/ima_policy.h"

namespace seaworthy::integrity {

struct AppraisalStart {
  std::vector<verify::ImaCertificate> certificates;
  // Loaded behind the keys unless a policy was loaded in this boot.
  std::optional<ImaPolicy> policy;
  // The certificates are for EVM too, and its signatures are switched on: for good, and HMACs off,
  // until the machine is off.
  bool evm = false;
};

struct AppraisalStarted {
  bool policy_loaded = false;  // by this call
  // The kernel has found the keyring, and no process can show it another one.
  bool ima_in_use = false;
};

// For root; may be called again. Errors as KernelKeyring's; FAILED_PRECONDITION (IMA_UNAVAILABLE,
// EVM_UNAVAILABLE) where the kernel lacks them; INVALID_ARGUMENT (IMA_POLICY_REFUSED);
// FAILED_PRECONDITION (KEYRING_NOT_IN_USE) when the kernel does not find the keyring by the policy.
Result<AppraisalStarted> StartAppraisal(const AppraisalStart& start);

}  // namespace seaworthy::integrity
