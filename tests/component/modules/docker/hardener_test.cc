// The privileged program, asked by the daemon's side and by one that was taken over.
#include "seaworthy/modules/docker/hardener.h"

#include <gmock/gmock.h>

#include <atomic>
#include <fstream>
#include <map>

#include "engine_fixture.h"
#include "hardener_program.h"
#include "modules/docker/ask_hardener.h"
#include "modules/docker/hardener_socket.h"
#include "support/program.h"
#include "support/status_matchers.h"

namespace seaworthy::docker {
namespace {

using testing::Fails;
using ::testing::HasSubstr;
using testing::IsOk;
using ::testing::Not;
using testing::OutputOf;

Deadline Soon() { return DeadlineIn(std::chrono::seconds(60)); }

// What the audit says of each check and subject.
std::map<std::pair<std::string, std::string>, Outcome> OutcomesOf(const AuditReport& report) {
  std::map<std::pair<std::string, std::string>, Outcome> outcomes;
  for (const ReportedFinding& finding : report.findings) {
    outcomes[{finding.check, finding.subject}] = finding.outcome;
  }
  return outcomes;
}

class HardenerTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    engine_ = std::make_unique<PrivateEngine>(R"({"insecure-registries": ["10.0.0.0/8"]})");
    engine_->ImportBusybox();
    engine_->Run("open", {{"HostConfig", {{"PidMode", "host"}}}});
  }
  static void TearDownTestSuite() { engine_.reset(); }

  HardenerCommand Command() const {
    return {SEAWORTHY_HARDENER, "--engine", engine_->socket(), "--state", root_ / "state"};
  }

  // What the program answers to these bytes, after which the other side sends no more.
  Status Answer(const std::string& bytes) const {
    auto [ours, its] = SocketPair();
    const pid_t pid = StartHardener(Command(), its.get());
    its.reset();
    std::thread sending([&, fd = ours.get()] {
      std::string_view rest = bytes;
      while (!rest.empty()) {
        const ssize_t sent = send(fd, rest.data(), rest.size(), MSG_NOSIGNAL);
        if (sent <= 0) break;
        rest.remove_prefix(static_cast<std::size_t>(sent));
      }
      shutdown(fd, SHUT_WR);
    });
    LineReader lines(ours.get(), kMaxHardenerAnswer);
    const auto line = lines.Next(Soon());
    sending.join();
    EXPECT_EQ(ExitOf(pid), 1);
    if (!line.ok()) return line.status();
    const auto message = ParseHardenerMessage(*line);
    EXPECT_THAT(message, IsOk());
    EXPECT_THAT(lines.Next(Soon()), Fails(Code::kUnavailable, "HARDENER_GONE"));
    return message->error;
  }

  AuditReport AuditBy(const HardenerCommand& command) const {
    const std::string path = root_ / "hardener.sock";
    const HardenerProgram listening(path, command);
    const auto answer = AskHardener(path, Soon(), {});
    unlink(path.c_str());
    EXPECT_THAT(answer, IsOk());
    const auto report = ParseAuditReport(answer.value_or(""));
    EXPECT_THAT(report, IsOk());
    return report.value_or(AuditReport());
  }

  static AuditReport AuditHere() {
    EngineAuditOptions options;
    options.socket = engine_->socket();
    return AuditEngine(Soon(), options).value();
  }

  static inline std::unique_ptr<PrivateEngine> engine_;
  const testing::TempRoot root_;
};

TEST_F(HardenerTest, AuditsAsWhoIsRootHere) {
  const AuditReport report = AuditBy(Command());
  EXPECT_EQ(report.socket, engine_->socket());
  EXPECT_EQ(OutcomesOf(report), OutcomesOf(AuditHere()));
}

// M-112
TEST_F(HardenerTest, NeedsNoOtherCapabilitiesThanItsUnitHas) {
  const auto all = OutcomesOf(AuditHere());
  EXPECT_EQ(OutcomesOf(AuditBy(ConfinedAs("seaworthy-hardener@.service", Command()))), all);
  // With none it sees less.
  EXPECT_NE(OutcomesOf(AuditBy(ConfinedAs("seaworthy-hardener-recover.service", Command()))), all);
}

TEST_F(HardenerTest, JudgesByTheSitesPolicy) {
  std::ofstream(root_ / "policy.json") << R"({"insecure_registries": ["10.0.0.0/8"]})";
  HardenerOptions options;
  options.socket = engine_->socket();
  options.site_policy = root_ / "policy.json";
  const HardenerSocket listening(root_ / "s", [&](UniqueFd connection) {
    EXPECT_THAT(ServeHardenerRequest(connection.get(), options, std::chrono::seconds(10)), IsOk());
  });
  const auto report = ParseAuditReport(AskHardener(root_ / "s", Soon(), {}).value());
  ASSERT_THAT(report, IsOk());
  EXPECT_EQ(OutcomesOf(*report).at({"2.5", ""}), Outcome::kPass);
  EXPECT_NE(OutcomesOf(AuditHere()), OutcomesOf(*report));
}

