// A whole daemon's configuration under a temporary root: no path outside, no group that the
// machine would have to know, quiet.
#pragma once

#include <string>

#include "app/config.h"
#include "support/temp_root.h"

namespace seaworthy::testing {

inline app::Config DaemonConfig(const TempRoot& root, const std::string& tcti) {
  app::Config config;
  config.node.state_dir = root / "state";
  config.log.level = Level::kError;
  config.tpm.tcti = tcti;
  config.local.admin_socket = root / "run/admin/s";
  config.local.read_socket = root / "run/read/s";
  config.local.read_group = "";
  config.attestation.boot_log = root / "boot_log";
  config.attestation.ima_list = root / "ima_list";
  config.docker.hardener_socket = root / "hardener.sock";
  config.audit.file = root / "log/audit.jsonl";
  return config;
}

}  // namespace seaworthy::testing
