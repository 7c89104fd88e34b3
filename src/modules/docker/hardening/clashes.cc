#include "modules/docker/hardening/clashes.h"

#include <sys/stat.h>

#include <algorithm>
#include <array>

#include "modules/docker/account_files.h"
#include "modules/docker/engine_json.h"
#include "modules/docker/hardening/engine_limits.h"
#include "modules/docker/hardening/log_options.h"
#include "modules/docker/judge_swarm.h"
#include "seaworthy/json/foreign_json.h"
#include "seaworthy/status_macros.h"
#include "seaworthy/words.h"

namespace seaworthy::docker {
namespace {

using nlohmann::json;

constexpr EngineVersion kHasSeccompWords = {23, 0, 0};
constexpr EngineVersion kTakesShimNames = {23, 0, 0};
constexpr EngineVersion kIccWantsIp6tables = {28, 0, 0};
constexpr EngineVersion kIp6tablesByDefault = {27, 0, 0};
constexpr std::string_view kJournal = "run/systemd/journal/socket";

Status Clash(const std::string& text) {
  return Fail(Code::kFailedPrecondition, "CONFIG_CLASH", text);
}

bool IsThere(const Facts& facts, const std::string& path) {
  const Result<std::optional<std::string>> found = facts.root.Canonical(path);
  return found.ok() && found->has_value();
}

bool IsFile(const Facts& facts, const std::string& path) {
  const Result<std::optional<std::string>> found = facts.root.Canonical(path);
  if (!found.ok() || !*found) return false;
  const Result<std::optional<os::Place>> place = facts.root.At(**found);
  return place.ok() && *place && S_ISREG((*place)->stat.st_mode);
}

// Settings of which the engine knows a few words.
struct Words {
  std::string_view key;
  std::vector<std::string_view> words;
};

Status CheckWords(const Facts&, const ConfiguredEngine& after) {
  static const std::vector<Words> kWords = {
      {"log-level", {"", "panic", "fatal", "error", "warn", "warning", "info", "debug", "trace"}},
      {"log-format", {"", "text", "json"}},
      {"default-ipc-mode", {"", "private", "shareable"}},
      {"default-cgroupns-mode", {"", "private", "host"}},
      {"firewall-backend", {"", "iptables", "nftables"}},
  };
  for (const auto& [key, words] : kWords) {
    const json& value = after.config.Value(key);
    if (value.is_null() || std::ranges::find(words, Text(value)) != words.end()) continue;
    return Clash("the engine does not start: " + std::string(key) + " is not one of " +
                 Join(std::vector<std::string_view>(words.begin() + 1, words.end())) + ": " +
                 Quoted(Text(value)));
  }
  return {};
}

Status CheckFirewall(const Facts&, const ConfiguredEngine& after) {
  const EffectiveConfig& config = after.config;
  if (config.Value("icc") == false && config.Value("iptables") == false) {
    return Clash("the engine does not start with icc and iptables both false");
  }
  if (after.version >= kIccWantsIp6tables && config.Value("icc") == false && config.Flag("ipv6") &&
      config.Value("ip6tables") == false) {
    return Clash("the engine does not start with icc false, ipv6 true and ip6tables false");
  }
  if (after.version < kIp6tablesByDefault && config.Flag("ip6tables") &&
      !config.Flag("experimental")) {
    return Clash("engine " + ToText(after.version) +
                 " does not start with ip6tables and without experimental");
  }
  const bool bridge = !Text(config.Value("bridge")).empty();
  if (bridge && !Text(config.Value("bip")).empty()) {
    return Clash("the engine does not start with bridge and bip both set");
  }
  return {};
}

Status CheckSeccomp(const Facts& facts, const ConfiguredEngine& after) {
  std::string path = Text(after.config.Value("seccomp-profile"));
  const bool word = path == "builtin" || path == "unconfined";
  if (path.empty() || (word && after.version >= kHasSeccompWords)) return {};
  if (!path.starts_with('/')) path = facts.process->working_directory + "/" + path;
  if (IsFile(facts, path)) return {};
  return Clash("the engine does not start: seccomp-profile, " + Quoted(path) + ", is not there");
}

std::string PluginName(const std::string& name) {
  return name.ends_with(":latest") ? name.substr(0, name.rfind(':')) : name;
}

Status CheckLogging(const Facts& facts, const ConfiguredEngine& after) {
  const std::string driver = Text(after.config.Value("log-driver"));
  const std::vector<std::string> drivers = Texts(At(*facts.info, {"Plugins", "Log"}));
  const bool there = std::ranges::any_of(
      drivers, [&](const std::string& known) { return PluginName(known) == PluginName(driver); });
  if (!driver.empty() && driver != "none" && !drivers.empty() && !there) {
    return Clash("no container would start: the engine has no log driver " + Quoted(driver) +
                 ", but " + Join(drivers));
  }
  if (driver == "journald" && !IsThere(facts, std::string(kJournal))) {
    return Clash("no container would start: log-driver is journald, and this host has no journal");
  }
  return CheckLogOptions(driver, after.config.Value("log-opts"));
}

Status CheckRuntime(const Facts& facts, const ConfiguredEngine& after) {
  const std::string runtime = Text(after.config.Value("default-runtime"));
  const json& configured = after.config.Value("runtimes");
  if (configured.is_object() && configured.contains("runc")) {
    return Clash("the engine does not start: runtimes has runc, which is the engine's own");
  }
  const bool shim = after.version >= kTakesShimNames && runtime.starts_with("io.containerd.");
  const bool known = (configured.is_object() && configured.contains(runtime)) ||
                     At(*facts.info, {"Runtimes"}).contains(runtime);
  if (runtime.empty() || runtime == "runc" || shim || known) return {};
  return Clash("the engine does not start: default-runtime is none of its runtimes: " +
               Quoted(runtime));
}

Status CheckSwarm(const Facts& facts, const ConfiguredEngine& after) {
  if (!after.config.Flag("live-restore") || !InSwarm(facts)) return {};
  return Clash("the engine does not start with live-restore, as it is in a swarm");
}

Status CheckUlimits(const Facts& facts, const ConfiguredEngine& after) {
  const json& limits = after.config.Value("default-ulimits");
  if (!limits.is_object()) return {};
  const bool may_raise = MayRaiseLimits(facts);
  for (const auto& [name, limit] : limits.items()) {
    if (limit.is_string()) continue;  // a flag, which the engine has taken
    const json& soft = At(limit, {"Soft"});
    const json& hard = At(limit, {"Hard"});
    const bool good =
        Text(At(limit, {"Name"})) == name && soft.is_number_integer() && hard.is_number_integer();
    if (!good) {
      return Clash("no container would start: default-ulimits: " + Quoted(name) +
                   " has not Name, Soft and Hard");
    }
    const std::int64_t most = Number(hard);
    if (most != -1 && (Number(soft) == -1 || Number(soft) > most)) {
      return Clash("no container would start: default-ulimits: " + Quoted(name) +
                   " has a Soft beyond its Hard");
    }
    const std::optional<std::int64_t> own = may_raise ? std::nullopt : HardLimit(facts, name);
    if (own && (most == -1 || most > *own)) {
      return Clash("no container would start: default-ulimits: " + Quoted(name) +
                   " has a Hard beyond the engine's own limit, " + std::to_string(*own) +
                   ", and the engine may not raise it (CAP_SYS_RESOURCE)");
    }
  }
  return {};
}

// Of /etc/subuid or /etc/subgid: "NAME:START:COUNT".
Result<bool> HasRange(const Facts& facts, const std::string& path,
                      const std::vector<std::string>& names) {
  ASSIGN_OR_RETURN(const std::optional<Bytes> text, facts.root.Read(path, kMaxAccountFile));
  if (!text) return false;
  for (const std::string_view line : Split(AsText(*text), '\n')) {
    const std::vector<std::string_view> fields = Split(line, ':');
    if (fields.size() == 3 && std::ranges::find(names, fields[0]) != names.end()) return true;
  }
  return false;
}

// The remapped root has to get to its files; the data root itself is the engine's to open.
Status CheckWayToData(const Facts& facts, const ConfiguredEngine& after) {
  const std::string data = os::BelowRoot(Text(after.config.Value("data-root")));
  for (std::size_t end = data.find('/'); end != std::string::npos; end = data.find('/', end + 1)) {
    const std::string folder = data.substr(0, end);
    ASSIGN_OR_RETURN(const std::optional<std::string> real, facts.root.Canonical(folder));
    if (!real) break;
    ASSIGN_OR_RETURN(const std::optional<os::Place> place, facts.root.At(*real));
    if (place && (place->stat.st_mode & S_IXOTH) == 0) {
      return Clash("the engine does not start: with userns-remap others have to get through /" +
                   folder + " to data-root (o+x)");
    }
  }
  return {};
}

// "default": the engine makes the account and its ranges itself. Else "user", "uid", "user:group".
Status CheckRemapping(const Facts& facts, const ConfiguredEngine& after) {
  const std::string remap = Text(after.config.Value("userns-remap"));
  if (remap.empty()) return {};
  RETURN_IF_ERROR(CheckWayToData(facts, after));
  if (remap == "default") return {};
  const std::string user = remap.substr(0, remap.find(':'));
  ASSIGN_OR_RETURN(const std::optional<Bytes> text, facts.root.Read("etc/passwd", kMaxAccountFile));
  const std::vector<Account> accounts = ParseAccounts(text ? AsText(*text) : std::string_view());
  const auto account = std::ranges::find_if(accounts, [&](const Account& any) {
    return any.name == user || std::to_string(any.uid) == user;
  });
  if (account == accounts.end()) {
    return Clash("the engine does not start: userns-remap names an account that is not there: " +
                 Quoted(user));
  }
  const std::vector<std::string> names = {account->name, std::to_string(account->uid)};
  ASSIGN_OR_RETURN(const bool uids, HasRange(facts, "etc/subuid", names));
  if (!uids) {
    return Clash("the engine does not start: " + Quoted(account->name) +
                 ", of userns-remap, has no range in /etc/subuid");
  }
  return {};
}

// A plugin that cannot be found ends the engine some seconds after a reload.
Status CheckPlugins(const Facts& facts, const ConfiguredEngine& after) {
  for (const std::string& name : Texts(after.config.Value("authorization-plugins"))) {
    // Those that the engine itself manages have a tag or a path; it knows where they are.
    if (name.find_first_of(":/") != std::string::npos) continue;
    const bool there = std::ranges::any_of(
        std::array<std::string, 6>{
            "run/docker/plugins/" + name + ".sock",
            "run/docker/plugins/" + name + "/" + name + ".sock",
            "etc/docker/plugins/" + name + ".spec", "etc/docker/plugins/" + name + ".json",
            "usr/lib/docker/plugins/" + name + ".spec", "usr/lib/docker/plugins/" + name + ".json"},
        [&](const std::string& path) { return IsThere(facts, path); });
    if (!there) {
      return Clash("the engine ends: authorization-plugins names one that is not there: " +
                   Quoted(name));
    }
  }
  return {};
}

Status CheckFolders(const Facts&, const ConfiguredEngine& after) {
  const json& file = after.file.file;
  if (file.contains("graph") && file.contains("data-root")) {
    return Clash("the engine does not start with graph and data-root both set");
  }
  for (const char* const key : {"data-root", "exec-root"}) {
    const std::string path = Text(after.config.Value(key));
    if (!path.empty() && !path.starts_with('/')) {
      return Clash(std::string(key) + " is no absolute path: " + Quoted(path));
    }
  }
  return {};
}

// The one that it is asked by.
Status CheckSocket(const Facts& facts, const ConfiguredEngine& after) {
  const std::vector<std::string> hosts = Texts(after.config.Value("hosts"));
  const auto plain = [](const std::string& path) {
    return path.starts_with("/var/run/") ? path.substr(4) : path;
  };
  constexpr std::string_view kUnix = "unix://";
  const bool listens = std::ranges::any_of(hosts, [&](const std::string& host) {
    if (host.starts_with("fd://")) return true;
    if (!host.starts_with(kUnix)) return false;
    const std::string path = host == kUnix ? "/run/docker.sock" : host.substr(kUnix.size());
    return plain(path) == plain(facts.socket);
  });
  if (hosts.empty() || listens) return {};
  return Clash("hosts is without the socket that the engine is asked by, " + facts.socket);
}

}  // namespace

Status CheckClashes(const Facts& facts, const ConfiguredEngine& after) {
  for (const auto check :
       {CheckWords, CheckFirewall, CheckSeccomp, CheckLogging, CheckRuntime, CheckSwarm,
        CheckUlimits, CheckRemapping, CheckPlugins, CheckFolders, CheckSocket}) {
    RETURN_IF_ERROR(check(facts, after));
  }
  return {};
}

}  // namespace seaworthy::docker
