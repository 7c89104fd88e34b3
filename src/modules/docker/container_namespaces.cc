// Namespaces that a container shares with the host.
#include <algorithm>

#include "modules/docker/container_checks.h"
#include "modules/docker/engine_json.h"

namespace seaworthy::docker {
namespace {

using nlohmann::json;

constexpr std::string_view kOther = "container:";

// The one that "container:ID" names; null where it is not there.
const json* FindContainer(const Facts& facts, std::string_view id) {
  const auto found = std::ranges::find_if(*facts.containers, [&](const json& container) {
    return Text(At(container, {"Id"})) == id ||
           Text(At(container, {"Name"})) == "/" + std::string(id);
  });
  return found == facts.containers->end() ? nullptr : &*found;
}

// Who shares a namespace with a container that shares the host's has it as well.
Judgement JudgeMode(const ContainerCase& of, const char* member, const char* text) {
  const json* container = &of.container;
  std::string evidence;
  // As many steps as there are containers: a circle ends.
  for (std::size_t steps = 0; steps <= of.facts.containers->size() && container != nullptr;
       ++steps) {
    const std::string mode = Text(At(*container, {"HostConfig", member}));
    evidence += (evidence.empty() ? "" : ", there ") + std::string("HostConfig.") + member +
                " = \"" + mode + "\"";
    if (mode == "host") return Remark{text, evidence};
    if (!mode.starts_with(kOther)) return std::nullopt;
    container = FindContainer(of.facts, mode.substr(kOther.size()));
  }
  return std::nullopt;
}

}  // namespace

Judgement JudgeHostNetwork(const ContainerCase& of) {
  return JudgeMode(of, "NetworkMode", "It has the host's network.");
}

Judgement JudgeHostPids(const ContainerCase& of) {
  return JudgeMode(of, "PidMode", "It sees and signals the host's processes.");
}

Judgement JudgeHostIpc(const ContainerCase& of) {
  return JudgeMode(of, "IpcMode", "It has the host's shared memory.");
}

Judgement JudgeHostUts(const ContainerCase& of) {
  return JudgeMode(of, "UTSMode", "It can change the host's name.");
}

Judgement JudgeHostUsers(const ContainerCase& of) {
  return JudgeMode(of, "UsernsMode", "Its root is the host's, whatever the engine remaps.");
}

}  // namespace seaworthy::docker
