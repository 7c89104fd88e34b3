#include "modules/docker/hardening/consequences.h"

#include <algorithm>
#include <array>
#include <set>

#include "modules/docker/engine_json.h"
#include "modules/docker/hardening/course.h"
#include "modules/docker/judge_swarm.h"
#include "modules/docker/running_config.h"
#include "seaworthy/json/foreign_json.h"
#include "seaworthy/words.h"

namespace seaworthy::docker {
namespace {

using nlohmann::json;

class Consequences {
 public:
  Consequences(const Facts& facts, const ConfiguredEngine& before, const ConfiguredEngine& after,
               Plan& plan)
      : facts_(facts), before_(before.config), after_(after.config), plan_(plan) {
    for (const json& container : *facts.containers) {
      if (IsTrue(At(container, {"State", "Running"}))) running_.push_back(&container);
    }
  }

  void Tell() {
    TellData();
    TellContainers();
    TellAccess();
    TellWarnings();
  }

 private:
  bool Changes(std::string_view key) const { return before_.Value(key) != after_.Value(key); }
  const json& Snapshotter(const EffectiveConfig& config) const {
    return At(config.Value("features"), {"containerd-snapshotter"});
  }
  bool Remaps() const {
    return Changes("userns-remap") && (!Text(before_.Value("userns-remap")).empty() ||
                                       !Text(after_.Value("userns-remap")).empty());
  }
  void Need(Consent consent, std::string why) {
    plan_.consents.push_back({consent, std::move(why)});
  }

  void TellData() {
    constexpr std::string_view kOutOfSight =
        "images, containers and volumes are out of sight and stay on disk: ";
    const auto move = [&](const std::string& what) {
      Need(Consent::kMoveData, std::string(kOutOfSight) + what);
    };
    if (Changes("data-root")) move("data-root is another");
    if (Changes("storage-driver")) move("another storage driver does not see them");
    if (Snapshotter(before_) != Snapshotter(after_)) move("containerd keeps images elsewhere");
    if (Remaps()) move("with other user ids the engine uses a folder of its own in data-root");
  }

  // What keeps containers from living through the restart, although live-restore is on for its
  // time; empty: nothing does.
  std::string Defeats() const {
    for (const auto& [key, setting] : after_.settings) {
      if (LosesContainers(key, before_.Value(key), setting.value)) {
        return "the engine does not find them again with another " + key;
      }
    }
    if (InSwarm(facts_)) return "the engine is in a swarm, which live-restore is not for";
    const auto now = before_.settings.find("live-restore");
    const bool by_flag =
        now != before_.settings.end() && now->second.origin == Origin::kCommandLine;
    if (!IsTrue(At(*facts_.info, {"LiveRestoreEnabled"})) && by_flag) {
      return "live-restore is off by a flag, and cannot be turned on before the restart";
    }
    return "";
  }

  void TellContainers() {
    if (plan_.effect != Effect::kRestart || running_.empty()) return;
    const std::string why = Defeats();
    if (why.empty()) return;
    std::size_t removed = 0;
    std::size_t stay_down = 0;
    for (const json* const container : running_) {
      const json& host = At(*container, {"HostConfig"});
      const std::string policy = Text(At(host, {"RestartPolicy", "Name"}));
      if (IsTrue(At(host, {"AutoRemove"}))) {
        ++removed;
      } else if (policy.empty() || policy == "no") {
        ++stay_down;
      }
    }
    std::string text =
        Count(running_.size(), "container runs", "containers run") + " and would end: " + why;
    if (removed != 0) text += "; " + std::to_string(removed) + " would be removed (--rm)";
    if (stay_down != 0) {
      text += "; " + std::to_string(stay_down) + " would not be started again (no restart policy)";
    }
    Need(Consent::kStopContainers, std::move(text));
  }

  static std::string Count(std::size_t count, const char* one, const char* several) {
    return std::to_string(count) + " " + (count == 1 ? one : several);
  }

