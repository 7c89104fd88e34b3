// How much of the host a container may take.
#include <cstdint>

#include "modules/docker/container_checks.h"
#include "modules/docker/engine_json.h"

namespace seaworthy::docker {
namespace {

using nlohmann::json;

constexpr std::int64_t kMostRetries = 5;
constexpr std::int64_t kDefaultShares = 1024;

std::int64_t Limit(const ContainerCase& of, const char* member) {
  return Number(At(of.container, {"HostConfig", member}));
}

std::string Evidence(const ContainerCase& of, const char* member) {
  return std::string("HostConfig.") + member + " = " + std::to_string(Limit(of, member));
}

}  // namespace

Judgement JudgeMemory(const ContainerCase& of) {
  if (Limit(of, "Memory") > 0) return std::nullopt;
  return Remark{"It may take all memory.", Evidence(of, "Memory")};
}

Judgement JudgeCpu(const ContainerCase& of) {
  if (Limit(of, "NanoCpus") > 0 || Limit(of, "CpuQuota") > 0) return std::nullopt;
  const std::int64_t shares = Limit(of, "CpuShares");
  // The kernel's default is what all have.
  if (shares > 0 && shares != kDefaultShares) return std::nullopt;
  return Remark{"It has no share of the processors, and no limit.",
                Evidence(of, "CpuShares") + ", NanoCpus and CpuQuota none"};
}

Judgement JudgeRestarts(const ContainerCase& of) {
  const json& policy = At(of.container, {"HostConfig", "RestartPolicy"});
  const std::string name = Text(At(policy, {"Name"}));
  if (name.empty() || name == "no") return std::nullopt;
  const std::int64_t most = Number(At(policy, {"MaximumRetryCount"}));
  if (name == "on-failure" && most > 0 && most <= kMostRetries) return std::nullopt;
  return Remark{
      "It is started again without end, or more than 5 times.",
      "HostConfig.RestartPolicy: " + name + ", MaximumRetryCount " + std::to_string(most)};
}

Judgement JudgeUlimits(const ContainerCase& of) {
  if (!At(of.container, {"HostConfig", "Ulimits"}).empty()) return std::nullopt;
  if (!of.facts.config.ok()) {
    return Remark{Message(of.facts.config.status()), "", Outcome::kCannotTell};
  }
  if (!of.facts.config->Value("default-ulimits").empty()) return std::nullopt;
  return Remark{"It has no limits of its own, and the engine gives none.",
                "HostConfig.Ulimits and default-ulimits are empty"};
}

Judgement JudgeCgroupParent(const ContainerCase& of) {
  const std::string parent = Text(At(of.container, {"HostConfig", "CgroupParent"}));
  if (parent.empty()) return std::nullopt;
  return Remark{"It is in a cgroup of its own choice, where the engine's limits may not hold.",
                "HostConfig.CgroupParent = \"" + parent + "\""};
}

Judgement JudgePids(const ContainerCase& of) {
  if (Limit(of, "PidsLimit") > 0) return std::nullopt;
  return Remark{"It may start processes without end.", Evidence(of, "PidsLimit")};
}

}  // namespace seaworthy::docker
