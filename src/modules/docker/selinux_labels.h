// SELinux's labels and the files that name them, as the engine's own library reads them
// (opencontainers/selinux).
#pragma once

#include <string>
#include <string_view>

#include "seaworthy/status.h"

namespace seaworthy::docker {

inline constexpr std::size_t kMaxSelinuxFile = std::size_t{64} << 10;

// What SELINUXTYPE says in /etc/selinux/config; empty where it says nothing.
std::string ParsePolicyType(std::string_view config);

// Of lxc_contexts: what containers are started with. Empty is what the file does not name.
struct ContainerContexts {
  std::string process;
  std::string file;
};
ContainerContexts ParseContainerContexts(std::string_view text);

// What /proc/PID/attr/current has, without the NUL or end of line that the kernel puts behind it.
std::string LabelOf(std::string_view text);

// "container_t" of "system_u:system_r:container_t:s0:c1,c2"; empty for what is no label.
std::string SelinuxType(std::string_view label);

// The label with this level in place of its own.
std::string WithLevel(std::string_view label, std::string_view level);

// Whether this is the label of a container's process as the engine gives it: `type`, and two
// categories that keep it apart from other containers. FAILED_PRECONDITION (CONTAINER_LABEL).
Status CheckContainerLabel(std::string_view label, std::string_view type = "container_t");

}  // namespace seaworthy::docker
