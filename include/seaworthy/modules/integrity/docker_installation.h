// The files that Docker's trust rests on, as found on this node.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "seaworthy/status.h"

namespace seaworthy::integrity {

enum class InstalledKind : std::uint8_t { kProgram, kConfiguration, kUnit, kCertificate, kProfile };
// "program", ...
std::string_view ToString(InstalledKind kind);

struct InstalledFile {
  std::string path;  // canonical, below the root, without a leading "/"
  InstalledKind kind = InstalledKind::kProgram;
  std::string package;      // dpkg's that owns it; empty: none does
  std::string link_target;  // of a symbolic link, as it is written; empty: a regular file
};

// Regular files and symbolic links, sorted by path: programs, units, configuration of the packages
// that make up Docker, and what is in the places where others are looked for, with what daemon.json
// names. What a link leads to is listed too, when it is a regular file below the root, which is
// never left. `more` are further files, and folders with all that is in them; each must be there:
// NOT_FOUND. RESOURCE_EXHAUSTED (TOO_MANY_FILES) beyond 100,000. INTERNAL and PERMISSION_DENIED
// when something cannot be looked at.
Result<std::vector<InstalledFile>> FindDockerInstallation(const std::string& root,
                                                          const std::vector<std::string>& more);

}  // namespace seaworthy::integrity
