// A dockerd of its own, with a root, a socket and a daemon.json in a folder that goes with it.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "modules/docker/engine_api.h"
#include "modules/docker/engine_json.h"
#include "modules/docker/engine_process.h"
#include "modules/docker/facts.h"
#include "seaworthy/handle.h"
#include "support/temp_root.h"

namespace seaworthy::docker {

// An archive (ustar) with one program in it, under its own name and as "sh".
inline std::string BusyboxArchive() {
  std::ifstream file("/bin/busybox", std::ios::binary);
  std::stringstream content;
  content << file.rdbuf();
  const auto header = [](const char* name, const char* link, std::size_t size, char type) {
    char block[512] = {};
    std::snprintf(block, 100, "%s", name);
    std::snprintf(block + 100, 8, "0000755");
    std::snprintf(block + 108, 8, "0000000");
    std::snprintf(block + 116, 8, "0000000");
    std::snprintf(block + 124, 12, "%011zo", size);
    std::snprintf(block + 136, 12, "00000000000");
    std::memset(block + 148, ' ', 8);
    block[156] = type;
    std::snprintf(block + 157, 100, "%s", link);
    std::memcpy(block + 257, "ustar\00000", 8);
    unsigned sum = 0;
    for (const char c : block) sum += static_cast<unsigned char>(c);
    std::snprintf(block + 148, 7, "%06o", sum);
    return std::string(block, sizeof(block));
  };
  const std::string program = content.str();
  std::string archive = header("bin/busybox", "", program.size(), '0') + program;
  archive.resize((archive.size() + 511) / 512 * 512, '\0');
  for (const char* const name : {"bin/sh", "bin/sleep", "bin/sshd"}) {
    archive += header(name, "busybox", 0, '2');
  }
  return archive + std::string(1024, '\0');
}

class PrivateEngine {
 public:
  // `flags` follow what gives it a place of its own and leaves the host's network alone.
  explicit PrivateEngine(const std::string& daemon_json = "{}",
                         const std::vector<std::string>& flags = {}) {
    std::ofstream(config()) << daemon_json;
    Start(flags);
  }
  ~PrivateEngine() { Stop(); }
  PrivateEngine(const PrivateEngine&) = delete;
  PrivateEngine& operator=(const PrivateEngine&) = delete;

  std::string socket() const { return root_ / "docker.sock"; }
  std::string config() const { return root_ / "daemon.json"; }
  std::string log() const { return root_ / "log"; }
  pid_t pid() const { return pid_; }
  const testing::TempRoot& root() const { return root_; }
  EngineApi& api() { return api_; }
  static Deadline Soon() { return DeadlineIn(std::chrono::seconds(60)); }

  Facts facts() const {
    Result<Facts> facts = CollectFacts(Soon(), {.socket = socket()});
    EXPECT_TRUE(facts.ok()) << facts.status();
    return *std::move(facts);
  }

  void Start(const std::vector<std::string>& flags = {}) {
    // Two engines that set up the firewall at once fail.
    const UniqueFd firewall(open("/tmp/seaworthy-engine.lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    if (std::ranges::find(flags, "--iptables=false") == flags.end()) flock(firewall.get(), LOCK_EX);
    std::vector<std::string> arguments = {
        "dockerd", "--data-root",        root_ / "data", "--exec-root", root_ / "exec",
        "-H",      "unix://" + socket(), "--pidfile",    root_ / "pid", "--config-file",
        config(),  "--bridge=none"};
    arguments.insert(arguments.end(), flags.begin(), flags.end());
    std::vector<char*> pointers;
    for (std::string& argument : arguments) pointers.push_back(argument.data());
    pointers.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, log().c_str(),
                                     O_WRONLY | O_CREAT | O_APPEND, 0600);
    posix_spawn_file_actions_adddup2(&actions, STDOUT_FILENO, STDERR_FILENO);
    ASSERT_EQ(posix_spawnp(&pid_, "dockerd", &actions, nullptr, pointers.data(), environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    const Deadline deadline = Soon();
    while (!api_.Ping(deadline).ok()) {
      ASSERT_GT(TimeLeft(deadline).count(), 0) << Log();
      ASSERT_EQ(waitpid(pid_, nullptr, WNOHANG), 0) << Log();
      poll(nullptr, 0, 20);
    }
  }

  // The one that was started here, and whoever has taken its place at the socket.
  void Stop() {
    // It may have been ended, and waited for, by what is tested.
    if (pid_ > 0 && waitpid(pid_, nullptr, WNOHANG) == 0) {
      End(pid_);
      waitpid(pid_, nullptr, 0);
    }
    pid_ = 0;
    while (const pid_t other = Running()) End(other);
  }

  // The process that has the socket now; 0: none.
  pid_t Running() const {
    const Result<EngineProcess> found = FindEngineProcess("/proc", socket());
    return found.ok() ? found->pid : 0;
  }

  std::string Log() const {
    std::ifstream file(log());
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
  }

  // The image "busybox:latest", of this machine's busybox-static.
  void ImportBusybox() {
    const auto imported = api_.PostRaw(Soon(), "/images/create?fromSrc=-&repo=busybox&tag=latest",
                                       "application/x-tar", BusyboxArchive());
    ASSERT_TRUE(imported.ok()) << imported.status();
  }

  // Its id. `spec` is what the Engine API takes; image and command are given where it has none.
  std::string Run(const std::string& name, nlohmann::json spec = nlohmann::json::object()) {
    if (!spec.contains("Image")) spec["Image"] = "busybox:latest";
    if (!spec.contains("Cmd")) spec["Cmd"] = {"/bin/sleep", "3600"};
    // The first process of a container is deaf to SIGTERM.
    if (!spec.contains("StopSignal")) spec["StopSignal"] = "SIGKILL";
    const auto made = api_.Post(Soon(), "/containers/create?name=" + name, spec);
    EXPECT_TRUE(made.ok()) << made.status();
    if (!made.ok()) return "";
    const std::string id = Text(At(*made, {"Id"}));
    const auto started = api_.Post(Soon(), "/containers/" + id + "/start");
    EXPECT_TRUE(started.ok()) << started.status();
    return id;
  }

 private:
  static void End(pid_t pid) {
    const UniqueFd process(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
    pollfd ended = {.fd = process.get(), .events = POLLIN, .revents = 0};
    kill(pid, SIGTERM);
    if (poll(&ended, 1, static_cast<int>(TimeLeft(Soon()).count())) != 1) kill(pid, SIGKILL);
  }

  const testing::TempRoot root_;
  EngineApi api_{root_ / "docker.sock"};
  pid_t pid_ = 0;
};

}  // namespace seaworthy::docker
