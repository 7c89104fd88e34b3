// What of the configuration can change while the daemon runs.
#include "config.h"

namespace seaworthy::app {

std::vector<std::string> NeedingRestart(const Config& running, const Config& wanted) {
  std::vector<std::string> keys;
  const auto compare = [&](const char* key, const auto& a, const auto& b) {
    if (!(a == b)) keys.emplace_back(key);
  };
  compare("node.state_dir", running.node.state_dir, wanted.node.state_dir);
  compare("tpm.tcti", running.tpm.tcti, wanted.tpm.tcti);
  compare("local.admin_socket", running.local.admin_socket, wanted.local.admin_socket);
  compare("local.read_socket", running.local.read_socket, wanted.local.read_socket);
  compare("local.read_group", running.local.read_group, wanted.local.read_group);
  compare("local.max_connections", running.local.max_connections, wanted.local.max_connections);
  compare("remote.listen", running.remote.listen, wanted.remote.listen);
  compare("remote.key", running.remote.key, wanted.remote.key);
  compare("remote.key_algorithm", running.remote.key_algorithm, wanted.remote.key_algorithm);
  compare("remote.limits", running.remote.limits, wanted.remote.limits);
  compare("attestation.ak_algorithm", running.attestation.ak_algorithm,
          wanted.attestation.ak_algorithm);
  compare("attestation.boot_log", running.attestation.boot_log, wanted.attestation.boot_log);
  compare("attestation.ima_list", running.attestation.ima_list, wanted.attestation.ima_list);
  compare("docker.hardener_socket", running.docker.hardener_socket, wanted.docker.hardener_socket);
  compare("audit.file", running.audit.file, wanted.audit.file);
  compare("limits", running.limits, wanted.limits);
  compare("api.reflection", running.api.reflection, wanted.api.reflection);
  return keys;
}

Config WithChangeable(Config running, const Config& wanted) {
  running.log = wanted.log;
  running.integrity = wanted.integrity;
  running.remote.server_names = wanted.remote.server_names;
  running.remote.client_ca = wanted.remote.client_ca;
  running.remote.min_tls_version = wanted.remote.min_tls_version;
  running.remote.roles = wanted.remote.roles;
  return running;
}

}  // namespace seaworthy::app
