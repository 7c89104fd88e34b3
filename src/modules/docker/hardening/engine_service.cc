#include "modules/docker/hardening/engine_service.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

#include "modules/docker/engine_json.h"
#include "seaworthy/directory.h"
#include "seaworthy/os/unit_control.h"
#include "seaworthy/status_macros.h"
#include "seaworthy/words.h"

namespace seaworthy::docker {
namespace {

using nlohmann::json;

constexpr std::size_t kMaxProcFile = std::size_t{1} << 20;
// Twice what an engine gives its containers.
constexpr std::chrono::seconds kStopPatience{30};

std::vector<std::string> ReadTexts(const std::string& path) {
  const Result<Bytes> content = ReadFile(path, kMaxProcFile);
  std::vector<std::string> texts;
  if (!content.ok()) return texts;
  for (std::string_view text : Split(AsText(*content), '\0')) {
    if (!text.empty()) texts.emplace_back(text);
  }
  return texts;
}

std::vector<char*> Pointers(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  pointers.reserve(texts.size() + 1);
  for (std::string& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

bool Ends(const UniqueFd& process, Deadline deadline) {
  pollfd ended = {.fd = process.get(), .events = POLLIN, .revents = 0};
  for (;;) {
    const int got = poll(&ended, 1, static_cast<int>(TimeLeft(deadline).count()));
    if (got == 1) return true;
    if (got == 0 || errno != EINTR) return false;
  }
}

}  // namespace

std::string UnitOfProcess(const std::string& proc, pid_t pid) {
  const Result<Bytes> groups = ReadFile(proc + "/" + std::to_string(pid) + "/cgroup", kMaxProcFile);
  if (!groups.ok()) return "";
  for (const std::string_view line : Split(AsText(*groups), '\n')) {
    // Of the unified hierarchy, or of systemd's own in a mixed one.
    if (!line.starts_with("0::/") && line.find(":name=systemd:/") == std::string_view::npos) {
      continue;
    }
    const std::string_view name = line.substr(line.rfind('/') + 1);
    if (name.ends_with(".service")) return std::string(name);
  }
  return "";
}

Status CheckUnit(const std::string& proc, const std::string& socket) {
  const Result<EngineProcess> engine = FindEngineProcess(proc, socket);
  if (!engine.ok() || !UnitOfProcess(proc, engine->pid).empty()) return {};
  return Fail(Code::kFailedPrecondition, "ENGINE_WITHOUT_UNIT",
              "no systemd unit runs the engine: change it on the node, seaworthyctl docker apply");
}

EngineService::EngineService(std::string proc, std::string socket, std::string unit,
                             const EngineProcess& process)
    : proc_(std::move(proc)),
      socket_(std::move(socket)),
      unit_(std::move(unit)),
      executable_(process.executable),
      arguments_(process.arguments),
      working_directory_(process.working_directory) {
  if (!unit_.empty()) return;
  const std::string folder = proc_ + "/" + std::to_string(process.pid);
  environment_ = ReadTexts(folder + "/environ");
  output_.reset(open((folder + "/fd/2").c_str(), O_WRONLY | O_APPEND | O_CLOEXEC | O_NOCTTY));
}

Result<EngineProcess> EngineService::Process() const { return FindEngineProcess(proc_, socket_); }

Status EngineService::Reload() const {
  ASSIGN_OR_RETURN(const EngineProcess process, Process());
  if (kill(process.pid, SIGHUP) != 0) return FromErrno(errno, "SIGHUP to the engine");
  return {};
}

Status EngineService::Restart(Deadline deadline, bool definitions_changed) {
  if (!unit_.empty()) {
    ASSIGN_OR_RETURN(os::UnitControl systemd, os::UnitControl::Connect(deadline));
    if (definitions_changed) RETURN_IF_ERROR(systemd.ReloadDefinitions(deadline));
    return systemd.Restart(deadline, unit_);
  }
  RETURN_IF_ERROR(Stop(deadline));
  return Start();
}

Status EngineService::Stop(Deadline deadline) {
  const Result<EngineProcess> process = Process();
  // A child that has ended and is not waited for looks to the next engine like one that runs.
  (void)Ended();
  if (process.status().code() == Code::kNotFound) return {};
  RETURN_IF_ERROR(process.status());
  const UniqueFd engine(static_cast<int>(syscall(SYS_pidfd_open, process->pid, 0)));
  if (!engine) return errno == ESRCH ? Status() : FromErrno(errno, "pidfd_open of the engine");
  kill(process->pid, SIGTERM);
  bool ended = Ends(engine, std::min(deadline, DeadlineIn(kStopPatience)));
  if (!ended) {
    kill(process->pid, SIGKILL);
    ended = Ends(engine, DeadlineIn(std::chrono::seconds(5)));
  }
  waitpid(process->pid, nullptr, WNOHANG);
  if (ended) return {};
  return Fail(Code::kDeadlineExceeded, "ENGINE_NOT_STOPPED", "the engine does not end");
}

Status EngineService::Start() {
  std::vector<std::string> command = {executable_};
  command.insert(command.end(), arguments_.begin(), arguments_.end());
  const std::vector<char*> argv = Pointers(command);
  const std::vector<char*> own = Pointers(environment_);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  if (output_) posix_spawn_file_actions_adddup2(&actions, output_.get(), STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, STDOUT_FILENO, STDERR_FILENO);
  if (!working_directory_.empty()) {
    posix_spawn_file_actions_addchdir_np(&actions, working_directory_.c_str());
  }
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  // It outlives whoever asked for it, and has none of the signals blocked that we have.
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK);
  sigset_t none;
  sigemptyset(&none);
  posix_spawnattr_setsigmask(&attributes, &none);
  const int error = posix_spawn(&started_, executable_.c_str(), &actions, &attributes, argv.data(),
                                environment_.empty() ? environ : own.data());
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  if (error == 0) return {};
  return Fail(Code::kUnavailable, "ENGINE_NOT_STARTED",
              "start " + executable_ + ": " + Message(FromErrno(error, "posix_spawn")));
}

bool EngineService::Ended() const {
  return started_ > 0 && waitpid(started_, nullptr, WNOHANG) != 0;
}

json EngineService::ToJson() const {
  return {{"socket", socket_},
          {"unit", unit_},
          {"executable", executable_},
          {"arguments", arguments_},
          {"working_directory", working_directory_}};
}

Result<EngineService> EngineService::FromJson(const std::string& proc, const json& value) {
  EngineService service;
  service.proc_ = proc;
  service.socket_ = Text(At(value, {"socket"}));
  service.unit_ = Text(At(value, {"unit"}));
  service.executable_ = Text(At(value, {"executable"}));
  service.arguments_ = Texts(At(value, {"arguments"}));
  service.working_directory_ = Text(At(value, {"working_directory"}));
  if (service.socket_.empty() || service.executable_.empty()) {
    return Fail(Code::kInternal, "JOURNAL_MALFORMED", "the journal does not tell the engine");
  }
  return service;
}

}  // namespace seaworthy::docker
