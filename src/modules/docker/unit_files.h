// Where systemd takes a unit from.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "seaworthy/os/root_folder.h"

namespace seaworthy::docker {

// Where units and their drop-ins lie, below the root, the strongest first. Those of generators are
// left out: none makes the engine's.
std::span<const char* const> UnitFolders();

// The path that the unit ("docker.service") is loaded from, absolute and as it is in that folder:
// it may be a link. Nothing for a unit that is not there or is masked. What `systemctl
// edit --full` made in /etc comes before the package's.
Result<std::optional<std::string>> FindUnitFile(const os::RootFolder& root, std::string_view unit);

}  // namespace seaworthy::docker