  static std::vector<std::string> Hosts(const EffectiveConfig& config) {
    std::vector<std::string> hosts;
    for (std::string host : Texts(config.Value("hosts"))) {
      if (host == "unix://") host = "unix:///run/docker.sock";
      if (host.starts_with("unix:///var/run/")) host = "unix:///run/" + host.substr(16);
      hosts.push_back(std::move(host));
    }
    if (hosts.empty()) hosts.emplace_back("unix:///run/docker.sock");
    return hosts;
  }

  void TellAccess() {
    const std::vector<std::string> stay = Hosts(after_);
    for (const std::string& host : Hosts(before_)) {
      if (std::ranges::find(stay, host) == stay.end()) {
        Need(Consent::kLoseAccess, "the engine listens no longer at " + Quoted(host));
      }
    }
    if (Changes("group")) {
      Need(Consent::kLoseAccess,
           "the socket is no longer for the group " + ShowValue(before_.Value("group")));
    }
    const std::vector<std::string> hosts = Hosts(after_);
    const bool tcp = std::ranges::any_of(
        hosts, [](const std::string& host) { return host.starts_with("tcp://"); });
    if (!tcp) return;
    for (const char* const key : {"tls", "tlsverify", "tlscacert"}) {
      if (!Changes(key) || after_.Value(key) == false) continue;
      Need(Consent::kLoseAccess, std::string("clients of its TCP listeners have to fit ") + key +
                                     " = " + ShowValue(after_.Value(key)));
    }
  }

  // Seen with 20.10: "There are old running containers, the network config will not take affect".
  void TellBridge() {
    constexpr std::array<std::string_view, 10> kOfTheBridge = {
        "bip",        "default-gateway", "default-gateway-v6",
        "fixed-cidr", "fixed-cidr-v6",   "icc",
        "ip",         "ip-masq",         "ipv6",
        "mtu"};
    std::vector<std::string_view> of_the_bridge;
    std::ranges::copy_if(kOfTheBridge, std::back_inserter(of_the_bridge),
                         [&](std::string_view key) { return Changes(key); });
    if (of_the_bridge.empty() || running_.empty() || !Defeats().empty()) return;
    plan_.warnings.push_back(Join(of_the_bridge) +
                             ": the engine keeps its default bridge while containers run, and "
                             "takes this over at its next start without any, as after a reboot");
  }

  void TellWarnings() {
    TellBridge();
    const auto warn = [&](std::string text) { plan_.warnings.push_back(std::move(text)); };
    constexpr std::array<std::string_view, 5> kOfNewOnes = {
        "default-ulimits", "log-driver", "log-opts", "no-new-privileges", "seccomp-profile"};
    std::vector<std::string_view> of_new_ones;
    std::ranges::copy_if(kOfNewOnes, std::back_inserter(of_new_ones),
                         [&](std::string_view key) { return Changes(key); });
    if (!of_new_ones.empty() && !facts_.containers->empty()) {
      warn(Join(of_new_ones) +
           ": for containers made from now on; those that are there keep theirs");
    }
    if (Remaps()) {
      warn(
          "userns-remap: volumes and folders of the node that containers are to write belong to "
          "other user ids than theirs: chown them");
    }
    if (Changes("min-api-version")) {
      warn("min-api-version: clients that speak no API of " +
           ShowValue(after_.Value("min-api-version")) + " or newer are turned away");
    }
    if (Changes("default-network-opts")) {
      warn(
          "default-network-opts: for networks made from now on; those that are there stay as "
          "they are");
    }
    if (Changes("userland-proxy") && after_.Value("userland-proxy") == false) {
      warn(
          "userland-proxy: published ports are reached by the firewall's rules alone: not by "
          "[::1], nor by IPv6 where a container has none");
    }
  }

  const Facts& facts_;
  const EffectiveConfig& before_;
  const EffectiveConfig& after_;
  Plan& plan_;
  std::vector<const json*> running_;
};

}  // namespace

void TellConsequences(const Facts& facts, const ConfiguredEngine& before,
                      const ConfiguredEngine& after, Plan& plan) {
  Consequences(facts, before, after, plan).Tell();
}

}  // namespace seaworthy::docker
