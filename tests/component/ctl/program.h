// Programs started for a test, and what came of them.
#pragma once

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "support/temp_root.h"

namespace seaworthy::testing {

// Starts `arguments[0]`, found in PATH, with its output in files; -1 when it cannot.
inline pid_t Start(const std::vector<std::string>& arguments, const std::string& out_file,
                   const std::string& err_file) {
  std::vector<char*> argv;
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  constexpr int kWrite = O_WRONLY | O_CREAT | O_TRUNC;
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, out_file.c_str(), kWrite, 0600);
  posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, err_file.c_str(), kWrite, 0600);
  pid_t pid = -1;
  if (posix_spawnp(&pid, argv[0], &actions, nullptr, argv.data(), environ) != 0) pid = -1;
  posix_spawn_file_actions_destroy(&actions);
  return pid;
}

inline std::string Content(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

struct Ran {
  int exit = -1;  // -1: did not start, or was killed
  std::string out;
  std::string err;
};

inline Ran RunProgram(const std::vector<std::string>& arguments) {
  const TempRoot root;
  const pid_t pid = Start(arguments, root / "out", root / "err");
  int status = 0;
  Ran ran;
  if (pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status)) {
    ran.exit = WEXITSTATUS(status);
  }
  ran.out = Content(root / "out");
  ran.err = Content(root / "err");
  return ran;
}

}  // namespace seaworthy::testing
