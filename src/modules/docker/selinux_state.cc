// Collects SELinux's state. The one file that knows libselinux.
#include <selinux/label.h>
#include <selinux/selinux.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "modules/docker/engine_json.h"
#include "modules/docker/real_paths.h"
#include "modules/docker/selinux_facts.h"
#include "modules/docker/selinux_labels.h"
#include "seaworthy/directory.h"
#include "seaworthy/status_macros.h"

namespace seaworthy::docker {
namespace {

using Context = CPtr<char, freecon>;
using Labels = CPtr<selabel_handle, selabel_close>;

constexpr const char* kConfig = "etc/selinux/config";
// First where the engine's library looks first.
constexpr const char* kOwnContexts = "/usr/share/containers/selinux/contexts";
constexpr std::size_t kMaxFileSystems = std::size_t{64} << 10;
constexpr std::size_t kMaxLabel = 4096;
// Categories as a container's.
constexpr std::string_view kContainerLevel = "s0:c1,c2";

Result<std::string> ReadText(const os::RootFolder& root, const std::string& path, std::size_t cap) {
  ASSIGN_OR_RETURN(const std::optional<Bytes> content, root.Read(path, cap));
  return content ? std::string(AsText(*content)) : std::string();
}

// Of a process, as the kernel tells whoever may know; else empty.
std::string ProcessLabel(const os::RootFolder& root, pid_t pid) {
  const Result<std::string> label =
      ReadText(root, "proc/" + std::to_string(pid) + "/attr/current", kMaxLabel);
  return label.ok() ? LabelOf(*label) : "";
}

// Of the process that made the listening socket, for one that systemd has not made.
std::string ListenerLabel(const std::string& path) {
  sockaddr_un address = {};
  if (path.size() >= sizeof(address.sun_path)) return "";
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, path.size());
  const UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return "";
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): so sockets take addresses
  const auto* const generic = reinterpret_cast<const sockaddr*>(&address);
  if (connect(fd.get(), generic, sizeof address) != 0) return "";
  char* label = nullptr;
  if (getpeercon_raw(fd.get(), &label) < 0) return "";
  const Context owned(label);
  return label == nullptr ? "" : label;
}

bool MayTransition(const std::string& from, const std::string& to) {
  const security_class_t process = string_to_security_class("process");
  if (from.empty() || process == 0) return false;
  const access_vector_t transition = string_to_av_perm(process, "transition");
  av_decision decision = {};
  if (security_compute_av_raw(from.c_str(), to.c_str(), process, transition, &decision) != 0) {
    return false;
  }
  return transition != 0 && (decision.allowed & transition) == transition;
}

// What systemd starts a program as that has this label.
std::string StartedAs(const std::string& systemd, const std::string& program) {
  char* label = nullptr;
  const security_class_t process = string_to_security_class("process");
  if (systemd.empty() || program.empty() || process == 0 ||
      security_compute_create_raw(systemd.c_str(), program.c_str(), process, &label) != 0) {
    return "";
  }
  const Context owned(label);
  return label;
}

void Judge(SelinuxProcess& process, const std::string& systemd, const std::string& program,
           const SelinuxState& state) {
  process.seen = !process.label.empty();
  process.next = StartedAs(systemd, program);
  if (!state.container_process_valid) return;
  const std::string container = WithLevel(state.container_process, kContainerLevel);
  process.may_start = MayTransition(process.label, container);
  process.next_may_start = MayTransition(process.next, container);
}

Result<std::map<std::string, bool>> ContainerBooleans() {
  char** names = nullptr;
  int count = 0;
  if (security_get_boolean_names(&names, &count) != 0) {
    return Fail(Code::kInternal, "SELINUX", "the kernel does not tell the policy's booleans");
  }
  std::map<std::string, bool> booleans;
  for (int i = 0; i < count; ++i) {
    const std::string name = names[i];
    for (const char* const about : {"container", "docker", "sandbox", "svirt"}) {
      if (name.find(about) != std::string::npos) {
        booleans[name] = security_get_boolean_active(names[i]) == 1;
      }
    }
    std::free(names[i]);  // NOLINT(cppcoreguidelines-no-malloc): libselinux's
  }
  std::free(static_cast<void*>(names));  // NOLINT(cppcoreguidelines-no-malloc): libselinux's
  return booleans;
}

Status ReadContexts(const os::RootFolder& root, SelinuxState& state) {
  ASSIGN_OR_RETURN(const std::string config, ReadText(root, kConfig, kMaxSelinuxFile));
  state.policy = ParsePolicyType(config);
  ASSIGN_OR_RETURN(std::string text, ReadText(root, kOwnContexts, kMaxSelinuxFile));
  state.contexts_file = kOwnContexts;
  if (text.empty() && !state.policy.empty()) {
    state.contexts_file = "/etc/selinux/" + state.policy + "/contexts/lxc_contexts";
    ASSIGN_OR_RETURN(text, ReadText(root, state.contexts_file, kMaxSelinuxFile));
  }
  const ContainerContexts contexts = ParseContainerContexts(text);
  state.container_process = contexts.process;
  state.container_file = contexts.file;
  return {};
}

