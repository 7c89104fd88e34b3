#include "bench/process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>

namespace seaworthy::bench {
namespace {

double Seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

}  // namespace

void Give(const std::string& why) {
  std::fprintf(stderr, "seaworthy_bench: %s\n", why.c_str());
  std::exit(1);
}

pid_t Start(const std::vector<std::string>& argv, const std::vector<std::string>& variables,
            const std::string& log) {
  std::vector<char*> arguments;
  for (const std::string& argument : argv) {
    arguments.push_back(const_cast<char*>(argument.c_str()));
  }
  arguments.push_back(nullptr);
  std::vector<char*> environment;
  for (char** variable = environ; *variable != nullptr; ++variable) {
    environment.push_back(*variable);
  }
  for (const std::string& variable : variables) {
    environment.push_back(const_cast<char*>(variable.c_str()));
  }
  environment.push_back(nullptr);
  const pid_t pid = fork();
  if (pid < 0) Give("fork: " + std::string(std::strerror(errno)));
  if (pid > 0) return pid;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  const int output = open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  dup2(output, STDOUT_FILENO);
  dup2(output, STDERR_FILENO);
  execvpe(arguments[0], arguments.data(), environment.data());
  _exit(127);
}

double Run(const std::vector<std::string>& argv, const std::vector<std::string>& variables,
           const std::string& log) {
  const pid_t pid = Start(argv, variables, log);
  int status = 0;
  rusage usage = {};
  wait4(pid, &status, 0, &usage);
  if (status == 0) return Seconds(usage.ru_utime) + Seconds(usage.ru_stime);
  std::ifstream file(log);
  Give(argv[0] + " failed:\n" + std::string(std::istreambuf_iterator<char>(file), {}));
}

}  // namespace seaworthy::bench
