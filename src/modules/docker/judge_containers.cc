// The benchmark's section 5: containers that run. Those that are stopped share nothing with the
// host until they are started.
#include <algorithm>
#include <array>
#include <iterator>

#include "modules/docker/audit.h"
#include "modules/docker/container_checks.h"
#include "modules/docker/engine_json.h"

namespace seaworthy::docker {
namespace {

using nlohmann::json;

constexpr auto kFull = Automation::kFull;
constexpr auto kPartial = Automation::kPartial;

struct ContainerCheck {
  Check check;
  Judgement (*judge)(const ContainerCase& of);  // null: of the engine, not of a container
  // In the SecurityOptions of GET /info where the check can be asked at all.
  std::string_view module = {};
};

constexpr ContainerCheck kTable[] = {
    {{"5.1", "Swarm mode is on only where it is wanted", kFull,
      "Leave the swarm with `docker swarm leave`, or say in the site's policy that it is used."},
     nullptr},
    {{"5.2", "Containers run under a profile of AppArmor", kFull,
      "Run it without apparmor=unconfined; the engine has a profile of its own."},
     JudgeAppArmor,
     "apparmor"},
    {{"5.3", "Containers run under SELinux", kFull,
      "Set selinux-enabled, and run it without label=disable.", "selinux-enabled"},
     JudgeSelinux,
     "selinux"},
    {{"5.4", "Containers have no more capabilities than they need", kFull,
      "Run it without --cap-add, or name the capability in the site's policy."},
     JudgeCapabilities},
    {{"5.5", "No container is privileged", kFull,
      "Run it without --privileged, with the capabilities and devices it needs."},
     JudgePrivileged},
    {{"5.6", "No folder that the host's security rests on is mounted in a container", kFull,
      "Mount a folder made for the container, or name it in the site's policy."},
     JudgeSensitiveMounts},
    {{"5.7", "No SSH server runs in a container", kFull,
      "Take the SSH server out of the image; go in by docker exec."},
     JudgeSshd},
    {{"5.8", "No port of the host below 1024 leads to a container", kFull,
      "Publish it on a port from 1024 on, or name the port in the site's policy."},
     JudgePrivilegedPorts},
    {{"5.9", "Only ports that are needed are open", kPartial,
      "List the open ports in the site's policy; publish no others, and do not use -P."},
     JudgeOpenPorts},
    {{"5.10", "No container has the host's network", kFull,
      "Run it without --network=host, in a network of its own."},
     JudgeHostNetwork},
    {{"5.11", "Containers have a limit of memory", kFull, "Run it with --memory."}, JudgeMemory},
    {{"5.12", "Containers have a share of the processors", kFull,
      "Run it with --cpus, --cpu-quota, or --cpu-shares other than 1024."},
     JudgeCpu},
    {{"5.13", "Containers cannot write to their root file system", kFull,
      "Run it with --read-only, and volumes or --tmpfs for what it writes."},
     JudgeRootFileSystem},
    {{"5.14", "Ports are open on one interface of the host, not on all", kFull,
      "Publish it with an address: 10.0.0.1:8080:80.", "ip"},
     JudgeInterfaces},
    {{"5.15", "A container that fails is started again five times at most", kFull,
      "Run it with --restart=on-failure:5."},
     JudgeRestarts},
    {{"5.16", "No container is in the host's PID namespace", kFull, "Run it without --pid=host."},
     JudgeHostPids},
    {{"5.17", "No container is in the host's IPC namespace", kFull, "Run it without --ipc=host.",
      "default-ipc-mode"},
     JudgeHostIpc},
    {{"5.18", "No container has a device of the host", kFull,
      "Run it without --device, --gpus and --device-cgroup-rule, or name the device in the site's "
      "policy."},
     JudgeDevices},
    {{"5.19", "Containers have limits of files and processes", kFull,
      "Set default-ulimits, or run it with --ulimit.", "default-ulimits"},
     JudgeUlimits},
    {{"5.20", "No mount of a container comes back to the host", kFull,
      "Mount it without shared and rshared."},
     JudgePropagation},
    {{"5.21", "No container is in the host's UTS namespace", kFull, "Run it without --uts=host."},
     JudgeHostUts},
    {{"5.22", "Containers run under a seccomp profile", kFull,
      "Run it without seccomp=unconfined; the engine has a profile of its own."},
     JudgeSeccomp},
    {{"5.23", "Nothing is run in a container by exec with more privileges than it has", kFull,
      "Do not use docker exec --privileged; let an authorization plugin refuse it."},
     JudgePrivilegedExec},
    {{"5.24", "Nothing is run in a container by exec as root", kFull,
      "Do not use docker exec --user=root; let an authorization plugin refuse it."},
     JudgeRootExec},
    {{"5.25", "Containers are in the engine's cgroup", kFull, "Run it without --cgroup-parent."},
     JudgeCgroupParent},
    {{"5.26", "Programs in containers cannot gain privileges", kFull,
      "Set no-new-privileges, or run it with --security-opt=no-new-privileges; make containers of "
      "before anew.",
      "no-new-privileges"},
     JudgeNoNewPrivileges},
    {{"5.27", "The health of containers is checked", kFull,
      "Run it with --health-cmd, or from an image with a HEALTHCHECK."},
     JudgeHealth},
    {{"5.28", "Containers run the image that they should, and its newest", kPartial,
      "Name images by their digest; pull and make the container anew when there is a newer one."},
     JudgeImageName},
    {{"5.29", "Containers have a limit of processes", kFull, "Run it with --pids-limit."},
     JudgePids},
    {{"5.30", "No container is in the default network", kFull,
      "Make a network for the containers that talk to each other; or set bridge to none.",
      "bridge"},
     JudgeDefaultBridge},
    {{"5.31", "No container is in the host's user namespace", kFull,
      "Run it without --userns=host."},
     JudgeHostUsers},
    {{"5.32", "The engine's socket is in no container", kFull,
      "Do not mount the socket, nor a folder that it is in."},
     JudgeEngineSocket},
};

constexpr auto kChecks = [] {
  std::array<Check, std::size(kTable)> checks = {};
  std::ranges::transform(kTable, checks.begin(), &ContainerCheck::check);
  return checks;
}();

void JudgeSwarm(const Facts& facts, const SitePolicy& policy, Findings& findings) {
  if (!facts.info.ok()) return findings.CannotTell("5.1", "", Message(facts.info.status()));
  const std::string state = Text(At(*facts.info, {"Swarm", "LocalNodeState"}));
  const std::string evidence = "GET /info: Swarm.LocalNodeState = \"" + state + "\"";
  if (state.empty()) {
    return findings.CannotTell("5.1", "", "GET /info has no Swarm.LocalNodeState.");
  }
  if (state == "inactive") return findings.Pass("5.1", "Swarm mode is off.", evidence);
  if (policy.swarm) return findings.Pass("5.1", "The policy says that a swarm is used.", evidence);
  findings.Fail("5.1", "", "Swarm mode is on, and the policy does not say that it is used.",
                evidence);
}

// Whether the check can be asked here; says so if not.
bool CanAsk(const ContainerCheck& check, const Facts& facts, Findings& findings) {
  if (check.module.empty()) return true;
  if (!facts.info.ok()) {
    findings.CannotTell(check.check.id, "", Message(facts.info.status()));
    return false;
  }
  if (SecurityOption(*facts.info, check.module)) return true;
  findings.NotApplicable(check.check.id,
                         "The engine does not have it: SecurityOptions of GET "
                         "/info has no name=" +
                             std::string(check.module) + ".");
  return false;
}

void JudgeRunning(const ContainerCheck& check, const std::vector<ContainerCase>& running,
                  Findings& findings) {
  for (const ContainerCase& of : running) {
    if (!At(of.container, {"HostConfig"}).is_object()) {
      findings.CannotTell(check.check.id, ContainerName(of.container),
                          "The engine's answer for it has no HostConfig.");
      continue;
    }
    Judgement judgement = check.judge(of);
    if (!judgement) continue;
    findings.Add(check.check.id, judgement->outcome, ContainerName(of.container),
                 std::move(judgement->text), std::move(judgement->evidence));
  }
  if (findings.Has(check.check.id)) return;
  findings.Pass(check.check.id, running.size() == 1
                                    ? "It holds for the one running container."
                                    : "It holds for all " + std::to_string(running.size()) +
                                          " running containers.");
}

void JudgeContainers(const Facts& facts, const SitePolicy& policy, Findings& findings) {
  JudgeSwarm(facts, policy, findings);
  const HostPlaces places = FindHostPlaces(facts, policy);
  std::vector<ContainerCase> running;
  if (facts.containers.ok()) {
    for (const json& container : *facts.containers) {
      if (!IsTrue(At(container, {"State", "Running"}))) continue;
      running.push_back({facts, policy, places, container});
    }
  }
  for (const ContainerCheck& check : kTable) {
    if (check.judge == nullptr) continue;
    if (!facts.containers.ok()) {
      findings.CannotTell(check.check.id, "", Message(facts.containers.status()));
    } else if (running.empty()) {
      findings.NotApplicable(check.check.id, "No container runs.");
    } else if (CanAsk(check, facts, findings)) {
      JudgeRunning(check, running, findings);
    }
  }
}

}  // namespace

const CheckFamily kContainerChecks = {"Containers", kChecks, JudgeContainers};

}  // namespace seaworthy::docker
