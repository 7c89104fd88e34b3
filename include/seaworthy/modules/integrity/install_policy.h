// IMA policies where they are loaded from at boot.
#pragma once

#include <string>
#include <string_view>

#include "seaworthy/modules/integrity/ima_policy.h"
#include "seaworthy/status.h"

namespace seaworthy::integrity {

enum class PolicyPlace : std::uint8_t {
  kSystemd,    // /etc/ima/ima-policy: systemd has the kernel load it, before there are keys
  kBehindKeys  // /etc/seaworthy/ima-policy: seaworthy-appraisal.service loads the keys before it
};

// Behind keys when it appraises.
PolicyPlace PlaceOf(const ImaPolicy& policy);

// "/etc/ima/ima-policy".
std::string PathOf(PolicyPlace place);

enum class PolicyLoading : std::uint8_t {
  kNextBoot,
  kNow,           // and at each boot
  kTooLateForNow  // the kernel has one and takes no other before the next boot
};

// Replaces the node's policy as a whole and keeps the one before as ima-policy.previous, also where
// that was in the other place: a kernel takes one policy a boot. With `now`, which is for systemd's
// place, the kernel loads it first: one that it refuses is not installed (FAILED_PRECONDITION,
// IMA_POLICY_REFUSED), nor is one when there is no IMA (IMA_ABSENT). Whether the policy makes sense
// is not looked at.
Result<PolicyLoading> InstallImaPolicy(const std::string& root, std::string_view text,
                                       PolicyPlace place, bool now);

// The way back, for the next boot: the node's policy is kept as ima-policy.removed, and the one
// before, if any, is the node's again: true. NOT_FOUND (IMA_POLICY_MISSING) when there is neither.
Result<bool> RemoveImaPolicy(const std::string& root);

}  // namespace seaworthy::integrity
