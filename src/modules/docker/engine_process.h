// The engine that runs, as the kernel shows it.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "seaworthy/status.h"

namespace seaworthy::docker {

struct Listener {
  enum class Kind : std::uint8_t { kUnix, kTcp };
  Kind kind = Kind::kUnix;
  std::string address;  // a path; "127.0.0.1", "::"
  std::uint16_t port = 0;
};

struct EngineProcess {
  pid_t pid = 0;
  uid_t uid = 0;                       // not 0: rootless
  std::string executable;              // its real path
  std::vector<std::string> arguments;  // without the program's name
  std::string working_directory;
  std::vector<Listener> listeners;  // sockets that the process has open and listens at
};

// The dockerd that listens at `socket`, a path. NOT_FOUND (ENGINE_PROCESS) when none does, and
// PERMISSION_DENIED (ENGINE_PROCESS) when it cannot be told, as by one who may not see the
// descriptors of others. `proc` is "/proc".
Result<EngineProcess> FindEngineProcess(const std::string& proc, const std::string& socket);

}  // namespace seaworthy::docker
