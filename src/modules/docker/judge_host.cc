// Section 1: the host.
#include <algorithm>

#include "modules/docker/account_files.h"
#include "modules/docker/audit.h"
#include "modules/docker/engine_json.h"
#include "modules/docker/judge_watches.h"
#include "modules/docker/mount_table.h"
#include "modules/docker/real_paths.h"
#include "seaworthy/status_macros.h"

namespace seaworthy::docker {
namespace {

constexpr std::string_view kWatch =
    "Add a rule for the path to /etc/audit/rules.d, for all system calls and with the permissions "
    "wa (auditctl -w PATH -p wa -k docker), and load it with augenrules --load.";

constexpr Check kChecks[] = {
    {.id = "1.1.1",
     .title = "The engine's data lies on a mount of its own",
     .remediation = "Give the engine's data a file system of its own and mount it at the data "
                    "root, so that images and containers cannot fill the system's."},
    {.id = "1.1.2",
     .title = "Only trusted accounts are in the group of the engine's socket",
     .remediation = "Take the account out of the group (gpasswd -d ACCOUNT GROUP): who may use the "
                    "socket is root. Name accounts that need it in the site's policy."},
    {.id = "1.1.3", .title = "Changes of dockerd are audited", .remediation = kWatch},
    {.id = "1.1.4", .title = "Changes of containerd's state are audited", .remediation = kWatch},
    {.id = "1.1.5", .title = "Changes of the engine's data are audited", .remediation = kWatch},
    {.id = "1.1.6", .title = "Changes in /etc/docker are audited", .remediation = kWatch},
    {.id = "1.1.7", .title = "Changes of docker.service are audited", .remediation = kWatch},
    {.id = "1.1.8", .title = "Changes of containerd's socket are audited", .remediation = kWatch},
    {.id = "1.1.9", .title = "Changes of docker.socket are audited", .remediation = kWatch},
    {.id = "1.1.10", .title = "Changes of /etc/default/docker are audited", .remediation = kWatch},
    {.id = "1.1.11", .title = "Changes of daemon.json are audited", .remediation = kWatch},
    {.id = "1.1.12",
     .title = "Changes of containerd's configuration are audited",
     .remediation = kWatch},
    {.id = "1.1.13",
     .title = "Changes of /etc/sysconfig/docker are audited",
     .remediation = kWatch},
    {.id = "1.1.14", .title = "Changes of containerd are audited", .remediation = kWatch},
    {.id = "1.1.15", .title = "Changes of containerd-shim are audited", .remediation = kWatch},
    {.id = "1.1.16",
     .title = "Changes of containerd-shim-runc-v1 are audited",
     .remediation = kWatch},
    {.id = "1.1.17",
     .title = "Changes of containerd-shim-runc-v2 are audited",
     .remediation = kWatch},
    {.id = "1.1.18", .title = "Changes of runc are audited", .remediation = kWatch},
    {.id = "1.2.1",
     .title = "The host is hardened",
     .automation = Automation::kManual,
     .remediation = "Hold the host itself against its distribution's benchmark: services, "
                    "accounts, kernel, updates."},
    {.id = "1.2.2",
     .title = "The engine's version is current",
     .automation = Automation::kPartial,
     .remediation = "Update the engine to a version that its makers or the distribution still fix, "
                    "and give the oldest allowed one in the site's policy."},
};

// With userns-remap the engine's root is a folder "UID.GID" in the one that is configured, which
// is the one that can be mounted.
std::string ConfiguredRoot(const std::string& root) {
  const std::size_t slash = root.rfind('/');
  const std::string last = root.substr(slash + 1);
  const std::size_t dot = last.find('.');
  if (slash == 0 || slash == std::string::npos || dot == 0 || dot == std::string::npos ||
      dot + 1 == last.size()) {
    return root;
  }
  const std::string digits = last.substr(0, dot) + last.substr(dot + 1);
  const bool remapped = digits.find_first_not_of("0123456789") == std::string::npos;
  return remapped ? root.substr(0, slash) : root;
}

std::string Describe(const Mount& mount) {
  return "/proc/self/mountinfo: " + mount.point + " is " + mount.folder + " of " + mount.type +
         " " + mount.device;
}

// An engine whose root is on a mount that is not shared mounts the root on itself: a mount of its
// own by name, on the same file system.
void JudgeOwnMount(const std::vector<Mount>& mounts, const std::string& root, Findings& findings) {
  const Mount* at = MountOf(mounts, root);
  const Mount* around = MountAround(mounts, root);
  if (at == nullptr || around == nullptr) {
    return findings.CannotTell("1.1.1", root, "the table of mounts has none for " + root);
  }
  if (at->point != root) {
    return findings.Fail("1.1.1", root, "is a folder of the file system at " + at->point,
                         Describe(*at));
  }
  if (at->device == around->device) {
    return findings.Fail("1.1.1", root,
                         "is mounted, but of the same file system as " + around->point,
                         Describe(*at));
  }
  // A subvolume of btrfs is its own file system by all but the device.
  if (at->folder != "/" && at->type != "btrfs") {
    return findings.Fail("1.1.1", root, "is a folder of a file system that has others as well",
                         Describe(*at));
  }
  findings.Pass("1.1.1", root + " is a file system of its own", Describe(*at));
}

void JudgeDataRoot(const Facts& facts, Findings& findings) {
  const Result<std::optional<std::string>> real = RealPath(facts.root, facts.data_root);
  if (!real.ok()) return findings.CannotTell("1.1.1", facts.data_root, Message(real.status()));
  if (facts.data_root.empty() || !*real) {
    return findings.NotApplicable("1.1.1", "the engine's data root is not there");
  }
  const Result<std::vector<Mount>> mounts = ReadMountTable(facts.root);
  if (!mounts.ok()) return findings.CannotTell("1.1.1", **real, Message(mounts.status()));
  JudgeOwnMount(*mounts, ConfiguredRoot(**real), findings);
}

// The group that the engine gives its socket to, and the one that the socket has: systemd makes
// the socket where dockerd is given it as fd://.
Result<std::vector<gid_t>> SocketGroups(const Facts& facts, const std::string& name) {
  std::vector<gid_t> groups;
  ASSIGN_OR_RETURN(const std::optional<gid_t> named, FindGroup(facts.root, name));
  if (named) groups.push_back(*named);
  ASSIGN_OR_RETURN(const std::optional<std::string> socket, RealPath(facts.root, facts.socket));
  if (!socket || facts.socket.empty()) return groups;
  ASSIGN_OR_RETURN(const os::Place place, PlaceAt(facts.root, *socket));
  // What root's group may do root may.
  if (place.stat.st_gid != 0 && place.stat.st_gid != named) groups.push_back(place.stat.st_gid);
  return groups;
}

void JudgeDockerGroup(const Facts& facts, const SitePolicy& policy, Findings& findings) {
  if (!facts.config.ok()) {
    return findings.CannotTell("1.1.2", {}, Message(facts.config.status()));
  }
  const std::string name = Text(facts.config->Value("group"));
  const Result<std::vector<gid_t>> groups = SocketGroups(facts, name);
  if (!groups.ok()) return findings.CannotTell("1.1.2", {}, Message(groups.status()));
  if (groups->empty()) {
    return findings.NotApplicable("1.1.2", "there is no group " + name + ": the socket is root's");
  }
  bool all = true;
  for (const gid_t gid : *groups) {
    const Result<std::set<std::string>> members = MembersOf(facts.root, gid);
    if (!members.ok()) return findings.CannotTell("1.1.2", {}, Message(members.status()));
    for (const std::string& member : *members) {
      if (policy.docker_group.contains(member)) continue;
      all = false;
      findings.Fail("1.1.2", member,
                    "may use the engine's socket, which is as good as root, and is not in the "
                    "site's policy",
                    "/etc/group, /etc/passwd: " + member + " is in group " + std::to_string(gid));
    }
  }
  if (all) {
    findings.Pass("1.1.2", "no account but those of the site's policy is in the group " + name,
                  "/etc/group, /etc/passwd");
  }
}

void JudgeVersion(const Facts& facts, const SitePolicy& policy, Findings& findings) {
  if (!facts.version.ok()) {
    return findings.CannotTell("1.2.2", {}, Message(facts.version.status()));
  }
  const std::string text = Text(At(*facts.version, {"Version"}));
  const std::string evidence = "/version: Version = " + text;
  if (!policy.minimum_engine) {
    return findings.Add("1.2.2", Outcome::kManual, {},
                        "look whether the engine's version still gets fixes: the site's policy "
                        "names no oldest one",
                        evidence);
  }
  const Result<EngineVersion> version = ParseEngineVersion(text);
  if (!version.ok()) return findings.CannotTell("1.2.2", {}, Message(version.status()));
  const std::string minimum = ToText(*policy.minimum_engine);
  if (*version < *policy.minimum_engine) {
    return findings.Fail("1.2.2", {}, "the engine is older than the site's policy asks: " + minimum,
                         evidence);
  }
  findings.Pass("1.2.2", "the engine is not older than the site's policy asks: " + minimum,
                evidence);
}

void Judge(const Facts& facts, const SitePolicy& policy, Findings& findings) {
  JudgeDataRoot(facts, findings);
  JudgeDockerGroup(facts, policy, findings);
  JudgeWatches(facts, findings);
  findings.Add("1.2.1", Outcome::kManual, {},
               "hold the host itself against its distribution's benchmark");
  JudgeVersion(facts, policy, findings);
}

}  // namespace

const CheckFamily kHostChecks = {.title = "Host", .checks = kChecks, .judge = Judge};

}  // namespace seaworthy::docker
