#include "modules/docker/daemon_key.h"

#include <algorithm>

namespace seaworthy::docker {
namespace {

constexpr EngineVersion k23 = {23, 0, 0};
constexpr EngineVersion k24 = {24, 0, 0};
constexpr EngineVersion k25 = {25, 0, 0};
constexpr EngineVersion k26 = {26, 0, 0};
constexpr EngineVersion k28 = {28, 0, 0};
constexpr EngineVersion k28_2 = {28, 2, 0};
constexpr EngineVersion k29 = {29, 0, 0};
constexpr EngineVersion k29_2 = {29, 2, 0};

constexpr auto kFlag = KeyType::kFlag;
constexpr auto kText = KeyType::kText;
constexpr auto kNumber = KeyType::kNumber;
constexpr auto kTexts = KeyType::kTexts;
constexpr auto kObjects = KeyType::kObjects;
constexpr auto kMap = KeyType::kMap;
constexpr auto kGroup = KeyType::kGroup;

constexpr bool kReload = true;
constexpr bool kRestart = false;

// From the engine's sources, 20.10 to 29; a test holds it against the dockerd of the platform.
constexpr DaemonKey kKeys[] = {
    {"allow-direct-routing", "allow-direct-routing", kFlag, kRestart, 0, k28_2},
    {"allow-nondistributable-artifacts", "allow-nondistributable-artifacts", kTexts, kReload, 0},
    {"api-cors-header", "api-cors-header", kText, kRestart, 0, {}, k28},
    {"authorization-plugins", "authorization-plugin", kTexts, kReload, 0},
    {"bip", "bip", kText, kRestart, 0},
    {"bip6", "bip6", kText, kRestart, 0, k28},
    {"bridge", "bridge", kText, kRestart, 'b'},
    {"bridge-accept-fwmark", "bridge-accept-fwmark", kText, kRestart, 0, k29},
    {"builder", "", kMap, kRestart, 0},
    {"cdi-spec-dirs", "cdi-spec-dir", kTexts, kRestart, 0, k25},
    {"cgroup-parent", "cgroup-parent", kText, kRestart, 0},
    {"cluster-advertise", "cluster-advertise", kText, kReload, 0, {}, k24},
    {"cluster-store", "cluster-store", kText, kReload, 0, {}, k24},
    {"cluster-store-opts", "cluster-store-opt", kMap, kReload, 0, {}, k24},
    {"", "config-file", kText, kRestart, 0},
    {"containerd", "containerd", kText, kRestart, 0},
    {"containerd-namespace", "containerd-namespace", kText, kRestart, 0},
    {"", "containerd-plugins-namespace", kText, kRestart, 0},
    {"cpu-rt-period", "cpu-rt-period", kNumber, kRestart, 0},
    {"cpu-rt-runtime", "cpu-rt-runtime", kNumber, kRestart, 0},
    {"cri-containerd", "cri-containerd", kFlag, kRestart, 0},
    {"data-root", "data-root", kText, kRestart, 0},
    {"debug", "debug", kFlag, kReload, 'D'},
    {"default-address-pools", "default-address-pool", kObjects, kRestart, 0},
    {"default-cgroupns-mode", "default-cgroupns-mode", kText, kReload, 0},
    {"default-gateway", "default-gateway", kText, kRestart, 0},
    {"default-gateway-v6", "default-gateway-v6", kText, kRestart, 0},
    {"default-ipc-mode", "default-ipc-mode", kText, kReload, 0},
    {"default-network-opts", "default-network-opt", kMap, kRestart, 0, k24},
    {"default-runtime", "default-runtime", kText, kReload, 0},
    {"default-shm-size", "default-shm-size", kText, kReload, 0},
    {"default-ulimits", "default-ulimit", kMap, kRestart, 0},
    {"deprecated-key-path", "", kText, kRestart, 0},
    {"dns", "dns", kTexts, kRestart, 0},
    {"dns-opts", "dns-opt", kTexts, kRestart, 0},
    {"dns-search", "dns-search", kTexts, kRestart, 0},
    {"exec-opts", "exec-opt", kTexts, kRestart, 0},
    {"exec-root", "exec-root", kText, kRestart, 0},
    {"experimental", "experimental", kFlag, kRestart, 0},
    {"features", "", kMap, kReload, 0},
    {"firewall-backend", "firewall-backend", kText, kRestart, 0, k29},
    {"fixed-cidr", "fixed-cidr", kText, kRestart, 0},
    {"fixed-cidr-v6", "fixed-cidr-v6", kText, kRestart, 0},
    {"graph", "graph", kText, kRestart, 'g', {}, k24},
    {"group", "group", kText, kRestart, 'G'},
    {"", "help", kFlag, kRestart, 0},
    {"host-gateway-ip", "host-gateway-ip", kText, kRestart, 0},
    {"host-gateway-ips", "host-gateway-ip", kTexts, kRestart, 0, k28},
    {"hosts", "host", kTexts, kRestart, 'H'},
    {"http-proxy", "http-proxy", kText, kRestart, 0, k23},
    {"https-proxy", "https-proxy", kText, kRestart, 0, k23},
    {"icc", "icc", kFlag, kRestart, 0},
    {"init", "init", kFlag, kRestart, 0},
    {"init-path", "init-path", kText, kRestart, 0},
    {"insecure-registries", "insecure-registry", kTexts, kReload, 0},
    {"ip", "ip", kText, kRestart, 0},
    {"ip-forward", "ip-forward", kFlag, kRestart, 0},
    {"ip-forward-no-drop", "ip-forward-no-drop", kFlag, kRestart, 0, k28},
    {"ip-masq", "ip-masq", kFlag, kRestart, 0},
    {"ip6tables", "ip6tables", kFlag, kRestart, 0},
    {"iptables", "iptables", kFlag, kRestart, 0},
    {"ipv6", "ipv6", kFlag, kRestart, 0},
    {"labels", "label", kTexts, kReload, 0},
    {"live-restore", "live-restore", kFlag, kReload, 0},
    {"log-driver", "log-driver", kText, kRestart, 0},
    {"log-format", "log-format", kText, kRestart, 0, k25},
    {"log-level", "log-level", kText, kRestart, 'l'},
    {"log-opts", "log-opt", kMap, kRestart, 0},
    {"max-concurrent-downloads", "max-concurrent-downloads", kNumber, kReload, 0},
    {"max-concurrent-uploads", "max-concurrent-uploads", kNumber, kReload, 0},
    {"max-download-attempts", "max-download-attempts", kNumber, kReload, 0},
    {"metrics-addr", "metrics-addr", kText, kRestart, 0},
    {"min-api-version", "", kText, kRestart, 0, k29},
    {"mtu", "mtu", kNumber, kRestart, 0},
    {"network-control-plane-mtu", "network-control-plane-mtu", kNumber, kRestart, 0},
    {"network-diagnostic-port", "network-diagnostic-port", kNumber, kReload, 0},
    {"no-new-privileges", "no-new-privileges", kFlag, kRestart, 0},
    {"no-proxy", "no-proxy", kText, kRestart, 0, k23},
    {"node-generic-resources", "node-generic-resource", kTexts, kRestart, 0},
    {"nri-opts", "nri-opts", kMap, kRestart, 0, k29_2},
    {"oom-score-adjust", "oom-score-adjust", kNumber, kRestart, 0, {}, k26},
    {"pidfile", "pidfile", kText, kRestart, 'p'},
    {"proxies", "", kGroup, kRestart, 0, k23},
    {"raw-logs", "raw-logs", kFlag, kRestart, 0},
    {"registry-mirrors", "registry-mirror", kTexts, kReload, 0},
    {"", "restart", kFlag, kRestart, 'r'},
    {"rootless", "rootless", kFlag, kRestart, 0},
    {"runtimes", "add-runtime", kMap, kReload, 0},
    {"seccomp-profile", "seccomp-profile", kText, kRestart, 0},
    {"selinux-enabled", "selinux-enabled", kFlag, kRestart, 0},
    {"shutdown-timeout", "shutdown-timeout", kNumber, kReload, 0},
    {"storage-driver", "storage-driver", kText, kRestart, 's'},
    {"storage-opts", "storage-opt", kTexts, kRestart, 0},
    {"swarm-default-advertise-addr", "swarm-default-advertise-addr", kText, kRestart, 0},
    {"tls", "tls", kFlag, kRestart, 0},
    {"tlscacert", "tlscacert", kText, kRestart, 0},
    {"tlscert", "tlscert", kText, kRestart, 0},
    {"tlskey", "tlskey", kText, kRestart, 0},
    {"tlsverify", "tlsverify", kFlag, kRestart, 0},
    {"userland-proxy", "userland-proxy", kFlag, kRestart, 0},
    {"userland-proxy-path", "userland-proxy-path", kText, kRestart, 0},
    {"userns-remap", "userns-remap", kText, kRestart, 0},
    {"", "validate", kFlag, kRestart, 0, k23},
    {"", "version", kFlag, kRestart, 'v'},
};

template <typename Wanted>
const DaemonKey* Find(const EngineVersion& version, const Wanted& wanted) {
  const auto* const found = std::ranges::find_if(kKeys, [&](const DaemonKey& key) {
    return key.since <= version && version < key.until && wanted(key);
  });
  return found == std::end(kKeys) ? nullptr : found;
}

}  // namespace

const DaemonKey* FindKey(std::string_view name, const EngineVersion& version) {
  if (name.empty()) return nullptr;
  return Find(version, [&](const DaemonKey& key) { return key.name == name; });
}

const DaemonKey* FindKeyOfAnyVersion(std::string_view name) {
  if (name.empty()) return nullptr;
  const auto* const found = std::ranges::find(kKeys, name, &DaemonKey::name);
  return found == std::end(kKeys) ? nullptr : found;
}

const DaemonKey* FindFlag(std::string_view flag, const EngineVersion& version) {
  if (flag.empty()) return nullptr;
  return Find(version, [&](const DaemonKey& key) { return key.flag == flag; });
}

const DaemonKey* FindLetter(char letter, const EngineVersion& version) {
  if (letter == '\0') return nullptr;
  return Find(version, [&](const DaemonKey& key) { return key.letter == letter; });
}

}  // namespace seaworthy::docker
