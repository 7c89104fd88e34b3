// What the site allows Docker's engine, as a file.
#pragma once

#include <string>

#include "seaworthy/status.h"

namespace seaworthy::ctl {

// Its text. With no name that of the node, which may be without one: empty then.
Result<std::string> ReadSitePolicy(const std::string& named);

// `status`, with the file where that is what is wrong with it.
Status NamePolicy(const Status& status, const std::string& named);

}  // namespace seaworthy::ctl