// The files whose labels say who may use the engine, and what containers find.
Result<std::vector<std::string>> EngineFiles(const Facts& facts) {
  std::vector<std::string> paths;
  for (const char* const program : {"dockerd", "containerd", "docker-init"}) {
    ASSIGN_OR_RETURN(const std::vector<std::string> found, FindProgram(facts.root, program));
    paths.insert(paths.end(), found.begin(), found.end());
  }
  for (const auto& [unit, path] : facts.units) paths.push_back(path);
  const std::string containerd =
      facts.containerd_socket.substr(0, facts.containerd_socket.rfind('/'));
  for (const std::string& path :
       {std::string("/etc/docker"), facts.config_file.path, facts.data_root, facts.exec_root,
        facts.socket, std::string("/var/lib/containerd"), containerd, facts.containerd_socket}) {
    if (path.starts_with('/')) paths.push_back(path);
  }
  return paths;
}

// Through /proc, as a descriptor that only stands for a file gives away nothing else.
std::string FileLabel(const os::Place& place) {
  char* label = nullptr;
  const std::string path = "/proc/self/fd/" + std::to_string(place.fd.get());
  if (getfilecon_raw(path.c_str(), &label) < 0) return "";
  const Context owned(label);
  return label == nullptr ? "" : label;
}

std::string WantedLabel(selabel_handle* labels, const std::string& path, mode_t mode) {
  char* label = nullptr;
  if (selabel_lookup_raw(labels, &label, path.c_str(), static_cast<int>(mode)) != 0) return "";
  const Context owned(label);
  return label;
}

Status ReadFiles(const Facts& facts, SelinuxState& state) {
  const Labels labels(selabel_open(SELABEL_CTX_FILE, nullptr, 0));
  if (!labels) return FromErrno(errno, "open the policy's file contexts");
  ASSIGN_OR_RETURN(const std::vector<std::string> paths, EngineFiles(facts));
  for (const std::string& path : paths) {
    ASSIGN_OR_RETURN(const std::optional<std::string> real, RealPath(facts.root, path));
    if (!real || std::ranges::find(state.files, *real, &SelinuxFile::path) != state.files.end()) {
      continue;
    }
    const Result<os::Place> place = PlaceAt(facts.root, *real);
    if (!place.ok() || S_ISLNK(place->stat.st_mode)) continue;  // gone meanwhile
    state.files.push_back(
        {*real, FileLabel(*place), WantedLabel(labels.get(), *real, place->stat.st_mode)});
  }
  return {};
}

// The label that the policy has for a program.
std::string ProgramLabel(const SelinuxState& state, std::string_view name) {
  for (const SelinuxFile& file : state.files) {
    if (file.path.ends_with("/" + std::string(name))) {
      return file.wanted.empty() ? file.label : file.wanted;
    }
  }
  return "";
}

}  // namespace

Result<SelinuxState> CollectSelinuxState(const Facts& facts) {
  SelinuxState state;
  if (facts.info.ok()) state.engine_labels = SecurityOption(*facts.info, "selinux").has_value();
  ASSIGN_OR_RETURN(const std::string file_systems,
                   ReadText(facts.root, "proc/filesystems", kMaxFileSystems));
  state.in_kernel = file_systems.find("\tselinuxfs\n") != std::string::npos;
  RETURN_IF_ERROR(ReadContexts(facts.root, state));
  if (!state.in_kernel || is_selinux_enabled() != 1) return state;
  const int enforcing = security_getenforce();
  if (enforcing < 0) return FromErrno(errno, "read SELinux's mode");
  state.mode = enforcing == 1 ? SelinuxMode::kEnforcing : SelinuxMode::kPermissive;
  state.policy_version = security_policyvers();
  ASSIGN_OR_RETURN(state.booleans, ContainerBooleans());
  const auto valid = [](const std::string& label) {
    return !label.empty() && security_check_context_raw(label.c_str()) == 0;
  };
  state.container_process_valid = valid(state.container_process);
  state.container_file_valid = valid(state.container_file);
  RETURN_IF_ERROR(ReadFiles(facts, state));
  if (facts.process.ok()) state.engine.label = ProcessLabel(facts.root, facts.process->pid);
  state.containerd.label = ListenerLabel(facts.containerd_socket);
  const std::string systemd = ProcessLabel(facts.root, 1);
  Judge(state.engine, systemd, ProgramLabel(state, "dockerd"), state);
  Judge(state.containerd, systemd, ProgramLabel(state, "containerd"), state);
  return state;
}

Result<SelinuxState> LookAtSelinux(Deadline deadline, const SelinuxOptions& options) {
  FactsOptions how;
  how.root = options.root;
  how.socket = options.socket;
  ASSIGN_OR_RETURN(const Facts facts, CollectFacts(deadline, how));
  return CollectSelinuxState(facts);
}

}  // namespace seaworthy::docker
