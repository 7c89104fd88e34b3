// The files that a transaction replaces.
#pragma once

#include <optional>
#include <string>

#include "seaworthy/modules/docker/hardening.h"
#include "seaworthy/status.h"

namespace seaworthy::docker {

// What the file says; nothing: there is none. FAILED_PRECONDITION (UNSAFE_FILE) for a link, a
// special file, or one that no configuration is as long as.
Result<std::optional<std::string>> ReadConfigFile(const std::string& path);

// Whether it says that, and is not for others to write or to run.
Result<bool> SaysConfigFile(const std::string& path, const std::optional<std::string>& content);

// Replaces or removes it, as a whole and durably; a missing folder is made. Nobody but root may
// write what is made, and who could not read it before cannot after.
Status PutConfigFile(const std::string& path, const std::optional<std::string>& content);

}  // namespace seaworthy::docker
