// The engine as what can be reloaded and started again: the systemd unit that it runs in, or the
// process, where no unit has it.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "modules/docker/engine_process.h"
#include "seaworthy/deadline.h"
#include "seaworthy/handle.h"

namespace seaworthy::docker {

// The systemd unit (a service) that a process runs in, from /proc/PID/cgroup; empty: none.
std::string UnitOfProcess(const std::string& proc, pid_t pid);

// FAILED_PRECONDITION (ENGINE_WITHOUT_UNIT) for an engine that no unit runs. OK where none is seen:
// whatever is wrong with it is told by what comes next.
Status CheckUnit(const std::string& proc, const std::string& socket);

class EngineService {
 public:
  EngineService(std::string proc, std::string socket, std::string unit,
                const EngineProcess& process);

  // SIGHUP. It tells nothing of how the engine takes it.
  Status Reload() const;
  // Also one that is not running. Ends when systemd's job or the old process has: whether the new
  // one is well is for the caller to find out. UNAVAILABLE (ENGINE_NOT_STARTED).
  Status Restart(Deadline deadline, bool definitions_changed);

  // Whether the process that Restart started is no more, as with a configuration that it refuses.
  bool Ended() const;

  const std::string& unit() const { return unit_; }
  // The dockerd that has the socket now.
  Result<EngineProcess> Process() const;

  // For a journal, which may outlive this process and the engine's.
  nlohmann::json ToJson() const;
  // INTERNAL (JOURNAL_MALFORMED).
  static Result<EngineService> FromJson(const std::string& proc, const nlohmann::json& value);

 private:
  EngineService() = default;
  Status Stop(Deadline deadline);
  Status Start();

  std::string proc_;
  std::string socket_;
  std::string unit_;
  std::string executable_;
  std::vector<std::string> arguments_;
  std::string working_directory_;
  // Of the process that is stopped, for the one that is started; the journal does not have them.
  std::vector<std::string> environment_;
  UniqueFd output_;
  pid_t started_ = 0;
};

}  // namespace seaworthy::docker
