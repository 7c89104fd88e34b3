// systemd units that open a volume and mount it before Docker is started.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "seaworthy/status.h"

namespace seaworthy::ctl {

struct UnitFile {
  std::string path;  // below /etc/systemd/system
  std::string content;
};

// `mount` is where the volume belongs. INVALID_ARGUMENT when the name is no volume's, or `mount`
// has what would mean something else in a unit.
Result<std::vector<UnitFile>> VolumeUnits(const std::string& name, const std::string& mount,
                                          bool docker);

// "var-lib-docker" of "/var/lib/docker/", as systemd-escape --path has it.
std::string EscapePath(std::string_view path);

}  // namespace seaworthy::ctl
