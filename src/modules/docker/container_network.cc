// Ports of the host that lead to a container, and the network it is in.
#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <cstring>
#include <set>

#include "modules/docker/container_checks.h"
#include "modules/docker/engine_json.h"

namespace seaworthy::docker {
namespace {

using nlohmann::json;

constexpr std::uint16_t kFirstFreePort = 1024;

struct Binding {
  std::string container_port;  // "80/tcp"
  std::string address;         // "0.0.0.0", "::", "" where the engine chooses
  std::string host_port;       // "80", "8000-8010", "" where the engine chooses

  auto operator<=>(const Binding&) const = default;
};

void TakeBindings(const json& ports, const json& but, std::set<Binding>& bindings) {
  if (!ports.is_object()) return;
  for (const auto& [container_port, listeners] : ports.items()) {
    if (!listeners.is_array() || !At(but, {container_port}).empty()) continue;
    for (const json& listener : listeners) {
      bindings.insert(
          {container_port, Text(At(listener, {"HostIp"})), Text(At(listener, {"HostPort"}))});
    }
  }
}

// What the engine has opened, and what was asked for where it does not say.
std::set<Binding> Bindings(const json& container) {
  std::set<Binding> bindings;
  const json& opened = At(container, {"NetworkSettings", "Ports"});
  TakeBindings(opened, json(), bindings);
  TakeBindings(At(container, {"HostConfig", "PortBindings"}), opened, bindings);
  return bindings;
}

// Of "8000-8010" the first; 0 where the engine chooses.
std::uint16_t PortOf(const Binding& binding) {
  std::uint16_t port = 0;
  const std::string& text = binding.host_port;
  std::from_chars(text.data(), text.data() + text.size(), port);
  return port;
}

// "0.0.0.0" and "::", however they are written.
bool IsAnyAddress(std::string address) {
  if (address.empty()) return true;
  if (address.starts_with('[') && address.ends_with(']')) {
    address = address.substr(1, address.size() - 2);
  }
  in_addr four = {};
  if (inet_pton(AF_INET, address.c_str(), &four) == 1) return four.s_addr == INADDR_ANY;
  in6_addr six = {};
  if (inet_pton(AF_INET6, address.c_str(), &six) != 1) return false;
  if (IN6_IS_ADDR_V4MAPPED(&six)) {
    return std::ranges::all_of(six.s6_addr + 12, six.s6_addr + 16,
                               [](std::uint8_t byte) { return byte == 0; });
  }
  return IN6_IS_ADDR_UNSPECIFIED(&six);
}

std::string ToText(const Binding& binding) {
  const bool bare_six =
      binding.address.find(':') != std::string::npos && !binding.address.starts_with('[');
  return (bare_six ? "[" + binding.address + "]" : binding.address) + ":" + binding.host_port +
         " -> " + binding.container_port;
}

template <typename Wanted>
std::string TextOf(const json& container, const Wanted& wanted) {
  std::string text;
  for (const Binding& binding : Bindings(container)) {
    if (wanted(binding)) text += (text.empty() ? "" : ", ") + ToText(binding);
  }
  return text;
}

}  // namespace

Judgement JudgePrivilegedPorts(const ContainerCase& of) {
  const std::string seen = TextOf(of.container, [&](const Binding& binding) {
    const std::uint16_t port = PortOf(binding);
    return port != 0 && port < kFirstFreePort && !of.policy.privileged_ports.contains(port);
  });
  if (seen.empty()) return std::nullopt;
  return Remark{"It is behind ports of the host below 1024 that the policy does not have.",
                "ports: " + seen};
}

Judgement JudgeOpenPorts(const ContainerCase& of) {
  if (JudgeHostNetwork(of)) {
    return Remark{
        "It has the host's network: what it opens there, the engine does not know. See "
        "what listens on the host.",
        "HostConfig.NetworkMode", Outcome::kManual};
  }
  const std::string seen = TextOf(of.container, [&](const Binding& binding) {
    return !of.policy.ports || !of.policy.ports->contains(PortOf(binding));
  });
  if (seen.empty()) return std::nullopt;
  if (!of.policy.ports) {
    return Remark{"See whether its open ports are all needed: the policy names none.",
                  "ports: " + seen, Outcome::kManual};
  }
  return Remark{"It has open ports that the policy does not have.", "ports: " + seen};
}

Judgement JudgeInterfaces(const ContainerCase& of) {
  const std::string seen =
      TextOf(of.container, [](const Binding& binding) { return IsAnyAddress(binding.address); });
  if (seen.empty()) return std::nullopt;
  return Remark{"Its ports are open on all interfaces of the host.", "ports: " + seen};
}

Judgement JudgeDefaultBridge(const ContainerCase& of) {
  const json& networks = At(of.container, {"NetworkSettings", "Networks"});
  if (networks.is_object() && !networks.empty()) {
    if (!networks.contains("bridge")) return std::nullopt;
    // An engine without the bridge gives those who ask for it a network of their own.
    if (IsTrue(At(of.container, {"Config", "NetworkDisabled"}))) return std::nullopt;
    return Remark{"It is in the network of all containers that name none.",
                  "NetworkSettings.Networks: bridge"};
  }
  const std::string mode = Text(At(of.container, {"HostConfig", "NetworkMode"}));
  if (mode != "bridge" && mode != "default") return std::nullopt;
  return Remark{"It is in the network of all containers that name none.",
                "HostConfig.NetworkMode = \"" + mode + "\""};
}

}  // namespace seaworthy::docker
