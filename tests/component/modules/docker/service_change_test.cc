// An engine planned, changed and brought back over the API, by the real program.
#include <gmock/gmock.h>
#include <sys/file.h>

#include <filesystem>

#include "engine_fixture.h"
#include "modules/docker/ask_hardener.h"
#include "seaworthy/modules/docker/hardener.h"
#include "service_fixture.h"
#include "support/status_matchers.h"

namespace seaworthy::docker {
namespace {

using ::testing::Contains;
using testing::Fails;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::IsOk;
using ::testing::Not;
using ::testing::SizeIs;
using ::testing::StartsWith;

constexpr char kBefore[] = R"({"labels": ["site=north"]})";

class DockerServiceChange : public DockerServiceTest {
 protected:
  static void SetUpTestSuite() { engine_ = std::make_unique<PrivateEngine>(kBefore); }
  static void TearDownTestSuite() { engine_.reset(); }

  void SetUp() override {
    DockerServiceTest::SetUp();
    std::ofstream(engine_->config()) << kBefore;
    WriteProfile("16");
  }

  // One that SIGHUP brings about.
  void WriteProfile(const std::string& downloads) const {
    std::ofstream(root_ / "trial.json")
        << R"({"name": "trial", "description": "What a test wants.", "settings": )"
        << R"([{"key": "max-concurrent-downloads", "value": )" << downloads
        << R"(, "why": "The test wants it."}]})";
  }

  HardenerCommand Command(const std::string& unit = "seaworthy-hardener@.service") const {
    return ConfinedAs(unit, {SEAWORTHY_HARDENER, "--engine", engine_->socket(), "--state",
                             root_ / "state", "--profiles", root_.path()});
  }

  static std::string Config() {
    std::ifstream file(engine_->config());
    return {std::istreambuf_iterator<char>(file), {}};
  }

  std::vector<Transaction> History() const { return HardeningHistory(root_ / "state").value(); }

  HardenerRequest ToApply() {
    EXPECT_EQ(Plan("trial"), "");
    HardenerRequest request;
    request.call = HardenerCall::kApply;
    request.profile = "trial";
    request.digest = planned_.digest();
    return request;
  }

  // The program in the midst of a transaction: it has begun to write.
  struct Amid {
    UniqueFd connection;
    pid_t program = -1;
  };
  Amid BeginToApply() {
    const HardenerRequest request = ToApply();
    auto [ours, its] = SocketPair();
    Amid amid{std::move(ours), StartHardener(Command(), its.get())};
    its.reset();
    EXPECT_THAT(SendLine(amid.connection.get(), PrivateEngine::Soon(), ToLine(request).value()),
                IsOk());
    LineReader lines(amid.connection.get(), kMaxHardenerAnswer);
    for (;;) {
      const auto line = lines.Next(PrivateEngine::Soon());
      EXPECT_THAT(line, IsOk());
      if (!line.ok() || line->find("\"write\"") != std::string::npos) break;
    }
    return amid;
  }

