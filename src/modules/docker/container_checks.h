// The benchmark's section 5, a function for each of its checks on one running container; their
// table is in judge_containers.cc.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "modules/docker/facts.h"
#include "modules/docker/host_location.h"
#include "modules/docker/site_policy.h"
#include "seaworthy/modules/docker/finding.h"

namespace seaworthy::docker {

// Where on the host lies what no container should have; looked up once an audit.
struct HostPlaces {
  struct Folder {
    std::string name;  // as it is called: "/etc"
    HostLocation location;
  };
  std::vector<Folder> sensitive;  // without the root
  Result<HostLocation> root;
  std::vector<HostLocation> permitted;  // SitePolicy.mounts
  // Those that the engine listens at.
  Result<std::vector<Folder>> sockets;
};
HostPlaces FindHostPlaces(const Facts& facts, const SitePolicy& policy);

struct ContainerCase {
  const Facts& facts;
  const SitePolicy& policy;
  const HostPlaces& places;
  const nlohmann::json& container;  // as inspected; it runs
};

// What is to be said of a container; nothing where the check holds for it.
struct Remark {
  std::string text;
  std::string evidence;
  Outcome outcome = Outcome::kFail;
};
using Judgement = std::optional<Remark>;

// The values of `name` in HostConfig.SecurityOpt, as the engine takes them: "name=value",
// "name:value", and "no-new-privileges" alone, which is true.
std::vector<std::string> SecurityOptions(const nlohmann::json& container, std::string_view name);
bool IsPrivileged(const nlohmann::json& container);

// Whether the exec that GET /exec/ID/json shows may be one that 5.23 or 5.24 is about.
bool MayBeWrong(const nlohmann::json& exec);

// container_privileges.cc
Judgement JudgeAppArmor(const ContainerCase& of);
Judgement JudgeSelinux(const ContainerCase& of);
Judgement JudgeCapabilities(const ContainerCase& of);
Judgement JudgePrivileged(const ContainerCase& of);
Judgement JudgeDevices(const ContainerCase& of);
Judgement JudgeSeccomp(const ContainerCase& of);
Judgement JudgeNoNewPrivileges(const ContainerCase& of);

// container_namespaces.cc
Judgement JudgeHostNetwork(const ContainerCase& of);
Judgement JudgeHostPids(const ContainerCase& of);
Judgement JudgeHostIpc(const ContainerCase& of);
Judgement JudgeHostUts(const ContainerCase& of);
Judgement JudgeHostUsers(const ContainerCase& of);

// container_network.cc
Judgement JudgePrivilegedPorts(const ContainerCase& of);
Judgement JudgeOpenPorts(const ContainerCase& of);
Judgement JudgeInterfaces(const ContainerCase& of);
Judgement JudgeDefaultBridge(const ContainerCase& of);

// container_mounts.cc
Judgement JudgeSensitiveMounts(const ContainerCase& of);
Judgement JudgeRootFileSystem(const ContainerCase& of);
Judgement JudgePropagation(const ContainerCase& of);
Judgement JudgeEngineSocket(const ContainerCase& of);

// container_limits.cc
Judgement JudgeMemory(const ContainerCase& of);
Judgement JudgeCpu(const ContainerCase& of);
Judgement JudgeRestarts(const ContainerCase& of);
Judgement JudgeUlimits(const ContainerCase& of);
Judgement JudgeCgroupParent(const ContainerCase& of);
Judgement JudgePids(const ContainerCase& of);

// container_life.cc
Judgement JudgeSshd(const ContainerCase& of);
Judgement JudgePrivilegedExec(const ContainerCase& of);
Judgement JudgeRootExec(const ContainerCase& of);
Judgement JudgeHealth(const ContainerCase& of);
Judgement JudgeImageName(const ContainerCase& of);

}  // namespace seaworthy::docker
