// IMA policies where systemd has the kernel load them from: /etc/ima/ima-policy.
#pragma once

#include <string>
#include <string_view>

#include "seaworthy/status.h"

namespace seaworthy::integrity {

enum class PolicyLoading : std::uint8_t {
  kNextBoot,
  kNow,           // and at each boot
  kTooLateForNow  // the kernel has one and takes no other before the next boot
};

// Replaces the node's policy as a whole and keeps the one before as ima-policy.previous. With
// `now` the kernel loads it first: one that it refuses is not installed (FAILED_PRECONDITION,
// IMA_POLICY_REFUSED), nor is one when there is no IMA (IMA_ABSENT). Whether the policy makes sense
// is not looked at.
Result<PolicyLoading> InstallImaPolicy(const std::string& root, std::string_view text, bool now);

// The way back, for the next boot: the node's policy is kept as ima-policy.removed, and the one
// before, if any, is the node's again: true. NOT_FOUND (IMA_POLICY_MISSING) when there is neither.
Result<bool> RemoveImaPolicy(const std::string& root);

}  // namespace seaworthy::integrity