TEST_F(HardenerTest, APolicyThatIsNoneIsToldWithItsPath) {
  std::ofstream(root_ / "policy.json") << "{";
  HardenerOptions options;
  options.site_policy = root_ / "policy.json";
  const HardenerSocket listening(root_ / "s", [&](UniqueFd connection) {
    EXPECT_THAT(ServeHardenerRequest(connection.get(), options, std::chrono::seconds(10)),
                Not(IsOk()));
  });
  const auto refused = AskHardener(root_ / "s", Soon(), {});
  EXPECT_THAT(refused, Fails(Code::kInvalidArgument, "SITE_POLICY_MALFORMED"));
  EXPECT_THAT(Message(refused.status()), HasSubstr("policy.json"));
}

// M-111
TEST_F(HardenerTest, RefusesWhatIsNoRequest) {
  const auto malformed = Fails(Code::kInvalidArgument, "HARDENER_REQUEST_MALFORMED");
  EXPECT_THAT(Answer("x\n"), malformed);
  EXPECT_THAT(Answer("{\"call\":\"audit\"}\n{\"call\":\"audit\"}\n"), malformed);
  EXPECT_THAT(Answer("{\"call\":\"audit\",\"root\":\"/\"}\n"), malformed);
  EXPECT_THAT(Answer(std::string(2 * kMaxHardenerRequest, ' ')),
              Fails(Code::kResourceExhausted, "HARDENER_LINE_TOO_LONG"));
  EXPECT_THAT(Answer("{\"call\":\"audit\"}").code(), Code::kUnavailable);  // no end of the line
}

TEST_F(HardenerTest, WhoGoesLeavesNothingBehind) {
  auto [ours, its] = SocketPair();
  const pid_t pid = StartHardener(Command(), its.get());
  its.reset();
  EXPECT_THAT(SendLine(ours.get(), Soon(), R"({"call":"audit"})"), IsOk());
  ours.reset();
  EXPECT_EQ(ExitOf(pid), 1);  // and no signal
}

TEST_F(HardenerTest, WaitsNoLongerThanItsPatience) {
  const auto [ours, its] = SocketPair();
  const std::chrono::milliseconds patience(50);
  EXPECT_THAT(ServeHardenerRequest(its.get(), {}, patience),
              Fails(Code::kDeadlineExceeded, "HARDENER_TIMEOUT"));
  // Nor for one that sends a byte now and then.
  const auto [slow, served] = SocketPair();
  std::atomic<bool> ended = false;
  std::thread trickle([&, fd = slow.get()] {
    while (!ended && send(fd, " ", 1, MSG_NOSIGNAL) == 1) poll(nullptr, 0, 5);
  });
  EXPECT_THAT(ServeHardenerRequest(served.get(), {}, patience),
              Fails(Code::kDeadlineExceeded, "HARDENER_TIMEOUT"));
  ended = true;
  trickle.join();
}

TEST_F(HardenerTest, WhoDoesNotTakeTheAnswerIsCutOff) {
  HardenerOptions options;
  options.socket = engine_->socket();
  const auto [ours, its] = SocketPair();
  const int small = 1;  // the kernel makes it the least that it has
  ASSERT_EQ(setsockopt(its.get(), SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)), 0);
  EXPECT_THAT(SendLine(ours.get(), Soon(), R"({"call":"audit"})"), IsOk());
  EXPECT_THAT(ServeHardenerRequest(its.get(), options, std::chrono::milliseconds(200)),
              Fails(Code::kDeadlineExceeded, "HARDENER_TIMEOUT"));
}

TEST_F(HardenerTest, LinksNeitherGrpcNorTheTpm) {
  const auto output = OutputOf("ldd " SEAWORTHY_HARDENER);
  ASSERT_EQ(output.status, 0);
  EXPECT_THAT(output.text, HasSubstr("libc.so"));
  for (const char* const library : {"grpc", "protobuf", "tss2", "cryptsetup"}) {
    EXPECT_THAT(output.text, Not(HasSubstr(library)));
  }
}

TEST_F(HardenerTest, StartedByHandItSaysWhoStartsIt) {
  for (const std::string how : {" </dev/null", " --help", " --recover --engine", " --root /"}) {
    const auto output = OutputOf(SEAWORTHY_HARDENER + how + " 2>&1");
    EXPECT_EQ(WEXITSTATUS(output.status), 2) << how;
    EXPECT_THAT(output.text, HasSubstr("seaworthy-hardener.socket"));
  }
}

TEST(HardenerSocketTest, TellsThatNobodyListens) {
  const testing::TempRoot root;
  const auto missing = Fails(Code::kUnavailable, "HARDENER_MISSING");
  EXPECT_THAT(AskHardener(root / "s", Soon(), {}), missing);
  {
    const HardenerSocket gone(root / "s", [](UniqueFd) {});
  }
  EXPECT_THAT(AskHardener(root / "s", Soon(), {}), missing);
}

TEST(HardenerSocketTest, TellsThatItEndedWithoutAnAnswer) {
  const testing::TempRoot root;
  const HardenerSocket listening(root / "s", [](UniqueFd connection) {
    LineReader lines(connection.get(), kMaxHardenerRequest);
    static_cast<void>(lines.Next(Soon()));
    TrySendLine(connection.get(), StepLine(R"({"name":"write","text":""})"));
  });
  int steps = 0;
  HardenerListener listener;
  listener.step = [&](const std::string&) -> Status {
    ++steps;
    return {};
  };
  EXPECT_THAT(AskHardener(root / "s", Soon(), {}, listener),
              Fails(Code::kUnavailable, "HARDENER_GONE"));
  EXPECT_EQ(steps, 1);
}

}  // namespace
}  // namespace seaworthy::docker
