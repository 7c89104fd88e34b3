#include "modules/docker/judge_watches.h"

#include <linux/audit.h>
#include <sys/stat.h>

#include <algorithm>

#include "modules/docker/real_paths.h"
#include "seaworthy/status_macros.h"

namespace seaworthy::docker {
namespace {

// Who replaces a file writes to its folder, which the kernel counts as a write to the watched name.
constexpr std::uint32_t kNeeded = AUDIT_PERM_WRITE | AUDIT_PERM_ATTR;

bool Covers(const AuditWatch& watch, std::string_view path, bool folder) {
  // auditctl's -F path= of a folder is for the folder alone.
  if (path == watch.path) return watch.folder || !folder;
  if (!watch.folder) return false;
  return watch.path == "/" ||
         (path.starts_with(watch.path) && path.substr(watch.path.size()).starts_with('/'));
}

// Of system calls of one width, what is not recorded; `never` is what a rule leaves out.
std::uint32_t Unrecorded(const std::vector<AuditWatch>& watches, std::string_view path, bool folder,
                         bool wide, bool& never) {
  std::uint32_t open = kNeeded;
  std::uint32_t left_out = 0;
  for (const AuditWatch& watch : watches) {
    const bool of_width =
        watch.architecture == 0 || ((watch.architecture & __AUDIT_ARCH_64BIT) != 0) == wide;
    if (watch.narrowed || !of_width || !Covers(watch, path, folder)) continue;
    if (watch.never) left_out |= open & watch.permissions;
    open &= ~watch.permissions;
  }
  never = never || left_out != 0;
  return open | left_out;
}

struct Watched {
  std::string_view check;
  std::string_view what;
  // The paths to look at, those that are there; a Status when they cannot be told.
  Result<std::vector<std::string>> (*paths)(const Facts& facts);
};

Result<std::vector<std::string>> There(const Facts& facts, std::vector<std::string> candidates) {
  std::erase(candidates, "");
  return LinksAndTargets(facts.root, candidates);
}

Result<std::vector<std::string>> UnitPaths(const Facts& facts, const char* unit) {
  const auto found = facts.units.find(unit);
  if (found == facts.units.end()) return std::vector<std::string>();
  return There(facts, {found->second});
}

std::string FolderOf(const std::string& path) { return path.substr(0, path.rfind('/')); }

constexpr Watched kWatched[] = {
    {"1.1.3", "the engine's program",
     [](const Facts& facts) -> Result<std::vector<std::string>> {
       RETURN_IF_ERROR(facts.process.status());
       ASSIGN_OR_RETURN(std::vector<std::string> paths, FindProgram(facts.root, "dockerd"));
       paths.push_back(facts.process->executable);
       return There(facts, std::move(paths));
     }},
    {"1.1.4", "containerd's state",
     [](const Facts& facts) {
       return There(facts, {"/run/containerd", FolderOf(facts.containerd_socket)});
     }},
    {"1.1.5", "the engine's data",
     [](const Facts& facts) { return There(facts, {facts.data_root}); }},
    {"1.1.6", "the engine's configuration",
     [](const Facts& facts) { return There(facts, {"/etc/docker"}); }},
    {"1.1.7", "docker.service",
     [](const Facts& facts) { return UnitPaths(facts, "docker.service"); }},
    {"1.1.8", "containerd's socket",
     [](const Facts& facts) { return There(facts, {facts.containerd_socket}); }},
    {"1.1.9", "docker.socket",
     [](const Facts& facts) { return UnitPaths(facts, "docker.socket"); }},
    {"1.1.10", "/etc/default/docker",
     [](const Facts& facts) { return There(facts, {"/etc/default/docker"}); }},
    {"1.1.11", "daemon.json",
     [](const Facts& facts) -> Result<std::vector<std::string>> {
       // Which file it is says the engine's command line.
       if (facts.config_file.path.empty()) RETURN_IF_ERROR(facts.config.status());
       return There(facts, {facts.config_file.path});
     }},
    {"1.1.12", "containerd's configuration",
     [](const Facts& facts) {
       // An engine that starts its own containerd writes that one's beside its socket.
       return There(facts, {"/etc/containerd/config.toml",
                            FolderOf(facts.containerd_socket) + "/containerd.toml"});
     }},
    {"1.1.13", "/etc/sysconfig/docker",
     [](const Facts& facts) { return There(facts, {"/etc/sysconfig/docker"}); }},
    {"1.1.14", "containerd",
     [](const Facts& facts) { return FindProgram(facts.root, "containerd"); }},
    {"1.1.15", "containerd-shim",
     [](const Facts& facts) { return FindProgram(facts.root, "containerd-shim"); }},
    {"1.1.16", "containerd-shim-runc-v1",
     [](const Facts& facts) { return FindProgram(facts.root, "containerd-shim-runc-v1"); }},
    {"1.1.17", "containerd-shim-runc-v2",
     [](const Facts& facts) { return FindProgram(facts.root, "containerd-shim-runc-v2"); }},
    {"1.1.18", "runc", [](const Facts& facts) { return FindProgram(facts.root, "runc"); }},
};

// A rule's folder is looked up when the rule is made; the last part of its path is not followed.
Result<AuditRules> ByRealPaths(const Facts& facts) {
  RETURN_IF_ERROR(facts.audit_rules.status());
  AuditRules rules = *facts.audit_rules;
  for (AuditWatch& watch : rules.watches) {
    if (watch.path == "/") continue;
    ASSIGN_OR_RETURN(const std::optional<std::string> real, RealFolderPath(facts.root, watch.path));
    if (real) watch.path = *real;
  }
  return rules;
}

// Why what is at the path is not watched; empty when it is.
Result<std::string> Judge(const Facts& facts, const AuditRules& rules, const std::string& path) {
  if (!rules.enabled) return std::string("the kernel's audit is off: it writes no records at all");
  ASSIGN_OR_RETURN(const os::Place place, PlaceAt(facts.root, path));
  return WhyUnwatched(rules.watches, path, S_ISDIR(place.stat.st_mode));
}

void JudgeOne(const Facts& facts, const Result<AuditRules>& rules, const Watched& watched,
              Findings& findings) {
  const Result<std::vector<std::string>> paths = watched.paths(facts);
  if (!paths.ok()) return findings.CannotTell(watched.check, {}, Message(paths.status()));
  const std::string what(watched.what);
  if (paths->empty()) return findings.NotApplicable(watched.check, what + " is not there");
  if (!rules.ok()) return findings.CannotTell(watched.check, {}, Message(rules.status()));
  std::string seen;
  bool all = true;
  for (const std::string& path : *paths) {
    const Result<std::string> why = Judge(facts, *rules, path);
    if (!why.ok()) {
      findings.CannotTell(watched.check, path, Message(why.status()));
    } else if (!why->empty()) {
      findings.Fail(
          watched.check, path, what + ": " + *why,
          rules->enabled ? "the kernel's audit rules: " + path : "the kernel's audit: enabled = 0");
    }
    all = all && why.ok() && why->empty();
    seen += (seen.empty() ? "" : ", ") + path;
  }
  if (all) {
    findings.Pass(watched.check, "who changes " + what + " is written down",
                  "the kernel's audit rules: " + seen);
  }
}

}  // namespace

std::string WhyUnwatched(const std::vector<AuditWatch>& watches, std::string_view path,
                         bool folder) {
  bool never = false;
  const std::uint32_t wide = Unrecorded(watches, path, folder, true, never);
  const std::uint32_t narrow = Unrecorded(watches, path, folder, false, never);
  if (never) return "a rule that says \"never\" comes before any that watches it";
  if ((wide | narrow) == 0) return "";
  const bool any = std::ranges::any_of(watches, [&](const AuditWatch& watch) {
    return !watch.never && Covers(watch, path, folder);
  });
  if (!any) return "no audit rule watches it";
  if ((wide & narrow) == kNeeded) {
    return "the audit rules that watch it leave accesses out, or do not write down changes";
  }
  if (wide == 0 || narrow == 0) {
    return std::string("its audit rules are not for ") + (wide == 0 ? "32" : "64") +
           " bit system calls";
  }
  return ((wide | narrow) & AUDIT_PERM_WRITE) != 0
             ? "its audit rules do not write down writes (w)"
             : "its audit rules do not write down changes of its attributes (a)";
}

void JudgeWatches(const Facts& facts, Findings& findings) {
  const Result<AuditRules> rules = ByRealPaths(facts);
  for (const Watched& watched : kWatched) JudgeOne(facts, rules, watched, findings);
}

}  // namespace seaworthy::docker
