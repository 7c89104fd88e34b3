// The audit of a real engine from the first question to the report.
#include "seaworthy/modules/docker/engine_audit.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <cstddef>
#include <set>

#include "engine_fixture.h"

namespace seaworthy::docker {
namespace {

using ::testing::Contains;
using ::testing::SizeIs;

AuditReport AuditOf(const PrivateEngine& engine) {
  EngineAuditOptions options;
  options.socket = engine.socket();
  Result<AuditReport> report = AuditEngine(PrivateEngine::Soon(), options);
  EXPECT_TRUE(report.ok()) << report.status();
  return *std::move(report);
}

std::set<std::string> FailsOf(const AuditReport& report, std::string_view check) {
  std::set<std::string> subjects;
  for (const ReportedFinding& finding : report.findings) {
    if (finding.check == check && finding.outcome == Outcome::kFail) {
      subjects.insert(finding.subject);
    }
  }
  return subjects;
}

// From here on the process dies when it starts another; threads are none.
bool StartNothingMore() {
  constexpr auto kNumber = static_cast<std::uint32_t>(offsetof(seccomp_data, nr));
  constexpr auto kFlags = static_cast<std::uint32_t>(offsetof(seccomp_data, args[0]));
  sock_filter program[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, kNumber),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_execve, 6, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_execveat, 5, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_fork, 4, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_vfork, 3, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 0, 3),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, kFlags),
      BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, CLONE_THREAD, 1, 0),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog filter = {.len = std::size(program), .filter = program};
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

class EngineAudit : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    engine_ = std::make_unique<PrivateEngine>(R"({"insecure-registries": ["10.0.0.0/8"]})",
                                              std::vector<std::string>{"--iptables=false"});
    engine_->ImportBusybox();
    engine_->Run("open", {{"HostConfig", {{"PidMode", "host"}}}});
    engine_->Run("confined", {{"User", "1000"},
                              {"HostConfig",
                               {{"ReadonlyRootfs", true},
                                {"Memory", 64 << 20},
                                {"PidsLimit", 16},
                                {"SecurityOpt", {"no-new-privileges:true"}}}}});
  }
  static void TearDownTestSuite() { engine_.reset(); }

  static inline std::unique_ptr<PrivateEngine> engine_;
};

TEST_F(EngineAudit, NamesWhatIsWrongAndNothingElse) {
  const AuditReport report = AuditOf(*engine_);
  EXPECT_EQ(report.engine.substr(0, 3), "20.");
  EXPECT_THAT(FailsOf(report, "5.16"), ::testing::ElementsAre("open"));
  EXPECT_THAT(FailsOf(report, "5.13"), ::testing::ElementsAre("open"));
  EXPECT_THAT(FailsOf(report, "5.26"), ::testing::ElementsAre("open"));
  EXPECT_THAT(FailsOf(report, "2.5"), SizeIs(1));
  EXPECT_THAT(FailsOf(report, "2.4"), SizeIs(1));  // on the command line alone
}

TEST_F(EngineAudit, StartsNoProgram) {
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    if (!StartNothingMore()) _exit(2);
    EngineAuditOptions options;
    options.socket = engine_->socket();
    const Result<AuditReport> report = AuditEngine(PrivateEngine::Soon(), options);
    _exit(report.ok() && !report->engine.empty() ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status)) << "killed by signal " << WTERMSIG(status);
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

// That the filter would tell.
TEST(StartNothingMore, KillsWhatStartsAnother) {
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    if (!StartNothingMore()) _exit(2);
    execl("/bin/true", "true", nullptr);
    _exit(3);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFSIGNALED(status));
}

}  // namespace
}  // namespace seaworthy::docker
