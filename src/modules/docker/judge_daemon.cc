#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <optional>

#include "modules/docker/audit.h"
#include "modules/docker/engine_json.h"
#include "modules/docker/judge_listeners.h"
#include "modules/docker/judge_swarm.h"
#include "modules/docker/running_config.h"
#include "seaworthy/json/foreign_json.h"

namespace seaworthy::docker {
namespace {

using nlohmann::json;

constexpr EngineVersion kHasNetworkOptions = {24, 0, 0};

constexpr std::array<Check, 18> kChecks = {{
    {"2.1", "The engine runs without root's rights", Automation::kFull,
     "Install the engine anew as rootless (dockerd-rootless-setuptool.sh install) where its "
     "workloads bear it."},
    {"2.2", "Containers on the default bridge do not reach each other", Automation::kFull,
     "Set icc to false; the engine needs iptables for it.", "icc"},
    {"2.3", "The engine logs what happens, and no debugging", Automation::kFull,
     "Set log-level to info and debug to false.", "log-level"},
    {"2.4", "The engine keeps the firewall's rules for its containers", Automation::kFull,
     "Leave iptables at true.", "iptables"},
    {"2.5", "No registry is used without TLS", Automation::kFull,
     "Take the registries out of insecure-registries, and put their CA into "
     "/etc/docker/certs.d/NAME/ca.crt.",
     "insecure-registries"},
    {"2.6", "The storage driver aufs is not used", Automation::kFull,
     "Set storage-driver to overlay2: images and containers have to be made anew.",
     "storage-driver"},
    {"2.7", "Clients over TCP show a certificate", Automation::kFull,
     "Take tcp:// out of hosts, or set tlsverify with tlscacert, tlscert and tlskey.", "tlsverify"},
    {"2.8", "Containers have limits of their own by default", Automation::kFull,
     "Set default-ulimits, at least nofile and nproc, to what the site's containers need.",
     "default-ulimits"},
    {"2.9", "Root in a container is not root on the node", Automation::kFull,
     "Set userns-remap to default: images and containers have to be made anew.", "userns-remap"},
    {"2.10", "Containers are in the engine's usual cgroup", Automation::kFull,
     "Take cgroup-parent out of the configuration.", "cgroup-parent"},
    {"2.11", "Containers have the usual base size", Automation::kFull,
     "Take dm.basesize out of storage-opts.", "storage-opts"},
    {"2.12", "A plugin decides who may ask the engine for what", Automation::kFull,
     "Set authorization-plugins, in daemon.json and not by the flag.", "authorization-plugins"},
    {"2.13", "Logs of containers leave the node", Automation::kFull,
     "Set log-driver to one that sends logs on, as syslog or journald, with its log-opts.",
     "log-driver"},
    {"2.14", "Programs in containers get no new privileges by default", Automation::kFull,
     "Set no-new-privileges to true; a container may still be made without.", "no-new-privileges"},
    {"2.15", "Containers outlive the engine's restart", Automation::kFull,
     "Set live-restore to true.", "live-restore"},
    {"2.16", "No proxy process stands between a port and its container", Automation::kFull,
     "Set userland-proxy to false.", "userland-proxy"},
    {"2.17", "System calls are filtered by the engine's own profile", Automation::kFull,
     "Take seccomp-profile out of the configuration, or keep an exception for a profile that is "
     "meant.",
     "seccomp-profile"},
    {"2.18", "The engine's experimental features are off", Automation::kFull,
     "Take experimental out of the configuration.", "experimental"},
}};

// What is said when a check holds, and when it does not.
struct Sentences {
  std::string_view pass;
  std::string_view fail;
};

void Say(Findings& findings, std::string_view check, bool holds, const Sentences& sentences,
         std::string evidence) {
  if (holds) {
    findings.Pass(check, std::string(sentences.pass), std::move(evidence));
  } else {
    findings.Fail(check, "", std::string(sentences.fail), std::move(evidence));
  }
}

bool IsByFlag(const EffectiveConfig& config, std::string_view key) {
  const auto setting = config.settings.find(key);
  return setting != config.settings.end() && setting->second.origin == Origin::kCommandLine;
}

// A check that a setting decides which the running engine does not show.
void JudgeSetting(const Facts& facts, Findings& findings, std::string_view check,
                  std::string_view key, bool (*holds)(const json& value),
                  const Sentences& sentences) {
  if (!facts.config.ok()) return findings.CannotTell(check, "", Message(facts.config.status()));
  const bool good = holds(facts.config->Value(key));
  const bool by_flag = IsByFlag(*facts.config, key);
  std::string evidence = ShowSetting(facts, key);
  const std::string changed = by_flag ? "" : ChangedSinceStart(facts);
  if (!changed.empty()) evidence += "; " + changed;
  if (good && !changed.empty()) {
    return findings.Add(
        check, Outcome::kCannotTell, "",
        "the engine does not show what it runs with, and the file is another by now",
        std::move(evidence));
  }
  Say(findings, check, good, sentences, std::move(evidence));
}

bool HasInfo(const Facts& facts, Findings& findings, std::string_view check) {
  if (!facts.info.ok()) findings.CannotTell(check, "", Message(facts.info.status()));
  return facts.info.ok();
}

void JudgeRootless(const Facts& facts, Findings& findings) {
  if (!HasInfo(facts, findings, "2.1")) return;
  Say(findings, "2.1", SecurityOption(*facts.info, "rootless").has_value(),
      {"the engine is rootless", "the engine is root, and who leads it is root as well"},
      ShowInfo(facts, "SecurityOptions"));
}

// The engine's default bridge as it is; null where there is none.
const json* DefaultBridge(const Facts& facts) {
  if (!facts.networks.ok()) return nullptr;
  for (const json& network : *facts.networks) {
    if (Text(At(network, {"Options", "com.docker.network.bridge.default_bridge"})) == "true") {
      return &network;
    }
  }
  return nullptr;
}

void JudgeIcc(const Facts& facts, Findings& findings) {
  const std::string more =
      facts.version.ok() && facts.engine_version >= kHasNetworkOptions
          ? "; default-network-opts sets enable_icc for networks made from then on"
          : "; networks that users make have enable_icc of their own";
  const json* const bridge = DefaultBridge(facts);
  if (bridge == nullptr) {
    if (facts.networks.ok() && facts.config.ok() && facts.config->Value("bridge") == "none") {
      return findings.Pass("2.2", "there is no default bridge" + more,
                           ShowSetting(facts, "bridge"));
    }
    const std::string fail = "containers on the default bridge reach each other" + more;
    const std::string pass = "containers on the default bridge do not reach each other" + more;
    return JudgeSetting(facts, findings, "2.2", "icc", [](const json& icc) { return icc == false; },
                        {pass, fail});
  }
  const bool open =
      Text(At(*bridge, {"Options", "com.docker.network.bridge.enable_icc"})) != "false";
  std::string evidence =
      "network " + Text(At(*bridge, {"Name"})) +
      ": Options.com.docker.network.bridge.enable_icc = " + (open ? "true" : "false");
  if (facts.config.ok()) {
    evidence += "; " + ShowSetting(facts, "icc");
    if (facts.config->Flag("icc") != open) {
      evidence += ": the file has changed since the engine's start, and it is judged by what runs";
    }
  }
  Say(findings, "2.2", !open,
      {"containers on the default bridge do not reach each other" + more,
       "containers on the default bridge reach each other" + more},
      evidence);
}

void JudgeLogLevel(const Facts& facts, Findings& findings) {
  if (facts.info.ok() && IsTrue(At(*facts.info, {"Debug"}))) {
    std::string evidence = ShowInfo(facts, "Debug", "debug");
    if (facts.config.ok()) evidence += "; " + ShowSetting(facts, "log-level");
    return findings.Fail("2.3", "",
                         "debug is on, whatever log-level says: the log is flooded, and "
                         "the API shows the engine's memory profiles",
                         evidence);
  }
  if (facts.config.ok() && facts.config->Flag("debug") && !facts.info.ok()) {
    return findings.Fail("2.3", "", "debug is on, whatever log-level says",
                         ShowSetting(facts, "debug"));
  }
  JudgeSetting(
      facts, findings, "2.3", "log-level",
      [](const json& level) { return level == "info" || level == "" || level.is_null(); },
      {"the engine logs at level info",
       "the engine logs at another level than info: less leaves out what happened, more floods"});
}

// Whether all addresses of the network are the node itself.
bool IsLoopbackNetwork(const std::string& cidr) {
  const std::size_t slash = cidr.find('/');
  std::uint64_t bits = 0;
  if (slash == std::string::npos || !ParseDecimal(cidr.substr(slash + 1), 128, bits)) return false;
  const std::string address = cidr.substr(0, slash);
  in_addr v4 = {};
  if (inet_pton(AF_INET, address.c_str(), &v4) == 1) {
    return ntohl(v4.s_addr) >> 24U == 127 && bits >= 8;
  }
  in6_addr v6 = {};
  return inet_pton(AF_INET6, address.c_str(), &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6) && bits == 128;
}

// "127.0.0.1:5000", "[::1]:5000"; names are looked up and lead where they will.
bool IsLoopbackHost(const std::string& host) {
  if (host.starts_with("[::1]")) return true;
  const std::string address = host.substr(0, host.find(':'));
  return IsLoopbackNetwork(address + "/32");
}

std::vector<std::string> InsecureRegistries(const json& info) {
  std::vector<std::string> registries;
  for (const std::string& network : Texts(At(info, {"RegistryConfig", "InsecureRegistryCIDRs"}))) {
    if (!IsLoopbackNetwork(network)) registries.push_back(network);
  }
  const json& indexes = At(info, {"RegistryConfig", "IndexConfigs"});
  if (!indexes.is_object()) return registries;
  for (const auto& [name, index] : indexes.items()) {
    if (!IsTrue(At(index, {"Secure"})) && !IsLoopbackHost(name)) registries.push_back(name);
  }
  return registries;
}

void JudgeRegistries(const Facts& facts, const SitePolicy& policy, Findings& findings) {
  if (!HasInfo(facts, findings, "2.5")) return;
  const std::vector<std::string> said = facts.config.ok()
                                            ? Texts(facts.config->Value("insecure-registries"))
                                            : std::vector<std::string>();
  std::string known;
  bool failed = false;
  for (const std::string& registry : InsecureRegistries(*facts.info)) {
    if (policy.insecure_registries.contains(registry)) {
      known += (known.empty() ? "" : ", ") + registry;
      continue;
    }
    failed = true;
    std::string evidence = "GET /info: RegistryConfig has it as insecure";
    if (facts.config.ok()) evidence += "; " + ShowSetting(facts, "insecure-registries");
    if (facts.config.ok() && std::ranges::find(said, registry) == said.end()) {
      evidence += ": the file has changed since the engine took it, and it is judged by what runs";
    }
    findings.Fail("2.5", registry,
                  "what comes from this registry may be anybody's: its "
                  "certificate is not checked, and HTTP will do",
                  std::move(evidence));
  }
  if (failed) return;
  findings.Pass(
      "2.5", "no registry but the node's own is used without TLS",
      known.empty() ? "GET /info: RegistryConfig" : "known to the site's policy: " + known);
}

void JudgeStorageDriver(const Facts& facts, Findings& findings) {
  if (!HasInfo(facts, findings, "2.6")) return;
  const std::string driver = Text(At(*facts.info, {"Driver"}));
  if (driver.empty()) return findings.CannotTell("2.6", "", "the engine names no storage driver");
  Say(findings, "2.6", driver != "aufs",
      {"another storage driver is used", "aufs is no longer maintained"},
      ShowInfo(facts, "Driver"));
}

void JudgeUserNamespaces(const Facts& facts, Findings& findings) {
  if (!HasInfo(facts, findings, "2.9")) return;
  const bool rootless = SecurityOption(*facts.info, "rootless").has_value();
  const bool remapped = SecurityOption(*facts.info, "userns").has_value();
  std::string evidence = ShowInfo(facts, "SecurityOptions");
  if (facts.config.ok()) {
    const std::string said = Text(facts.config->Value("userns-remap"));
    evidence += "; " + ShowSetting(facts, "userns-remap");
    if (!rootless && !remapped && !said.empty() && !said.starts_with("root")) {
      evidence += ": the file has changed since the engine's start, and it is judged by what runs";
    }
  }
  Say(findings, "2.9", rootless || remapped,
      {rootless
           ? "the engine is rootless, and root in a container is the engine's user"
           : "root in a container is another user on the node, unless a container is made with "
             "--userns=host",
       "root in a container is root on the node"},
      std::move(evidence));
}

void JudgeAuthorization(const Facts& facts, Findings& findings) {
  if (!HasInfo(facts, findings, "2.12")) return;
  if (!facts.config.ok()) return findings.CannotTell("2.12", "", Message(facts.config.status()));
  std::vector<std::string> shown = Texts(At(*facts.info, {"Plugins", "Authorization"}));
  std::vector<std::string> said = Texts(facts.config->Value("authorization-plugins"));
  const std::string evidence = "GET /info: Plugins.Authorization = " + ShowValue(json(shown)) +
                               "; " + ShowSetting(facts, "authorization-plugins");
  if (shown.empty() && said.empty()) {
    return findings.Fail("2.12", "", "who reaches the engine's socket may ask it for everything",
                         evidence);
  }
  const bool by_flag = IsByFlag(*facts.config, "authorization-plugins");
  constexpr std::string_view kProbe =
      "; /info keeps what it showed at the start, so only a request that the plugin is seen to "
      "answer proves that it is asked";
  std::ranges::sort(shown);
  std::ranges::sort(said);
  if (shown != said) {
    return findings.Add("2.12", Outcome::kCannotTell, "",
                        "the engine and its configuration name different plugins",
                        evidence + std::string(kProbe));
  }
  findings.Pass("2.12", "plugins are asked before the engine does what a client wants",
                evidence + std::string(kProbe) +
                    (by_flag ? "; a SIGHUP drops plugins that are given by the flag alone" : ""));
}

// Without the tag of a plugin.
std::string PluginName(const std::string& name) { return name.substr(0, name.rfind(":latest")); }

void JudgeLogging(const Facts& facts, Findings& findings) {
  if (!HasInfo(facts, findings, "2.13")) return;
  const std::string driver = Text(At(*facts.info, {"LoggingDriver"}));
  std::string evidence = ShowInfo(facts, "LoggingDriver", "log-driver");
  if (driver.empty()) return findings.CannotTell("2.13", "", "the engine names no log driver");
  if (driver == "json-file" || driver == "local" || driver == "none") {
    return findings.Fail("2.13", "", "logs of containers go no further than the node",
                         std::move(evidence));
  }
  const std::vector<std::string> drivers = Texts(At(*facts.info, {"Plugins", "Log"}));
  const bool there = std::ranges::any_of(
      drivers, [&](const std::string& known) { return PluginName(known) == PluginName(driver); });
  if (!drivers.empty() && !there) {
    return findings.Fail("2.13", "", "the engine has no such log driver: no container starts",
                         evidence + "; " + "Plugins.Log = " + ShowValue(json(drivers)));
  }
  findings.Pass("2.13",
                driver == "journald" ? "logs of containers go to the journal, and from there where "
                                       "the node sends it"
                                     : "logs of containers are sent on",
                std::move(evidence));
}

void JudgeNoNewPrivileges(const Facts& facts, Findings& findings) {
  const Sentences sentences = {
      "programs in a container get no new privileges, unless it is made without",
      "setuid programs in containers give privileges"};
  // Newer engines show it.
  if (facts.info.ok() && SecurityOption(*facts.info, "no-new-privileges")) {
    return findings.Pass("2.14", std::string(sentences.pass), ShowInfo(facts, "SecurityOptions"));
  }
  JudgeSetting(
      facts, findings, "2.14", "no-new-privileges", [](const json& value) { return value == true; },
      sentences);
}

void JudgeLiveRestore(const Facts& facts, Findings& findings) {
  if (!HasInfo(facts, findings, "2.15")) return;
  if (InSwarm(facts)) {
    return findings.NotApplicable("2.15",
                                  "the engine is in a swarm, which live-restore is not for");
  }
  Say(findings, "2.15", IsTrue(At(*facts.info, {"LiveRestoreEnabled"})),
      {"containers outlive the engine's restart", "containers end when the engine does"},
      ShowInfo(facts, "LiveRestoreEnabled", "live-restore"));
}

void JudgeSeccomp(const Facts& facts, Findings& findings) {
  if (!HasInfo(facts, findings, "2.17")) return;
  const std::optional<std::string> option = SecurityOption(*facts.info, "seccomp");
  const std::string evidence = ShowInfo(facts, "SecurityOptions");
  if (!option) {
    return findings.Fail("2.17", "", "the kernel or the engine filters no system calls", evidence);
  }
  constexpr std::string_view kProfile = "profile=";
  const std::string profile =
      option->starts_with(kProfile) ? option->substr(kProfile.size()) : *option;
  if (profile == "unconfined") {
    return findings.Fail("2.17", "", "containers' system calls are not filtered", evidence);
  }
  Say(findings, "2.17", profile == "default" || profile == "builtin",
      {"the engine's own profile filters system calls",
       "system calls are filtered by a profile of the site's own: an exception tells that it is "
       "meant"},
      evidence);
}

void JudgeExperimental(const Facts& facts, Findings& findings) {
  if (!facts.version.ok()) {
    return findings.CannotTell("2.18", "", Message(facts.version.status()));
  }
  const json& experimental = At(*facts.version, {"Experimental"});
  Say(findings, "2.18", !IsTrue(experimental),
      {"experimental features are off", "features are on that are not finished"},
      "GET /version: Experimental = " + ShowValue(experimental));
}

// Those that one setting decides.
void JudgePlainSettings(const Facts& facts, Findings& findings) {
  JudgeSetting(facts, findings, "2.4", "iptables", [](const json& value) { return value == true; },
               {"the engine keeps the firewall's rules for its containers",
                "published ports and networks of containers have no rules in the firewall"});
  JudgeSetting(facts, findings, "2.8", "default-ulimits",
               [](const json& limits) { return limits.is_object() && !limits.empty(); },
               {"containers have limits of their own by default",
                "containers have the engine's own limits, which are high"});
  JudgeSetting(
      facts, findings, "2.10", "cgroup-parent",
      [](const json& parent) { return parent.is_null() || parent == ""; },
      {"containers are in the engine's usual cgroup", "containers share what another cgroup has"});
  JudgeSetting(facts, findings, "2.11", "storage-opts",
               [](const json& options) {
                 return std::ranges::none_of(Texts(options), [](const std::string& option) {
                   return option.starts_with("dm.basesize");
                 });
               },
               {"no base size is set", "containers have a base size of their own"});
  JudgeSetting(facts, findings, "2.16", "userland-proxy",
               [](const json& value) { return value == false; },
               {"ports lead to containers by the firewall's rules alone",
                "a process of the engine stands behind each published port"});
}

void JudgeDaemon(const Facts& facts, const SitePolicy& policy, Findings& findings) {
  JudgeRootless(facts, findings);
  JudgeIcc(facts, findings);
  JudgeLogLevel(facts, findings);
  JudgePlainSettings(facts, findings);
  JudgeRegistries(facts, policy, findings);
  JudgeStorageDriver(facts, findings);
  JudgeTcpListeners(facts, findings);
  JudgeUserNamespaces(facts, findings);
  JudgeAuthorization(facts, findings);
  JudgeLogging(facts, findings);
  JudgeNoNewPrivileges(facts, findings);
  JudgeLiveRestore(facts, findings);
  JudgeSeccomp(facts, findings);
  JudgeExperimental(facts, findings);
}

}  // namespace

const CheckFamily kDaemonChecks = {"Docker daemon", kChecks, JudgeDaemon};

}  // namespace seaworthy::docker
