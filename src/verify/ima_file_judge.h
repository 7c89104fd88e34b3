// What a policy says of one file in the IMA list.
#pragma once

#include <optional>
#include <string_view>

#include "seaworthy/ima_signature.h"
#include "seaworthy/policy.h"
#include "seaworthy/verify.h"
#include "verify/ima_file_table.h"

namespace seaworthy::verify {

struct ImaFileRules {
  const ImaPolicy& policy;
  const ImaFileTable& files;  // of the policy
  const ImaKeys& keys;        // of the policy
};

Severity SeverityOf(Judge judge);

// Whether a path is beyond the policy.
bool IsExcluded(const ImaPolicy& policy, std::string_view path);

// What is wrong with a file, without its place in the list; nothing when the policy allows it.
// `place` is the path's in the table.
std::optional<Finding> JudgeFile(const ImaFileRules& rules, const ImaFields& fields,
                                 ImaFileTable::Place place);

}  // namespace seaworthy::verify
