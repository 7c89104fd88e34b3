// The daemon's configuration: /etc/seaworthy/seaworthyd.toml. The defaults here and in
// policies/seaworthyd.toml, which documents each key, are the same.
#pragma once

#include <chrono>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "seaworthy/log.h"
#include "seaworthy/rpc/peer.h"
#include "seaworthy/status.h"
#include "seaworthy/tls/front.h"
#include "seaworthy/tpm/types.h"

namespace seaworthy::app {

struct Config {
  struct Node {
    std::string state_dir = "/var/lib/seaworthy";
    bool operator==(const Node&) const = default;
  };
  struct Logging {
    Level level = Level::kInfo;
    bool operator==(const Logging&) const = default;
  };
  struct Tpm {
    std::string tcti;  // empty: found by itself
    bool operator==(const Tpm&) const = default;
  };
  struct Local {
    std::string admin_socket = "/run/seaworthy/admin/seaworthyd.sock";
    std::string read_socket = "/run/seaworthy/read/seaworthyd.sock";
    std::string read_group = "seaworthy";  // empty: the daemon's own
    std::size_t max_connections = 128;     // on each socket
    bool operator==(const Local&) const = default;
  };
  struct Remote {
    std::string listen;  // empty: off
    std::string key = "remote-api";
    tpm::KeyAlgorithm key_algorithm = tpm::KeyAlgorithm::kEcP256;
    std::vector<std::string> server_names;  // empty: the host's name
    std::string client_ca;
    std::string min_tls_version = "1.3";
    tls::Front::Limits limits;
    std::map<std::string, rpc::Role> roles;  // subject alternative name -> role
    bool operator==(const Remote&) const = default;
  };
  struct Attestation {
    tpm::KeyAlgorithm ak_algorithm = tpm::KeyAlgorithm::kEcP256;
    // Empty: not sent.
    std::string boot_log = "/sys/kernel/security/tpm0/binary_bios_measurements";
    std::string ima_list = "/sys/kernel/security/ima/binary_runtime_measurements";
    bool operator==(const Attestation&) const = default;
  };
  struct Integrity {
    // A verifier's policy; empty: no file of the list is judged.
    std::string allowed_files;
    bool operator==(const Integrity&) const = default;
  };
  struct Docker {
    std::string hardener_socket = "/run/seaworthy-hardener.sock";
    bool operator==(const Docker&) const = default;
  };
  struct Audit {
    std::string file = "/var/log/seaworthy/audit.jsonl";  // empty: journal only
    bool operator==(const Audit&) const = default;
  };
  // Of each server: the two local ones and the remote one.
  struct Limits {
    std::size_t max_message_bytes = 4 * 1024 * 1024;
    std::size_t max_concurrent_calls = 128;
    std::size_t max_streams_per_connection = 100;
    std::chrono::milliseconds default_deadline{30'000};
    std::chrono::milliseconds keepalive_time{60'000};
    std::chrono::milliseconds keepalive_timeout{10'000};
    bool operator==(const Limits&) const = default;
  };
  struct Api {
    bool reflection = false;
    bool operator==(const Api&) const = default;
  };

  Node node;
  Logging log;
  Tpm tpm;
  Local local;
  Remote remote;
  Attestation attestation;
  Integrity integrity;
  Docker docker;
  Audit audit;
  Limits limits;
  Api api;
  bool operator==(const Config&) const = default;
};

// INVALID_ARGUMENT (INVALID_CONFIG) lists every error, each on a line "file:line: key ...".
Result<Config> ParseConfig(std::string_view text, const std::string& file);
Result<Config> LoadConfig(const std::string& path);

// The keys whose change needs a restart.
std::vector<std::string> NeedingRestart(const Config& running, const Config& wanted);

// `running` with what can change without a restart taken from `wanted`.
Config WithChangeable(Config running, const Config& wanted);

// Every key, "section.key", as ParseConfig knows them.
std::vector<std::string> ConfigKeys();

}  // namespace seaworthy::app
