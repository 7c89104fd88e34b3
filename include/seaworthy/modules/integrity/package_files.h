// The files of an installed Debian package, as dpkg lists them.
#pragma once

#include <string>
#include <vector>

#include "seaworthy/status.h"

namespace seaworthy::integrity {

// The regular files of the package that are there, relative to `root`, for TreeRun::paths. Where
// /lib and the like are links into /usr the paths go there. A package that is installed for several
// architectures is all of them, or one: "name:architecture". NOT_FOUND (PACKAGE_NOT_INSTALLED).
Result<std::vector<std::string>> FilesOfPackage(const std::string& root,
                                                const std::string& package);

}  // namespace seaworthy::integrity
