// What runs in a container, from which image, and whether it is well.
#include <algorithm>
#include <functional>

#include "modules/docker/container_checks.h"
#include "modules/docker/engine_json.h"
#include "modules/docker/running_config.h"

namespace seaworthy::docker {
namespace {

using nlohmann::json;

constexpr std::string_view kSshServers[] = {"sshd", "sshd-session", "sshd-auth", "dropbear",
                                            "tinysshd"};

constexpr std::size_t kShortId = 12;

// "registry/name@sha256:..." or an image's id.
bool IsPinned(std::string_view name) {
  constexpr std::string_view kHex = "0123456789abcdef";
  if (name.find("@sha256:") != std::string_view::npos) return true;
  if (name.starts_with("sha256:")) return true;
  return name.size() >= kShortId && name.find_first_not_of(kHex) == std::string_view::npos;
}

std::string WithTag(const std::string& name) {
  const std::size_t slash = name.rfind('/');
  const std::size_t colon = name.find(':', slash == std::string::npos ? 0 : slash);
  return colon == std::string::npos ? name + ":latest" : name;
}

// The image that has the tag here and now; empty where none has.
std::string ImageOf(const Facts& facts, const std::string& tag) {
  if (!facts.images.ok()) return "";
  for (const json& image : *facts.images) {
    const std::vector<std::string> tags = Texts(At(image, {"RepoTags"}));
    if (std::ranges::find(tags, tag) != tags.end()) return Text(At(image, {"Id"}));
  }
  return "";
}

bool IsPrivilegedExec(const json& process) { return IsTrue(At(process, {"privileged"})); }

// Whoever names no user gets the container's own.
bool IsRootExec(const json& process) {
  const std::string user = Text(At(process, {"user"}));
  return !user.empty() && IsRootUser(user);
}

// Of what exec has in the container as the facts were collected; a person judges the rest.
Judgement JudgeExecs(const ContainerCase& of, const std::function<bool(const json&)>& is_wrong,
                     const char* text) {
  const auto found = of.facts.execs.find(Text(At(of.container, {"Id"})));
  if (found == of.facts.execs.end()) {
    return Remark{"What exec has in it was not found.", "", Outcome::kCannotTell};
  }
  if (!found->second.ok()) {
    return Remark{Message(found->second.status()), "", Outcome::kCannotTell};
  }
  for (const json& exec : *found->second) {
    const json& process = At(exec, {"ProcessConfig"});
    if (!is_wrong(process)) continue;
    return Remark{text, "GET /exec/" + Text(At(exec, {"ID"})).substr(0, kShortId) +
                            "/json: ProcessConfig = " + ShowValue(process)};
  }
  return Remark{
      "Nothing of the kind is in it now. The engine keeps no log of what was: an authorization "
      "plugin sees each exec with its options, and audit rules on the docker program its use.",
      "", Outcome::kManual};
}

}  // namespace

Judgement JudgeSshd(const ContainerCase& of) {
  const auto found = of.facts.container_processes.find(Text(At(of.container, {"Id"})));
  if (found == of.facts.container_processes.end()) {
    return Remark{"Its processes were not found.", "", Outcome::kCannotTell};
  }
  if (!found->second.ok()) {
    return Remark{Message(found->second.status()), "", Outcome::kCannotTell};
  }
  for (const std::string& name : *found->second) {
    if (std::ranges::find(kSshServers, name) == std::end(kSshServers)) continue;
    return Remark{"An SSH server runs in it.", "a process of its cgroup: " + name};
  }
  return std::nullopt;
}

bool MayBeWrong(const json& exec) {
  const json& process = At(exec, {"ProcessConfig"});
  return IsPrivilegedExec(process) || IsRootExec(process);
}

Judgement JudgePrivilegedExec(const ContainerCase& of) {
  return JudgeExecs(of, IsPrivilegedExec,
                    "A command was started in it by exec with all privileges.");
}

Judgement JudgeRootExec(const ContainerCase& of) {
  const std::string own = Text(At(of.container, {"Config", "User"}));
  return JudgeExecs(
      of,
      // A check of health runs as the container does.
      [&own](const json& process) {
        return IsRootExec(process) && Text(At(process, {"user"})) != own;
      },
      "A command was started in it by exec as root.");
}

Judgement JudgeHealth(const ContainerCase& of) {
  const std::string status = Text(At(of.container, {"State", "Health", "Status"}));
  if (!status.empty() && status != "none") return std::nullopt;
  return Remark{"Nothing checks whether it is well.", "State.Health is not there"};
}

Judgement JudgeImageName(const ContainerCase& of) {
  const std::string name = Text(At(of.container, {"Config", "Image"}));
  if (IsPinned(name)) return std::nullopt;
  const std::string evidence = "Config.Image = \"" + name + "\"";
  const std::string now = ImageOf(of.facts, WithTag(name));
  if (!now.empty() && now != Text(At(of.container, {"Image"}))) {
    return Remark{"It runs another image than the one that has its name now.",
                  evidence + ", which is " + now};
  }
  return Remark{
      "Its image is named by a tag, which may be another at the registry. See whether it "
      "is the newest there, and name it by its digest.",
      evidence, Outcome::kManual};
}

}  // namespace seaworthy::docker