  static inline std::unique_ptr<PrivateEngine> engine_;
  HardenerProgram program_{path_, Command()};
};

TEST_F(DockerServiceChange, AppliesWhatWasSeenAndBringsBackWhatWasThere) {
  ASSERT_EQ(Plan("trial"), "");
  ASSERT_EQ(planned_.changes_size(), 1);
  EXPECT_EQ(planned_.changes(0).key(), "max-concurrent-downloads");
  EXPECT_EQ(planned_.changes(0).after(), "16");
  EXPECT_EQ(planned_.effect(), "reload");
  ASSERT_EQ(planned_.files_size(), 1);
  EXPECT_EQ(planned_.files(0).before().value(), kBefore);
  EXPECT_EQ(Config(), kBefore);

  const Followed applied = Apply("trial", planned_.digest());
  EXPECT_EQ(applied.error, "");
  ASSERT_THAT(applied.progress, SizeIs(::testing::Gt(2)));
  EXPECT_THAT(applied.progress.front().step().text(), Not(IsEmpty()));
  const v1::HardeningTransaction& done = applied.progress.back().transaction();
  EXPECT_EQ(done.result(), "applied");
  EXPECT_THAT(Config(), HasSubstr("16"));
  EXPECT_THAT(Audited(), HasSubstr("\"target\":\"trial\""));

  EXPECT_EQ(List(), "");
  ASSERT_EQ(listed_.transactions_size(), 1);
  EXPECT_EQ(listed_.transactions(0).SerializeAsString(), done.SerializeAsString());

  const Followed back = RollBack(done.id());
  EXPECT_EQ(back.error, "");
  EXPECT_EQ(back.progress.back().transaction().undoes(), done.id());
  EXPECT_EQ(Config(), kBefore);
  EXPECT_THAT(RollBack("20200101T000000Z-00000000").error, StartsWith("5 TRANSACTION_UNKNOWN"));
}

// M-110
TEST_F(DockerServiceChange, AnotherPlanThanTheOneSeenIsRefused) {
  ASSERT_EQ(Plan("trial"), "");
  WriteProfile("17");
  EXPECT_THAT(Apply("trial", planned_.digest()).error, StartsWith("10 PLAN_CHANGED"));
  EXPECT_EQ(Config(), kBefore);
  EXPECT_THAT(History(), IsEmpty());
}

TEST_F(DockerServiceChange, OneAtATime) {
  ASSERT_EQ(Plan("trial"), "");
  std::filesystem::create_directory(root_ / "state");
  std::filesystem::permissions(root_ / "state", std::filesystem::perms::owner_all);
  const UniqueFd lock(open((root_ / "state").c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  ASSERT_EQ(flock(lock.get(), LOCK_EX), 0);
  EXPECT_THAT(Apply("trial", planned_.digest()).error, StartsWith("14 HARDENING_BUSY"));
  EXPECT_EQ(Config(), kBefore);
}

// M-113: no engine is left half changed by who goes.
TEST_F(DockerServiceChange, IsGoneThroughWithWhenNobodyListensAnyMore) {
  Amid amid = BeginToApply();
  amid.connection.reset();
  EXPECT_EQ(ExitOf(amid.program), 1);  // the answer was taken by nobody
  ASSERT_THAT(History(), SizeIs(1));
  EXPECT_EQ(History()[0].result, "applied");
  EXPECT_THAT(Config(), HasSubstr("16"));
}

TEST_F(DockerServiceChange, AStopComesAfterTheTransaction) {
  const Amid amid = BeginToApply();
  kill(amid.program, SIGTERM);
  EXPECT_EQ(ExitOf(amid.program), 0);
  ASSERT_THAT(History(), SizeIs(1));
  EXPECT_EQ(History()[0].result, "applied");
}

TEST_F(DockerServiceChange, OneThatWasKilledIsSettled) {
  for (const std::string how : {"settle", "recover"}) {
    const std::size_t before = History().size();
    const Amid amid = BeginToApply();
    kill(amid.program, SIGKILL);
    EXPECT_EQ(ExitOf(amid.program), -1);
    EXPECT_THAT(History(), SizeIs(before));
    HardenerCommand command = Command("seaworthy-hardener-" + how + ".service");
    command.push_back("--" + how);
    EXPECT_EQ(ExitOf(StartHardener(command, amid.connection.get())), 0);
    ASSERT_THAT(History(), SizeIs(before + 1)) << how;
    EXPECT_EQ(History()[0].result, "restored");
    EXPECT_EQ(Config(), kBefore);
    // Again there is nothing.
    EXPECT_EQ(ExitOf(StartHardener(command, amid.connection.get())), 0);
    EXPECT_THAT(History(), SizeIs(before + 1));
  }
}

TEST_F(DockerServiceChange, LeavesAnEngineAloneThatNoUnitRuns) {
  HardenerOptions options;
  options.socket = engine_->socket();
  options.state = root_ / "state";
  options.profiles = root_.path();
  options.units_alone = true;
  const HardenerSocket listening(root_ / "s", [&](UniqueFd connection) {
    EXPECT_THAT(ServeHardenerRequest(connection.get(), options, std::chrono::seconds(10)),
                Not(IsOk()));
  });
  EXPECT_THAT(AskHardener(root_ / "s", PrivateEngine::Soon(), ToApply()),
              Fails(Code::kFailedPrecondition, "ENGINE_WITHOUT_UNIT"));
  EXPECT_EQ(Config(), kBefore);
}

}  // namespace
}  // namespace seaworthy::docker
