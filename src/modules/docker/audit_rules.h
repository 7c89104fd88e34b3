// The kernel's audit rules, asked for over netlink: no auditctl.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "seaworthy/bytes.h"
#include "seaworthy/deadline.h"
#include "seaworthy/status.h"

namespace seaworthy::docker {

// A rule that watches a file, or a folder with all that is in it: auditctl's -w and -F path=/dir=.
struct AuditWatch {
  std::string path;
  bool folder = false;
  std::uint32_t permissions = 0;   // AUDIT_PERM_READ, _WRITE, _EXEC, _ATTR
  std::uint32_t architecture = 0;  // AUDIT_ARCH_*: the system calls it looks at; 0: all
  // It has conditions that leave accesses out, as a user's.
  bool narrowed = false;
  // It keeps records from being written ("never"). One for no path, as Debian's "-a task,never",
  // is for the folder "/".
  bool never = false;
};

struct AuditRules {
  bool enabled = false;             // the kernel writes records
  std::vector<AuditWatch> watches;  // in the kernel's order: the first that fits decides
};

// PERMISSION_DENIED (AUDIT_RULES) without CAP_AUDIT_CONTROL or in a container; UNAVAILABLE
// (AUDIT_RULES) where the kernel has no audit.
Result<AuditRules> ReadAuditRules(Deadline deadline);

// One rule as the kernel sends it (struct audit_rule_data). Nothing for one that watches no path.
// INVALID_ARGUMENT (AUDIT_RULE_MALFORMED).
Result<std::optional<AuditWatch>> ParseAuditRule(ByteView rule);

}  // namespace seaworthy::docker
