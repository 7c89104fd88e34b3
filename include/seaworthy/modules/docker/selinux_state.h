// What SELinux is on this node, and whether the engine gets from it what `selinux-enabled` asks
// for: containers that are kept apart from the node and from each other.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "seaworthy/deadline.h"
#include "seaworthy/modules/docker/engine_audit.h"
#include "seaworthy/status.h"

namespace seaworthy::docker {

enum class SelinuxMode : std::uint8_t { kDisabled, kPermissive, kEnforcing };
std::string_view ToString(SelinuxMode mode);  // "disabled", "permissive", "enforcing"

struct SelinuxFile {
  std::string path;
  std::string label;   // as it is
  std::string wanted;  // as the policy has it; empty: it says nothing of this path

  // restorecon would change it: that looks at the type alone.
  bool Differs() const;
};

// dockerd or containerd.
struct SelinuxProcess {
  bool seen = false;
  std::string label;  // as it is; of one that does not run, or is not seen, empty
  // What systemd would start it as, once its program has the label that the policy has for it.
  std::string next;
  // Whether these may start containers.
  bool may_start = false;
  bool next_may_start = false;
};

struct SelinuxState {
  bool in_kernel = false;  // built in, and not switched off on the kernel's command line
  SelinuxMode mode = SelinuxMode::kDisabled;
  std::string policy;  // its type, as "default"
  int policy_version = 0;
  std::map<std::string, bool> booleans;  // those about containers
  // The labels the engine starts containers with, the file that names them, and whether the loaded
  // policy knows them.
  std::string contexts_file;
  std::string container_process;
  std::string container_file;
  bool container_process_valid = false;
  bool container_file_valid = false;
  SelinuxProcess engine;
  SelinuxProcess containerd;  // starts the containers' programs
  std::vector<SelinuxFile> files;
  // Whether the engine labels containers; nothing: it does not say.
  std::optional<bool> engine_labels;
};

// What is missing for `selinux-enabled`: a sentence each. None: it works.
std::vector<std::string> MissingForSelinux(const SelinuxState& state);
// The first of those, or empty.
std::string WhySelinuxWouldNotWork(const SelinuxState& state);
// Real paths of what has another label than the policy has for it.
std::vector<std::string> PlannedRelabels(const SelinuxState& state);

// Looks as what runs it may: as root it sees all. SELinux itself is the kernel's here, whatever the
// root is.
struct SelinuxOptions {
  std::string root = "/";  // of the system
  std::string socket = kEngineSocket;
};
Result<SelinuxState> LookAtSelinux(Deadline deadline, const SelinuxOptions& options);

// One JSON object, indented.
std::string ToJson(const SelinuxState& state);

}  // namespace seaworthy::docker
