// What a container may do that others may not: modules of the kernel, capabilities, devices.
#include <algorithm>
#include <cctype>

#include "modules/docker/container_checks.h"
#include "modules/docker/engine_json.h"
#include "modules/docker/process_status.h"
#include "seaworthy/words.h"

namespace seaworthy::docker {
namespace {

using nlohmann::json;

// Engines before load no profile for a privileged container, whatever its options say.
constexpr EngineVersion kProfilesOfPrivileged = {27, 0, 0};
constexpr const char* kPrivileged = "HostConfig.Privileged = true";

// "cap_net_admin" and "NET_ADMIN" are the same to the engine.
std::string CapabilityName(std::string name) {
  std::ranges::transform(name, name.begin(),
                         [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return name.starts_with("CAP_") ? name.substr(4) : name;
}

// As the engine's language reads them.
bool IsTrueWord(std::string_view text) {
  return text == "1" || text == "t" || text == "T" || text == "true" || text == "TRUE" ||
         text == "True";
}

// The third part of "system_u:system_r:container_t:s0:c1,c2".
std::string SelinuxType(std::string_view label) {
  for (int i = 0; i < 2; ++i) {
    const std::size_t colon = label.find(':');
    if (colon == std::string_view::npos) return "";
    label.remove_prefix(colon + 1);
  }
  return std::string(label.substr(0, label.find(':')));
}

bool LetsPass(const std::string& action) {
  return action == "SCMP_ACT_ALLOW" || action == "SCMP_ACT_LOG";
}

// Of a profile as the engine has it, in the option itself; it takes no other than JSON.
bool RefusesNothing(const std::string& profile) {
  const json parsed = json::parse(profile, nullptr, /*allow_exceptions=*/false);
  if (!parsed.is_object() || !LetsPass(Text(At(parsed, {"defaultAction"})))) return false;
  const json& rules = At(parsed, {"syscalls"});
  return std::ranges::all_of(rules,
                             [](const json& rule) { return LetsPass(Text(At(rule, {"action"}))); });
}

}  // namespace

std::vector<std::string> SecurityOptions(const json& container, std::string_view name) {
  std::vector<std::string> values;
  for (const std::string& option : Texts(At(container, {"HostConfig", "SecurityOpt"}))) {
    if (option == name) {
      values.emplace_back("true");
      continue;
    }
    if (option == "disable" && name == "label") {
      values.push_back(option);
      continue;
    }
    std::size_t separator = option.find('=');
    if (separator == std::string::npos) separator = option.find(':');
    if (separator == std::string::npos || option.substr(0, separator) != name) continue;
    values.push_back(option.substr(separator + 1));
  }
  return values;
}

bool IsPrivileged(const json& container) {
  return IsTrue(At(container, {"HostConfig", "Privileged"}));
}

Judgement JudgeAppArmor(const ContainerCase& of) {
  const std::string profile = Text(At(of.container, {"AppArmorProfile"}));
  if (!profile.empty() && profile != "unconfined") return std::nullopt;
  return Remark{"It runs without a profile of AppArmor.", "AppArmorProfile = \"" + profile + "\""};
}

Judgement JudgeSelinux(const ContainerCase& of) {
  const std::vector<std::string> options = SecurityOptions(of.container, "label");
  if (std::ranges::find(options, "disable") != options.end()) {
    return Remark{"It runs without SELinux's separation.", "HostConfig.SecurityOpt: label=disable"};
  }
  const std::string label = Text(At(of.container, {"ProcessLabel"}));
  const std::string type = SelinuxType(label);
  const auto is_free = [](std::string_view name) {
    return name == "spc_t" || name == "unconfined_t";
  };
  if (is_free(type) || std::ranges::any_of(options, [&](const std::string& option) {
        return option.starts_with("type:") && is_free(option.substr(5));
      })) {
    return Remark{"Its SELinux type is one that may do anything.",
                  "ProcessLabel = \"" + label + "\""};
  }
  if (!label.empty() || !options.empty()) return std::nullopt;
  return Remark{"It has no SELinux label.", "ProcessLabel = \"\""};
}

Judgement JudgeCapabilities(const ContainerCase& of) {
  if (IsPrivileged(of.container)) return Remark{"It has all capabilities.", kPrivileged};
  std::vector<std::string> more;
  for (const std::string& added : Texts(At(of.container, {"HostConfig", "CapAdd"}))) {
    const std::string name = CapabilityName(added);
    if (!of.policy.capabilities.contains(name)) more.push_back(name);
  }
  if (more.empty()) return std::nullopt;
  return Remark{"It is given capabilities that the policy does not have.",
                "HostConfig.CapAdd: " + Join(more)};
}

Judgement JudgePrivileged(const ContainerCase& of) {
  if (!IsPrivileged(of.container)) return std::nullopt;
  return Remark{"It is privileged: it may do what root on the host may.", kPrivileged};
}

Judgement JudgeDevices(const ContainerCase& of) {
  if (IsPrivileged(of.container)) return Remark{"It has all devices of the host.", kPrivileged};
  std::vector<std::string> seen;
  const json& host = At(of.container, {"HostConfig"});
  for (const json& device : At(host, {"Devices"})) {
    const std::string path = Text(At(device, {"PathOnHost"}));
    if (!of.policy.devices.contains(path)) seen.push_back("Devices " + path);
  }
  for (const json& request : At(host, {"DeviceRequests"})) {
    const std::vector<std::string> ids = Texts(At(request, {"DeviceIDs"}));
    const bool known = !ids.empty() && std::ranges::all_of(ids, [&](const std::string& id) {
      return of.policy.devices.contains(id);
    });
    if (!known) seen.push_back("DeviceRequests " + request.dump(-1, ' ', true));
  }
  for (const std::string& rule : Texts(At(host, {"DeviceCgroupRules"}))) {
    if (!of.policy.devices.contains(rule)) seen.push_back("DeviceCgroupRules " + rule);
  }
  if (seen.empty()) return std::nullopt;
  return Remark{"It may use devices of the host that the policy does not have.",
                "HostConfig: " + Join(seen)};
}

Judgement JudgeSeccomp(const ContainerCase& of) {
  const std::vector<std::string> options = SecurityOptions(of.container, "seccomp");
  if (!options.empty() && options.back() == "unconfined") {
    return Remark{"It may use all system calls.", "HostConfig.SecurityOpt: seccomp=unconfined"};
  }
  if (!options.empty() && RefusesNothing(options.back())) {
    return Remark{"It may use all system calls: its profile refuses none.",
                  "HostConfig.SecurityOpt: seccomp with defaultAction SCMP_ACT_ALLOW"};
  }
  if (IsPrivileged(of.container) &&
      (options.empty() || of.facts.engine_version < kProfilesOfPrivileged)) {
    return Remark{"The engine gives a privileged container no seccomp profile.", kPrivileged};
  }
  if (!of.facts.info.ok()) {
    return Remark{Message(of.facts.info.status()), "", Outcome::kCannotTell};
  }
  const std::optional<std::string> engine = SecurityOption(*of.facts.info, "seccomp");
  if (!engine) {
    return Remark{"The engine has no seccomp.", "GET /info: SecurityOptions without name=seccomp"};
  }
  if (options.empty() && engine == "profile=unconfined") {
    return Remark{"It has no profile of its own, and the engine's default is none.",
                  "GET /info: SecurityOptions name=seccomp,profile=unconfined"};
  }
  return std::nullopt;
}

// What the container says wins. Without a word, it took the engine's default when it was made,
// which may have been another then: the kernel knows.
Judgement JudgeNoNewPrivileges(const ContainerCase& of) {
  const std::vector<std::string> options = SecurityOptions(of.container, "no-new-privileges");
  if (!options.empty()) {
    if (IsTrueWord(options.back())) return std::nullopt;
    return Remark{"Its programs may gain privileges: its own option is stronger than the engine's.",
                  "HostConfig.SecurityOpt: no-new-privileges=" + options.back()};
  }
  const std::string kernel = ProcessStatus(of.facts.root, of.container, "NoNewPrivs");
  if (kernel == "0") {
    return Remark{"Its programs may gain privileges.",
                  "/proc/" + std::to_string(Number(At(of.container, {"State", "Pid"}))) +
                      "/status: NoNewPrivs 0"};
  }
  if (!of.facts.config.ok()) {
    return Remark{Message(of.facts.config.status()), "", Outcome::kCannotTell};
  }
  if (of.facts.config->Flag("no-new-privileges")) return std::nullopt;
  return Remark{"Its programs may gain privileges.",
                "HostConfig.SecurityOpt has no no-new-privileges, and the engine's is false"};
}

}  // namespace seaworthy::docker
