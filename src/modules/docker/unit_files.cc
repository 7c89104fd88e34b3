#include "modules/docker/unit_files.h"

#include <sys/stat.h>

#include "modules/docker/real_paths.h"
#include "seaworthy/status_macros.h"

namespace seaworthy::docker {
namespace {

// As systemd.unit(5) orders them; the first that has the unit is taken.
constexpr const char* kFolders[] = {
    "etc/systemd/system.control",
    "run/systemd/system.control",
    "run/systemd/transient",
    "etc/systemd/system",
    "etc/systemd/system.attached",
    "run/systemd/system",
    "run/systemd/system.attached",
    "usr/local/lib/systemd/system",
    "usr/lib/systemd/system",
    // Where it is no link to usr/lib.
    "lib/systemd/system",
};

enum class Unit { kAbsent, kMasked, kPresent };

// A link to /dev/null is looked at as a link: there need be no /dev below the root.
Result<Unit> Look(const os::RootFolder& root, const std::string& path) {
  ASSIGN_OR_RETURN(const std::optional<std::string> real, RealFolderPath(root, path));
  if (!real) return Unit::kAbsent;
  ASSIGN_OR_RETURN(const std::optional<os::Place> place, root.At(os::BelowRoot(*real)));
  if (!place) return Unit::kAbsent;
  if (S_ISLNK(place->stat.st_mode)) {
    ASSIGN_OR_RETURN(const std::string target, os::ReadLink(*place));
    if (target.starts_with('/') && os::BelowRoot(target) == "dev/null") return Unit::kMasked;
  }
  ASSIGN_OR_RETURN(const std::optional<std::string> file, root.Canonical(path));
  if (!file) return Unit::kAbsent;
  if (*file == "dev/null") return Unit::kMasked;
  ASSIGN_OR_RETURN(const std::optional<os::Place> leads_to, root.At(*file));
  if (!leads_to) return Unit::kAbsent;
  // An empty file masks as well.
  if (S_ISREG(leads_to->stat.st_mode) && leads_to->stat.st_size == 0) return Unit::kMasked;
  return Unit::kPresent;
}

}  // namespace

std::span<const char* const> UnitFolders() { return kFolders; }

Result<std::optional<std::string>> FindUnitFile(const os::RootFolder& root, std::string_view unit) {
  for (const std::string folder : kFolders) {
    const std::string path = folder + "/" + std::string(unit);
    ASSIGN_OR_RETURN(const Unit found, Look(root, path));
    if (found == Unit::kMasked) return std::optional<std::string>();
    if (found == Unit::kPresent) return std::optional("/" + path);
  }
  return std::optional<std::string>();
}

}  // namespace seaworthy::docker
