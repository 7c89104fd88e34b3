// Which conditions, options and actions go together.
#pragma once

#include <string>

#include "seaworthy/modules/integrity/ima_policy.h"

namespace seaworthy::integrity {

// What Linux 6.1 refuses in a rule whose words are each right, as a sentence; empty when nothing.
std::string RefusedTogether(const ImaRule& rule, const ImaKernel& kernel);

}  // namespace seaworthy::integrity
