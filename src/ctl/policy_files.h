// Policies and IMA lists in files.
#pragma once

#include <optional>
#include <string>

#include "seaworthy/policy.h"
#include "seaworthy/verifier.h"

namespace seaworthy::ctl {

Result<verify::Policy> ReadPolicy(const std::string& path);

// What the last round with a node left; nothing when the path is empty or there is no such file, as
// before the first round.
Result<std::optional<verify::NodeState>> ReadState(const std::string& path);

// Puts the logs that were read beside the evidence into it; an empty path is none. Of an IMA list,
// binary or ascii, what was measured after the quote is left off.
Status AddLogs(const std::string& boot_log, const std::string& ima_list,
               verify::Evidence& evidence);

// Allows, by their SHA-256 digests, the regular files under `folder` as those of a node's root, or
// those in the Debian package `deb`. What the policy allowed stays allowed. Returns how many files
// it looked at.
Result<std::size_t> AllowFolder(const std::string& folder, verify::Policy& policy);
Result<std::size_t> AllowDeb(const std::string& deb, verify::Policy& policy);

}  // namespace seaworthy::ctl
