#include "modules/docker/judge_swarm.h"

#include <array>
#include <chrono>

#include "modules/docker/audit.h"
#include "modules/docker/engine_json.h"
#include "modules/docker/running_config.h"
#include "seaworthy/json/foreign_json.h"

namespace seaworthy::docker {
namespace {

using nlohmann::json;

constexpr std::uint16_t kManagementPort = 2377;
constexpr std::uint16_t kGossipPort = 7946;
constexpr std::size_t kMaxState = std::size_t{64} << 10;
constexpr std::int64_t kLongestNodeCertificate =
    std::chrono::nanoseconds(std::chrono::hours(24 * 90)).count();

constexpr std::array<Check, 9> kChecks = {{
    {"7.1", "The swarm has no more managers than it needs", Automation::kFull,
     "Demote managers to workers: docker node demote NODE. An odd number, of three to seven, bears "
     "the loss of some."},
    {"7.2", "The swarm's services listen at one address", Automation::kFull,
     "Leave the swarm and join it again with --listen-addr ADDRESS:2377, an address of the network "
     "of the managers."},
    {"7.3", "What overlay networks carry is encrypted", Automation::kFull,
     "Make the network anew: docker network create --driver overlay --opt encrypted NAME."},
    {"7.4", "Secrets reach services as the swarm's secrets", Automation::kManual,
     "Look for passwords and keys in the environment, the images and the mounts of services, and "
     "give them as docker secret create makes them."},
    {"7.5", "Managers are locked when they start again", Automation::kFull,
     "docker swarm update --autolock=true, and keep the key away from the managers."},
    {"7.6", "The key that unlocks managers is changed now and then", Automation::kManual,
     "Look when docker swarm unlock-key --rotate was last run: the engine keeps no date of it."},
    {"7.7", "Certificates of nodes are renewed in time", Automation::kPartial,
     "docker swarm update --cert-expiry DURATION, as the site's rules for certificates say."},
    {"7.8", "The swarm's own CA is changed as the site wants it", Automation::kManual,
     "Look at the age of the root certificate (docker info, ClusterInfo.TLSInfo), and change it "
     "with docker swarm ca --rotate."},
    {"7.9", "The traffic of management and of containers takes separate networks",
     Automation::kPartial,
     "Join the swarm with --advertise-addr of the one network and --data-path-addr of the other."},
}};

bool IsManager(const Facts& facts) {
  return IsTrue(At(*facts.info, {"Swarm", "ControlAvailable"}));
}

std::string State(const Facts& facts) { return Text(At(*facts.info, {"Swarm", "LocalNodeState"})); }

std::string ShowSwarm(const Facts& facts, std::string_view member) {
  return "GET /info: Swarm." + std::string(member) + " = " +
         ShowValue(At(*facts.info, {"Swarm", member}));
}

void JudgeManagers(const Facts& facts, const SitePolicy& policy, Findings& findings) {
  const json& known = At(*facts.info, {"Swarm", "RemoteManagers"});
  // A worker counts none; it knows of those that it may turn to.
  const std::int64_t managers = IsManager(facts) ? Number(At(*facts.info, {"Swarm", "Managers"}))
                                                 : static_cast<std::int64_t>(known.size());
  if (managers == 0) {
    return findings.CannotTell(
        "7.1", "",
        "the engine names no manager of its swarm: its state is " + Quoted(State(facts)));
  }
  const std::string evidence =
      IsManager(facts) ? ShowSwarm(facts, "Managers")
                       : "GET /info: Swarm.RemoteManagers has " + std::to_string(managers);
  if (managers > std::int64_t{policy.swarm_managers}) {
    findings.Fail("7.1", "",
                  "the swarm has more managers than the site's policy allows, " +
                      std::to_string(policy.swarm_managers),
                  evidence);
  } else {
    findings.Pass("7.1", "the swarm has as few managers as the site's policy asks for", evidence);
  }
}

void JudgeAddresses(const Facts& facts, Findings& findings) {
  if (!facts.process.ok()) return findings.CannotTell("7.2", "", Message(facts.process.status()));
  const std::set<std::uint16_t> ports = SwarmPorts(facts);
  std::string seen;
  bool failed = false;
  for (const Listener& listener : facts.process->listeners) {
    if (listener.kind != Listener::Kind::kTcp || !ports.contains(listener.port)) continue;
    const std::string at = listener.address + " port " + std::to_string(listener.port);
    if (listener.address == "0.0.0.0" || listener.address == "::") {
      findings.Fail("7.2", at, "the swarm listens at all addresses of the node",
                    "socket of dockerd: " + at);
      failed = true;
    }
    seen += (seen.empty() ? "" : ", ") + at;
  }
  if (failed) return;
  if (seen.empty()) {
    return findings.CannotTell(
        "7.2", "",
        "the engine has no socket of a swarm open: its state is " + Quoted(State(facts)));
  }
  findings.Pass("7.2", "the swarm listens at one address of the node",
                "sockets of dockerd: " + seen);
}

void JudgeOverlays(const Facts& facts, Findings& findings) {
  if (!facts.networks.ok()) return findings.CannotTell("7.3", "", Message(facts.networks.status()));
  std::size_t overlays = 0;
  bool failed = false;
  for (const json& network : *facts.networks) {
    if (Text(At(network, {"Driver"})) != "overlay") continue;
    ++overlays;
    // The option counts by being there, whatever it says.
    if (At(network, {"Options"}).is_object() && At(network, {"Options"}).contains("encrypted")) {
      continue;
    }
    failed = true;
    findings.Fail("7.3", Text(At(network, {"Name"})),
                  "what containers say to each other over this network is not encrypted",
                  "GET /networks: Options = " + ShowValue(At(network, {"Options"})));
  }
  if (failed) return;
  if (overlays == 0) return findings.NotApplicable("7.3", "there is no overlay network here");
  findings.Pass("7.3", "all overlay networks that this node knows are encrypted",
                "GET /networks: " + std::to_string(overlays) + " with Options.encrypted");
}

void JudgeAutolock(const Facts& facts, Findings& findings) {
  if (State(facts) == "locked") {
    return findings.Pass("7.5", "the manager waits for the key",
                         ShowSwarm(facts, "LocalNodeState"));
  }
  if (!IsManager(facts)) {
    return findings.NotApplicable("7.5", "the node is no manager, and has nothing to lock");
  }
  const json& lock =
      At(*facts.info, {"Swarm", "Cluster", "Spec", "EncryptionConfig", "AutoLockManagers"});
  const std::string evidence =
      "GET /info: Swarm.Cluster.Spec.EncryptionConfig.AutoLockManagers = " + ShowValue(lock);
  if (IsTrue(lock)) {
    findings.Pass("7.5", "a manager that starts again waits for the key", evidence);
  } else {
    findings.Fail("7.5", "",
                  "who has the disk of a manager has the swarm's secrets: the key is beside them",
                  evidence);
  }
}

void JudgeNodeCertificates(const Facts& facts, Findings& findings) {
  if (!IsManager(facts)) {
    return findings.Add(
        "7.7", Outcome::kManual, "",
        "only a manager tells how long certificates of nodes are valid: look there");
  }
  const json& expiry = At(*facts.info, {"Swarm", "Cluster", "Spec", "CAConfig", "NodeCertExpiry"});
  const std::string evidence =
      "GET /info: Swarm.Cluster.Spec.CAConfig.NodeCertExpiry = " + ShowValue(expiry) +
      " (nanoseconds)";
  if (Number(expiry) <= 0) {
    findings.CannotTell("7.7", "", "the engine does not tell how long certificates are valid");
  } else if (Number(expiry) > kLongestNodeCertificate) {
    findings.Add("7.7", Outcome::kFail, "",
                 "certificates of nodes are valid for longer than the engine's default, 90 days",
                 evidence);
  } else {
    findings.Add("7.7", Outcome::kManual, "",
                 "certificates of nodes are valid for no longer than 90 days: look whether that is "
                 "short enough for the site, and whether they were renewed",
                 evidence);
  }
}

void JudgeSeparateTraffic(const Facts& facts, Findings& findings) {
  const std::string path = facts.data_root + "/swarm/docker-state.json";
  const Result<std::optional<Bytes>> content = facts.root.Read(path, kMaxState);
  if (!content.ok()) return findings.CannotTell("7.9", "", Message(content.status()));
  if (!content->has_value()) return findings.CannotTell("7.9", "", path + " is not there");
  const Result<json> state =
      ParseForeignJson(AsText(**content), kMaxState, "SWARM_STATE_MALFORMED");
  if (!state.ok()) return findings.CannotTell("7.9", "", Message(Wrap(state.status(), path)));
  const std::string data = Text(At(*state, {"DataPathAddr"}));
  const std::string own = Text(At(*facts.info, {"Swarm", "NodeAddr"}));
  const std::string evidence =
      path + ": DataPathAddr = " + Quoted(data) + "; " + ShowSwarm(facts, "NodeAddr");
  if (data.empty() || data == own) {
    findings.Fail("7.9", "", "containers' traffic goes where the managers' goes", evidence);
  } else {
    findings.Add("7.9", Outcome::kManual, "",
                 "the two have addresses of their own: look whether their networks are separate",
                 evidence);
  }
}

void JudgeSwarm(const Facts& facts, const SitePolicy& policy, Findings& findings) {
  if (!facts.info.ok() || !InSwarm(facts)) {
    for (const Check& check : kChecks) {
      if (!facts.info.ok()) {
        findings.CannotTell(check.id, "", Message(facts.info.status()));
      } else {
        findings.NotApplicable(check.id, "the engine is in no swarm");
      }
    }
    return;
  }
  JudgeManagers(facts, policy, findings);
  JudgeAddresses(facts, findings);
  JudgeOverlays(facts, findings);
  findings.Add("7.4", Outcome::kManual, "",
               "nobody but a person knows what is secret in a service");
  JudgeAutolock(facts, findings);
  findings.Add("7.6", Outcome::kManual, "", "the engine keeps no date of the key that unlocks");
  JudgeNodeCertificates(facts, findings);
  findings.Add("7.8", Outcome::kManual, "",
               "how old the swarm's CA may be is the site's own rule to judge by");
  JudgeSeparateTraffic(facts, findings);
}

}  // namespace

bool InSwarm(const Facts& facts) {
  const std::string state = State(facts);
  return !state.empty() && state != "inactive";
}

std::set<std::uint16_t> SwarmPorts(const Facts& facts) {
  if (!facts.info.ok() || !InSwarm(facts)) return {};
  std::uint16_t management = kManagementPort;
  const std::string own = Text(At(*facts.info, {"Swarm", "NodeID"}));
  for (const json& manager : At(*facts.info, {"Swarm", "RemoteManagers"})) {
    if (own.empty() || Text(At(manager, {"NodeID"})) != own) continue;
    const std::string address = Text(At(manager, {"Addr"}));
    std::uint64_t port = 0;
    if (ParseDecimal(address.substr(address.rfind(':') + 1), UINT16_MAX, port)) {
      management = static_cast<std::uint16_t>(port);
    }
  }
  return {management, kGossipPort};
}

const CheckFamily kSwarmChecks = {"Swarm", kChecks, JudgeSwarm};

}  // namespace seaworthy::docker
