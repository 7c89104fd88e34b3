#include "modules/docker/host_location.h"

#include <algorithm>
#include <optional>

#include "seaworthy/status_macros.h"

namespace seaworthy::docker {

Result<HostLocation> Locate(const os::RootFolder& root, const std::string& path) {
  HostLocation location;
  location.there = true;
  std::string wanted = os::BelowRoot(path);
  std::optional<std::string> canonical;
  while (true) {
    ASSIGN_OR_RETURN(canonical, root.Canonical(wanted));
    if (canonical || wanted.empty()) break;
    location.there = false;
    const std::size_t slash = wanted.rfind('/');
    wanted.resize(slash == std::string::npos ? 0 : slash);
  }
  std::size_t end = 0;
  while (true) {
    ASSIGN_OR_RETURN(const std::optional<os::Place> place,
                     root.At(canonical.value_or("").substr(0, end)));
    if (!place) {  // moved meanwhile
      location.there = false;
      return location;
    }
    location.way.push_back({place->stat.st_dev, place->stat.st_ino});
    if (!canonical || end >= canonical->size()) return location;
    end = std::min(canonical->find('/', end + 1), canonical->size());
  }
}

bool IsWithin(const HostLocation& inner, const HostLocation& outer) {
  return outer.there && std::ranges::find(inner.way, outer.way.back()) != inner.way.end();
}

}  // namespace seaworthy::docker
