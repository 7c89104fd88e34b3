// Section 3: owners and modes of the engine's files.
#include <sys/stat.h>

#include <algorithm>
#include <cstdio>
#include <utility>

#include "modules/docker/account_files.h"
#include "modules/docker/audit.h"
#include "modules/docker/engine_json.h"
#include "modules/docker/real_paths.h"
#include "seaworthy/status_macros.h"

namespace seaworthy::docker {
namespace {

constexpr std::string_view kChown = "chown root:root PATH";
constexpr std::string_view kChmod644 = "chmod u-x,go-wx PATH";
constexpr std::string_view kChmod444 = "chmod a-wx PATH";
constexpr std::string_view kChmod660 = "chmod u-x,g-x,o-rwx PATH";

constexpr Check kChecks[] = {
    {.id = "3.1", .title = "docker.service is root's", .remediation = kChown},
    {.id = "3.2", .title = "docker.service is written by root alone", .remediation = kChmod644},
    {.id = "3.3", .title = "docker.socket is root's", .remediation = kChown},
    {.id = "3.4", .title = "docker.socket is written by root alone", .remediation = kChmod644},
    {.id = "3.5", .title = "/etc/docker is root's", .remediation = kChown},
    {.id = "3.6",
     .title = "/etc/docker is written by root alone",
     .remediation = "chmod go-w /etc/docker"},
    {.id = "3.7", .title = "Registries' certificates are root's", .remediation = kChown},
    {.id = "3.8",
     .title = "Registries' certificates are written by nobody, and keys read by root alone",
     .remediation = "chmod 0444 PATH; 0400 for a private key (*.key), 0755 for a folder"},
    {.id = "3.9", .title = "The engine's CA file is root's", .remediation = kChown},
    {.id = "3.10", .title = "The engine's CA file is written by nobody", .remediation = kChmod444},
    {.id = "3.11", .title = "The engine's certificate is root's", .remediation = kChown},
    {.id = "3.12",
     .title = "The engine's certificate is written by nobody",
     .remediation = kChmod444},
    {.id = "3.13", .title = "The engine's private key is root's", .remediation = kChown},
    {.id = "3.14",
     .title = "The engine's private key is read by root alone",
     .remediation = "chmod 0400 PATH; or keep the key in the TPM"},
    {.id = "3.15",
     .title = "The engine's socket is root's and the configured group's",
     .remediation = "chown root:GROUP PATH; and let \"group\" in daemon.json, or SocketGroup= in "
                    "docker.socket, name that group",
     .daemon_key = "group"},
    {.id = "3.16",
     .title = "The engine's socket is closed to all but root and its group",
     .remediation = kChmod660},
    {.id = "3.17", .title = "daemon.json is root's", .remediation = kChown},
    {.id = "3.18", .title = "daemon.json is written by root alone", .remediation = kChmod644},
    {.id = "3.19", .title = "/etc/default/docker is root's", .remediation = kChown},
    {.id = "3.20",
     .title = "/etc/default/docker is written by root alone",
     .remediation = kChmod644},
    {.id = "3.21",
     .title = "/etc/sysconfig/docker is written by root alone",
     .remediation = kChmod644},
    {.id = "3.22", .title = "/etc/sysconfig/docker is root's", .remediation = kChown},
    {.id = "3.23", .title = "containerd's socket is root's", .remediation = kChown},
    {.id = "3.24",
     .title = "containerd's socket is closed to all but root and its group",
     .remediation = kChmod660},
};

constexpr mode_t kPermissions = 07777;
constexpr std::size_t kMaxNames = 10'000;

struct File {
  std::string path;
  mode_t mode = 0;  // the bits that it may have
};

// The files that two checks look at, its owner and its mode.
struct Subjects {
  Result<std::vector<File>> files;
  std::string absent;               // why there is nothing to look at
  std::optional<gid_t> group = {};  // that may own it beside root's
};

std::string Octal(mode_t mode) {
  char text[8];
  std::snprintf(text, sizeof(text), "%04o", static_cast<unsigned>(mode & kPermissions));
  return text;
}

// Empty when it is well.
std::string OwnerFault(const struct stat& stat, const std::optional<gid_t>& group) {
  if (stat.st_uid == 0 && (stat.st_gid == 0 || stat.st_gid == group)) return "";
  return stat.st_uid != 0 ? "its owner is not root" : "it is not of root's group";
}

// Each bit counts: 0622 is less than 0644 as a number, and anybody may write.
std::string ModeFault(const struct stat& stat, mode_t allowed) {
  const mode_t excess = stat.st_mode & kPermissions & ~allowed;
  if (excess == 0) return "";
  return "its mode gives " + Octal(excess) + " more than " + Octal(allowed);
}

using Fault = std::string (*)(const struct stat&, const File&, const Subjects&);

void JudgeEach(const Facts& facts, std::string_view check, const Subjects& subjects, Fault fault_of,
               Findings& findings) {
  if (!subjects.files.ok()) {
    return findings.CannotTell(check, {}, Message(subjects.files.status()));
  }
  if (subjects.files->empty()) return findings.NotApplicable(check, subjects.absent);
  std::string evidence;
  bool all = true;
  for (const File& file : *subjects.files) {
    const Result<os::Place> place = PlaceAt(facts.root, file.path);
    if (!place.ok()) {
      all = false;
      findings.CannotTell(check, file.path, Message(place.status()));
      continue;
    }
    const struct stat& stat = place->stat;
    const std::string seen = file.path + ": owner " + std::to_string(stat.st_uid) + ":" +
                             std::to_string(stat.st_gid) + ", mode " + Octal(stat.st_mode);
    if (const std::string fault = fault_of(stat, file, subjects); !fault.empty()) {
      all = false;
      findings.Fail(check, file.path, fault, seen);
    }
    evidence += (evidence.empty() ? "" : "; ") + seen;
  }
  if (all) findings.Pass(check, "owner or mode is as it should be", evidence);
}

void JudgeFiles(const Facts& facts, std::string_view owner, std::string_view mode,
                const Subjects& subjects, Findings& findings) {
  JudgeEach(
      facts, owner, subjects,
      [](const struct stat& stat, const File&, const Subjects& of) {
        return OwnerFault(stat, of.group);
      },
      findings);
  JudgeEach(
      facts, mode, subjects,
      [](const struct stat& stat, const File& file, const Subjects&) {
        return ModeFault(stat, file.mode);
      },
      findings);
}

// What the path leads to: a link's own mode is none.
Result<std::vector<File>> FileAt(const Facts& facts, const std::string& path, mode_t mode) {
  std::vector<File> files;
  if (path.empty()) return files;
  ASSIGN_OR_RETURN(const std::optional<std::string> real, RealPath(facts.root, path));
  if (real) files.push_back({*real, mode});
  return files;
}

Subjects Plain(const Facts& facts, const std::string& path, mode_t mode) {
  return {.files = FileAt(facts, path, mode), .absent = path + " is not there"};
}

Subjects Unit(const Facts& facts, const std::string& unit) {
  const auto found = facts.units.find(unit);
  const std::string path = found == facts.units.end() ? "" : found->second;
  return {.files = FileAt(facts, path, 0644), .absent = "systemd has no " + unit};
}

// Below /etc/docker/certs.d a folder for each registry, with its CA's certificates (*.crt) and
// pairs of a client's certificate and key (*.cert, *.key). Who can write to a folder puts in
// another.
Result<std::vector<File>> RegistryFiles(const Facts& facts) {
  std::vector<File> files;
  ASSIGN_OR_RETURN(const std::optional<std::string> top,
                   RealPath(facts.root, "/etc/docker/certs.d"));
  if (!top) return files;
  files.push_back({*top, 0755});
  // Each folder once, however links lead to it.
  std::vector<std::string> folders = {*top};
  for (std::size_t i = 0; i < folders.size(); ++i) {
    const std::string folder = folders[i];
    ASSIGN_OR_RETURN(const std::vector<std::string> names,
                     facts.root.List(os::BelowRoot(folder), kMaxNames));
    for (const std::string& name : names) {
      ASSIGN_OR_RETURN(const std::optional<std::string> real,
                       RealPath(facts.root, folder + "/" + name));
      if (!real) continue;
      ASSIGN_OR_RETURN(const os::Place place, PlaceAt(facts.root, *real));
      const bool is_folder = S_ISDIR(place.stat.st_mode);
      if (is_folder && std::ranges::find(folders, *real) != folders.end()) continue;
      // The name is the one that the engine reads it by.
      const mode_t mode = is_folder ? 0755 : name.ends_with(".key") ? 0400 : 0444;
      files.push_back({*real, mode});
      if (is_folder) folders.push_back(*real);
      if (files.size() > kMaxNames) {
        return Fail(Code::kResourceExhausted, "TOO_MANY_FILES",
                    *top + ": has more than " + std::to_string(kMaxNames) + " files");
      }
    }
  }
  return files;
}

// Without TLS there is none; that its key is in a TPM and no file has it, is better.
Subjects TlsFile(const Facts& facts, const char* key, const std::string& otherwise, mode_t mode) {
  Subjects subjects = {.files = std::vector<File>(), .absent = ""};
  if (!facts.config.ok()) {
    subjects.files = facts.config.status();
    return subjects;
  }
  std::string path = Text(facts.config->Value(key));
  if (path.empty() && !facts.config->Flag("tls")) {
    subjects.absent = "the engine itself speaks no TLS: it has no file for " + std::string(key);
    return subjects;
  }
  // Where dockerd looks, started by systemd without DOCKER_CERT_PATH.
  if (path.empty()) path = "/root/.docker/" + otherwise;
  if (!path.starts_with('/')) {
    if (!facts.process.ok()) {
      subjects.files = facts.process.status();
      return subjects;
    }
    path = facts.process->working_directory + "/" + path;
  }
  return Plain(facts, path, mode);
}

// The socket that was asked, and any other that the engine listens at. In its exec-root are those
// for its own parts.
Result<std::vector<File>> EngineSockets(const Facts& facts) {
  ASSIGN_OR_RETURN(std::vector<File> files, FileAt(facts, facts.socket, 0660));
  if (!facts.process.ok()) return files;
  ASSIGN_OR_RETURN(const std::optional<std::string> own, RealPath(facts.root, facts.exec_root));
  for (const Listener& listener : facts.process->listeners) {
    if (listener.kind != Listener::Kind::kUnix || !listener.address.starts_with('/')) continue;
    ASSIGN_OR_RETURN(const std::optional<std::string> real, RealPath(facts.root, listener.address));
    if (!real || (own && real->starts_with(*own + "/"))) continue;
    if (std::ranges::find(files, *real, &File::path) == files.end()) files.push_back({*real, 0660});
  }
  return files;
}

Subjects Sockets(const Facts& facts) {
  Subjects subjects = {.files = EngineSockets(facts), .absent = facts.socket + " is not there"};
  if (!facts.config.ok()) {
    // Whose they may be is not known then.
    subjects.files = facts.config.status();
    return subjects;
  }
  // Where the group is not there, the engine gives the socket to root's.
  const Result<std::optional<gid_t>> group =
      FindGroup(facts.root, Text(facts.config->Value("group")));
  if (!group.ok()) subjects.files = group.status();
  if (group.ok()) subjects.group = *group;
  return subjects;
}

Subjects DaemonJson(const Facts& facts) {
  const std::string& path = facts.config_file.path;
  if (path.empty() && !facts.config.ok()) {
    // Which file it is says the engine's command line.
    return {.files = facts.config.status(), .absent = ""};
  }
  return Plain(facts, path, 0644);
}

void Judge(const Facts& facts, const SitePolicy&, Findings& findings) {
  const auto judge = [&](std::string_view owner, std::string_view mode, const Subjects& subjects) {
    JudgeFiles(facts, owner, mode, subjects, findings);
  };
  judge("3.1", "3.2", Unit(facts, "docker.service"));
  judge("3.3", "3.4", Unit(facts, "docker.socket"));
  judge("3.5", "3.6", Plain(facts, "/etc/docker", 0755));
  judge("3.7", "3.8",
        {.files = RegistryFiles(facts), .absent = "/etc/docker/certs.d is not there"});
  judge("3.9", "3.10", TlsFile(facts, "tlscacert", "ca.pem", 0444));
  judge("3.11", "3.12", TlsFile(facts, "tlscert", "cert.pem", 0444));
  judge("3.13", "3.14", TlsFile(facts, "tlskey", "key.pem", 0400));
  judge("3.15", "3.16", Sockets(facts));
  judge("3.17", "3.18", DaemonJson(facts));
  judge("3.19", "3.20", Plain(facts, "/etc/default/docker", 0644));
  judge("3.22", "3.21", Plain(facts, "/etc/sysconfig/docker", 0644));
  judge("3.23", "3.24", Plain(facts, facts.containerd_socket, 0660));
}

}  // namespace

const CheckFamily kFileChecks = {.title = "Files", .checks = kChecks, .judge = Judge};

}  // namespace seaworthy::docker
