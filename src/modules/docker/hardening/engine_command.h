// dockerd's command line, without some flags, and how a systemd unit says it.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "modules/docker/engine_version.h"
#include "seaworthy/os/root_folder.h"
#include "seaworthy/status.h"

namespace seaworthy::docker {

// `arguments` as ParseEngineFlags takes them, without each use of these flags, by their names.
std::vector<std::string> WithoutFlags(const std::vector<std::string>& arguments,
                                      const EngineVersion& version,
                                      const std::set<std::string, std::less<>>& flags);

// A drop-in by which the unit runs this and nothing else: systemd.service(5)'s quoting, so that it
// expands no variables and specifiers. FAILED_PRECONDITION (ENGINE_FLAG) for what a unit cannot
// say.
Result<std::string> MakeDropIn(const std::string& executable,
                               const std::vector<std::string>& arguments);

// Of the drop-in that Seaworthy writes.
std::string DropInPath(const std::string& unit);

// A drop-in of the unit, or of all services, that says ExecStart= as well and is read after
// DropInPath's: it would have the last word. Nothing where there is none.
Result<std::optional<std::string>> FindLaterDropIn(const os::RootFolder& root,
                                                   const std::string& unit);

}  // namespace seaworthy::docker
