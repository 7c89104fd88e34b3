#include "bench/engine_audit.h"

#include <signal.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>

#include "bench/process.h"
#include "seaworthy/modules/docker/engine_audit.h"

namespace seaworthy::bench {

using docker::PrivateEngine;

namespace {

constexpr unsigned kMostSeconds = 60;

// A thread is told as a process is; it belongs to the process that it is of.
bool IsThreadOf(pid_t process, unsigned long task) {
  std::ifstream status("/proc/" + std::to_string(task) + "/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("Tgid:")) return std::stol(line.substr(5)) == process;
  }
  return false;
}

}  // namespace

EngineAudit::EngineAudit(int containers)
    : engine_(std::make_unique<PrivateEngine>("{}", std::vector<std::string>{"--iptables=false"})) {
  engine_->ImportBusybox();
  for (int i = 0; i < containers; ++i) engine_->Run("bench-" + std::to_string(i));
}

void EngineAudit::Whole() const {
  docker::EngineAuditOptions options;
  options.socket = engine_->socket();
  const auto report = Must(docker::AuditEngine(PrivateEngine::Soon(), options), "audit");
  if (report.engine.empty()) Give("audit: the engine did not answer");
}

int EngineAudit::ChildProcesses() const {
  const pid_t process = fork();
  if (process == 0) {
    alarm(kMostSeconds);
    ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
    raise(SIGSTOP);
    Whole();
    _exit(0);
  }
  int status = 0;
  waitpid(process, &status, 0);
  ptrace(PTRACE_SETOPTIONS, process, nullptr,
         PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE | PTRACE_O_EXITKILL);
  ptrace(PTRACE_CONT, process, nullptr, nullptr);
  int started = 0;
  while (waitpid(process, &status, __WALL) == process && WIFSTOPPED(status)) {
    const int event = status >> 16;
    unsigned long task = 0;
    if (event != 0) ptrace(PTRACE_GETEVENTMSG, process, nullptr, &task);
    if (task != 0) {
      if (event != PTRACE_EVENT_CLONE || !IsThreadOf(process, task)) ++started;
      const auto id = static_cast<pid_t>(task);
      waitpid(id, nullptr, __WALL);
      ptrace(PTRACE_DETACH, id, nullptr, nullptr);
    }
    ptrace(PTRACE_CONT, process, nullptr, event != 0 ? 0 : WSTOPSIG(status));
  }
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) Give("audit: it failed when it was traced");
  return started;
}

void EngineAudit::EnginesAnswers() const {
  const auto get = [this](const std::string& path) {
    return Must(engine_->api().Get(PrivateEngine::Soon(), path), path.c_str());
  };
  for (const char* const path : {"/version", "/info", "/networks", "/images/json",
                                 "/images/busybox/json", "/images/busybox/history"}) {
    get(path);
  }
  for (const auto& container : get("/containers/json?all=1")) {
    get("/containers/" + docker::Text(docker::At(container, {"Id"})) + "/json");
  }
}

}  // namespace seaworthy::bench
