// The program itself: signals, systemd's protocol, exit statuses.
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <cstring>
#include <filesystem>
#include <thread>

#include "app_fixture.h"

namespace seaworthy::app {
namespace {

using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using ::testing::StartsWith;

class Daemon : public AppTest {
 protected:
  void SetUp() override {
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, notify_.c_str(), sizeof(address.sun_path) - 1);
    notify_fd_.reset(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    ASSERT_EQ(bind(notify_fd_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)),
              0);
    WriteConfig("");
  }
  void TearDown() override {
    if (pid_ <= 0) return;
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }

  void WriteConfig(const std::string& more) {
    std::ofstream(file_) << "[node]\nstate_dir = \"" << config_.node.state_dir
                         << "\"\n[tpm]\ntcti = \"" << config_.tpm.tcti
                         << "\"\n[local]\nadmin_socket = \"" << config_.local.admin_socket
                         << "\"\nread_socket = \"" << config_.local.read_socket
                         << "\"\nread_group = \"\"\n[audit]\nfile = \"" << config_.audit.file
                         << "\"\n"
                         << more;
  }

  void Run(const std::vector<std::string>& arguments) {
    pid_ = fork();
    if (pid_ != 0) return;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    setenv("NOTIFY_SOCKET", notify_.c_str(), 1);
    setenv("WATCHDOG_USEC", "400000", 1);
    const int out = open(log_.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    dup2(out, STDOUT_FILENO);
    dup2(out, STDERR_FILENO);
    std::vector<char*> argv = {const_cast<char*>(SEAWORTHYD)};
    for (const std::string& argument : arguments)
      argv.push_back(const_cast<char*>(argument.c_str()));
    argv.push_back(nullptr);
    execv(SEAWORTHYD, argv.data());
    _exit(127);
  }

  void StartDaemon() {
    Run({"--config", file_});
    ASSERT_EQ(Notified("READY"), "READY=1\nSTATUS=serving") << Log();
    admin_ = OpenChannel("unix:" + config_.local.admin_socket);
    reader_ = OpenChannel("unix:" + config_.local.read_socket);
  }

  // The next message to systemd that begins so; others are skipped.
  std::string Notified(const std::string& prefix) {
    for (;;) {
      pollfd ready = {notify_fd_.get(), POLLIN, 0};
      if (poll(&ready, 1, 20'000) != 1) return "nothing came";
      char buffer[512];
      const ssize_t size = recv(notify_fd_.get(), buffer, sizeof(buffer), 0);
      const std::string text(buffer, static_cast<std::size_t>(size));
      if (text.starts_with(prefix)) return text;
    }
  }

  int ExitStatus() {
    int status = 0;
    EXPECT_EQ(waitpid(pid_, &status, 0), pid_);
    pid_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
  }

  std::string Log() const {
    std::ifstream file(log_);
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  }

  const std::string file_ = root_ / "seaworthyd.toml";
  const std::string log_ = root_ / "log.txt";
  const std::string notify_ = root_ / "notify";
  UniqueFd notify_fd_;
  pid_t pid_ = -1;
};

TEST_F(Daemon, TermEndsItCleanly) {
  StartDaemon();
  EXPECT_EQ(GetStatus(admin_).caller_role(), v1::ADMIN);
  const auto begun = std::chrono::steady_clock::now();
  kill(pid_, SIGTERM);
  EXPECT_THAT(Notified("STOPPING"), StartsWith("STOPPING=1"));
  EXPECT_EQ(ExitStatus(), 0) << Log();
  // Our idle connection does not hold it up.
  EXPECT_LT(std::chrono::steady_clock::now() - begun, seconds(3));
  EXPECT_FALSE(std::filesystem::exists(config_.local.admin_socket));
}

TEST_F(Daemon, TermLetsACallUnderWayFinish) {
  StartDaemon();
  ASSERT_TRUE(CreateKey(admin_, "tls").status.ok());
  tpm_.Pause();
  std::thread client([&] {
    const grpc::Status status = Sign(admin_, "tls", seconds(9)).status;
    EXPECT_TRUE(status.ok()) << status.error_message();
  });
  // The call is under way when its begin is in the audit, behind the two of CreateKey.
  EXPECT_TRUE(Eventually([&] { return Audited().size() == 3; }));
  kill(pid_, SIGTERM);
  Notified("STOPPING");
  tpm_.Resume();
  client.join();
  EXPECT_EQ(ExitStatus(), 0) << Log();
}

TEST_F(Daemon, FeedsTheWatchdog) {
  StartDaemon();
  EXPECT_EQ(Notified("WATCHDOG"), "WATCHDOG=1");
  EXPECT_EQ(Notified("WATCHDOG"), "WATCHDOG=1");
}

TEST_F(Daemon, HupTakesOverWhatCanChangeAndNamesWhatCannot) {
  StartDaemon();
  std::filesystem::rename(config_.audit.file, config_.audit.file + ".1");
  WriteConfig("[log]\nlevel = \"debug\"\n[limits]\nmax_concurrent_calls = 16\n");
  kill(pid_, SIGHUP);
  EXPECT_THAT(Notified("RELOADING"), MatchesRegex("RELOADING=1\nMONOTONIC_USEC=[0-9]+"));
  EXPECT_EQ(Notified("READY"), "READY=1\nSTATUS=serving");
  EXPECT_THAT(Log(), HasSubstr("the change of limits needs a restart"));
  ASSERT_TRUE(CreateKey(admin_, "tls").status.ok());
  EXPECT_EQ(Audited().size(), 2U);  // in the new file
}

TEST_F(Daemon, HupWithABadFileKeepsTheOldConfiguration) {
  StartDaemon();
  WriteConfig("[api]\nreflection = 3\nfoo = 1\n");
  kill(pid_, SIGHUP);
  Notified("RELOADING");
  EXPECT_THAT(Notified("READY"), HasSubstr("the last reload failed"));
  EXPECT_THAT(Log(), HasSubstr(file_ + ":12: api.reflection must be true or false"));
  EXPECT_THAT(Log(), HasSubstr(file_ + ":13: api.foo is not a known key"));
  EXPECT_EQ(GetStatus(admin_).caller_role(), v1::ADMIN);
}

TEST_F(Daemon, ComesBackAfterAKill) {
  StartDaemon();
  ASSERT_TRUE(CreateKey(admin_, "tls").status.ok());
  kill(pid_, SIGKILL);
  EXPECT_EQ(ExitStatus(), 1000 + SIGKILL);
  ASSERT_TRUE(std::filesystem::exists(config_.local.admin_socket));
  StartDaemon();
  EXPECT_TRUE(Eventually([&] { return Sign(admin_, "tls").status.ok(); }));
}

TEST_F(Daemon, CheckTellsFileAndLine) {
  Run({"--config", file_, "--check"});
  EXPECT_EQ(ExitStatus(), 0);
  EXPECT_EQ(Log(), file_ + ": good\n");
  WriteConfig("[apis]\n");
  Run({"--config", file_, "--check"});
  EXPECT_EQ(ExitStatus(), 78);
  EXPECT_EQ(Log(), file_ + ":11: apis is not a known key\n");
}

TEST_F(Daemon, BadConfigurationAndUsageHaveTheirExitStatuses) {
  Run({"--config", root_ / "absent.toml"});
  EXPECT_EQ(ExitStatus(), 78);
  EXPECT_THAT(Log(), HasSubstr("absent.toml"));
  Run({"--bogus"});
  EXPECT_EQ(ExitStatus(), 2);
  Run({"surplus"});
  EXPECT_EQ(ExitStatus(), 2);
  Run({"--help"});
  EXPECT_EQ(ExitStatus(), 0);
  EXPECT_THAT(Log(), HasSubstr("--config"));
}

TEST_F(Daemon, StateInUseIsSaidAndEndsTheSecond) {
  StartDaemon();
  const pid_t first = pid_;
  Run({"--config", file_});
  EXPECT_EQ(ExitStatus(), 1);
  EXPECT_THAT(Log(), HasSubstr("STATE_DIR_IN_USE"));
  EXPECT_THAT(Log(), HasSubstr("process " + std::to_string(first)));
  pid_ = first;
}

}  // namespace
}  // namespace seaworthy::app
