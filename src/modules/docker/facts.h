// All that an audit looks at, collected before anything is judged: from /proc, from files and from
// the engine.
#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "modules/docker/audit_rules.h"
#include "modules/docker/effective_config.h"
#include "modules/docker/engine_process.h"
#include "modules/docker/tls_listener.h"
#include "seaworthy/deadline.h"
#include "seaworthy/os/root_folder.h"
#include "seaworthy/status.h"

namespace seaworthy::docker {

// daemon.json as it is used.
struct ConfigFile {
  std::string path;    // absolute
  bool named = false;  // by --config-file: then the engine does not start without it
  bool present = false;
};

// What a fact is before anybody asked for it.
inline Status NotCollected() {
  return Fail(Code::kUnavailable, "NOT_COLLECTED", "it was not asked for");
}

// What could not be had is a Status that says why; what stands on it is kCannotTell.
struct Facts {
  explicit Facts(os::RootFolder folder) : root(std::move(folder)) {}

  // The system's files, "/" but in tests.
  os::RootFolder root;
  Result<EngineProcess> process = NotCollected();
  // Of its TCP listeners, those of a swarm among them.
  std::vector<TlsProbe> tls;
  // The socket through which the engine was asked.
  std::string socket;
  // The engine's answers, as they are: GET /version, /info; of containers (stopped ones, too),
  // images and networks what `inspect` shows, and "/images/NAME/history" under "History".
  Result<nlohmann::json> version = NotCollected();
  Result<nlohmann::json> info = NotCollected();
  Result<std::vector<nlohmann::json>> containers = NotCollected();
  Result<std::vector<nlohmann::json>> images = NotCollected();
  Result<std::vector<nlohmann::json>> networks = NotCollected();
  // As GET /volumes lists them.
  Result<std::vector<nlohmann::json>> volumes = NotCollected();
  // What exec has in a running container, by its id: GET /exec/ID/json of its ExecIDs.
  std::map<std::string, Result<std::vector<nlohmann::json>>> execs;
  // Of the version in `version`.
  EngineVersion engine_version;
  ConfigFile config_file;
  Result<EffectiveConfig> config = NotCollected();
  // The kernel's, by audit netlink.
  Result<AuditRules> audit_rules = NotCollected();
  // Why the engine could not have containers labelled by SELinux here; empty: it could. Filled by
  // who asks for it, as libselinux looks at the whole system.
  std::string selinux_missing;
  // Where a unit lies, as systemd takes it: "docker.service" -> "/lib/systemd/system/...". Those
  // that are not there are not in.
  std::map<std::string, std::string> units;
  // Names (comm) of the processes in a running container, by its id.
  std::map<std::string, Result<std::vector<std::string>>> container_processes;

  // The engine's own: DockerRootDir, exec-root, containerd's socket and configuration.
  std::string data_root;
  std::string exec_root;
  std::string containerd_socket;
};

struct FactsOptions {
  std::string root = "/";  // of the system
  std::string socket = "/run/docker.sock";
  // To look at besides those in ExecIDs, which the engine forgets as they end.
  std::set<std::string> execs = {};
};

// Always something: where the engine does not answer, the facts say so. Takes no longer than the
// deadline.
Result<Facts> CollectFacts(Deadline deadline, const FactsOptions& options);

}  // namespace seaworthy::docker
