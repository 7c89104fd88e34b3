#include "modules/docker/hardening/validate.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <vector>

#include "seaworthy/directory.h"
#include "seaworthy/handle.h"
#include "seaworthy/json/foreign_json.h"
#include "seaworthy/plain_text.h"
#include "seaworthy/status_macros.h"

namespace seaworthy::docker {
namespace {

constexpr const char* kFile = "validate.json";
constexpr std::size_t kMaxWords = 2048;
constexpr std::chrono::seconds kPatience{20};

// Those of the engine, but for the file.
std::vector<std::string> Arguments(const EngineProcess& engine, const std::string& file) {
  std::vector<std::string> arguments = {engine.executable};
  for (std::size_t i = 0; i < engine.arguments.size(); ++i) {
    const std::string& argument = engine.arguments[i];
    if (argument == "--config-file") {
      ++i;
    } else if (!argument.starts_with("--config-file=")) {
      arguments.push_back(argument);
    }
  }
  arguments.insert(arguments.end(), {"--config-file", file, "--validate"});
  return arguments;
}

struct Said {
  int status = -1;  // as waitpid gives it
  std::string words;
};

// Reads until the program has closed its end, or the time is over: then it is killed.
Said Listen(Deadline deadline, pid_t pid, int pipe) {
  Said said;
  char buffer[4096];
  for (;;) {
    pollfd ready = {.fd = pipe, .events = POLLIN, .revents = 0};
    const int got = poll(&ready, 1, static_cast<int>(TimeLeft(deadline).count()));
    if (got < 0 && errno == EINTR) continue;
    const ssize_t size = got == 1 ? read(pipe, buffer, sizeof(buffer)) : -1;
    if (size <= 0) break;
    const std::size_t room = kMaxWords - said.words.size();
    said.words.append(buffer, std::min(static_cast<std::size_t>(size), room));
  }
  if (TimeLeft(deadline).count() == 0) kill(pid, SIGKILL);
  while (waitpid(pid, &said.status, 0) < 0 && errno == EINTR) {
  }
  return said;
}

Result<Said> RunProgram(Deadline deadline, std::vector<std::string> arguments) {
  int ends[2] = {-1, -1};
  if (pipe2(ends, O_CLOEXEC) != 0) return FromErrno(errno, "pipe");
  const UniqueFd reading(ends[0]);
  UniqueFd writing(ends[1]);
  std::vector<char*> pointers;
  for (std::string& argument : arguments) pointers.push_back(argument.data());
  pointers.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, writing.get(), STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, writing.get(), STDERR_FILENO);
  pid_t pid = 0;
  const int error = posix_spawn(&pid, pointers[0], &actions, nullptr, pointers.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) return FromErrno(error, "start " + arguments[0]);
  writing.reset();
  return Listen(deadline, pid, reading.get());
}

}  // namespace

Status ValidateByEngine(Deadline deadline, const EngineProcess& engine, const std::string& text,
                        const std::string& folder) {
  ASSIGN_OR_RETURN(const Directory directory, Directory::Create(folder));
  RETURN_IF_ERROR(directory.Replace(kFile, AsBytes(text)));
  const Result<Said> said = RunProgram(std::min(deadline, DeadlineIn(kPatience)),
                                       Arguments(engine, folder + "/" + kFile));
  RETURN_IF_ERROR(directory.Remove(kFile));
  RETURN_IF_ERROR(said.status());
  if (WIFEXITED(said->status) && WEXITSTATUS(said->status) == 0) return {};
  return Fail(Code::kInvalidArgument, "ENGINE_REFUSES_CONFIG",
              engine.executable + " --validate: " + ToPlainText(said->words));
}

}  // namespace seaworthy::docker
