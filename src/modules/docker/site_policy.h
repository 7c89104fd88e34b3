// What a site allows its engines beyond the benchmark, and what it asks more.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "modules/docker/engine_version.h"
#include "seaworthy/status.h"

namespace seaworthy::docker {

struct AuditException {
  std::string check;    // an id
  std::string subject;  // a container's name, a path; empty: all of them
  std::string reason;   // never empty
  std::string until;    // "2027-03-31": the last day on which it holds
};

struct SitePolicy {
  // Accounts that may be in the group of the engine's socket (1.1.2).
  std::set<std::string, std::less<>> docker_group;
  std::optional<EngineVersion> minimum_engine;  // 1.2.2
  // Registries without TLS that are known (2.5), as the engine names them.
  std::set<std::string, std::less<>> insecure_registries;
  // Of containers: capabilities without "CAP_" (5.4), folders of the host with what is in them
  // (5.6), ports below 1024 (5.8), all ports that may be open (5.9; none given: not judged),
  // devices (5.18).
  std::set<std::string, std::less<>> capabilities;
  std::set<std::string, std::less<>> mounts;
  std::set<std::uint16_t> privileged_ports;
  std::optional<std::set<std::uint16_t>> ports;
  std::set<std::string, std::less<>> devices;
  std::uint32_t unused_images = 20;       // that may lie about (6.1)
  std::uint32_t stopped_containers = 10;  // (6.2)
  std::uint32_t swarm_managers = 7;       // (7.1)
  bool swarm = false;                     // is used on purpose (5.1)
  std::vector<AuditException> exceptions;
};

// INVALID_ARGUMENT (SITE_POLICY_MALFORMED) naming the field.
Result<SitePolicy> ParseSitePolicy(std::string_view text);

}  // namespace seaworthy::docker
