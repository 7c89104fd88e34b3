// What becomes of files that somebody edits after they were hardened.
#include "seaworthy/modules/docker/drift.h"

#include <sys/socket.h>
#include <sys/un.h>

#include "component/modules/docker/hardening/hardening_fixture.h"
#include "component/modules/docker/watching.h"
#include "support/program.h"

namespace seaworthy::docker {
namespace {

using nlohmann::json;
using Kind = EngineEvent::Kind;
using std::chrono::minutes;
using std::chrono::seconds;
using ::testing::HasSubstr;
using ::testing::SizeIs;

class Drift : public HardeningTest {
 protected:
  void SetUp() override { std::filesystem::create_directory(profiles()); }

  std::string profiles() const { return engine_.root() / "profiles"; }

  void WriteProfile(const std::string& settings, bool reapply = true) const {
    json profile = json::parse(Profile(settings));
    profile["reapply"] = reapply;
    std::ofstream(profiles() + "/trial.json") << profile;
  }

  // Applied, and found by its name later.
  Transaction Harden(const std::string& settings) {
    WriteProfile(settings);
    const Result<Transaction> done = Apply(Options(settings));
    EXPECT_TRUE(done.ok() && done->result == "applied")
        << done.status() << (done.ok() ? ToJson(*done) : "");
    return done.value_or(Transaction());
  }

  // Looks of its own accord at nothing within a test.
  DriftOptions Watch(bool reapply, std::chrono::milliseconds pause = {}) const {
    DriftOptions options;
    options.watch.socket = engine_.socket();
    options.watch.period = minutes(30);
    options.watch.patience = seconds(60);
    options.state = state();
    options.profiles = profiles();
    options.reapply = reapply;
    options.pause = pause;
    options.patience = seconds(30);
    return options;
  }

  // In one step, as most editors do.
  void Edit(const std::string& text) const {
    std::ofstream(engine_.root() / "new.json") << text;
    std::filesystem::rename(engine_.root() / "new.json", engine_.config());
  }

  // The watch looks at what is there now: it has seen a mode change, and another after it. Never a
  // mode from shortly before: what changes back before it is looked at has not changed.
  void HaveItLook(Watching& watching) {
    constexpr std::filesystem::perms kModes[] = {
        std::filesystem::perms(0600), std::filesystem::perms(0640), std::filesystem::perms(0604),
        std::filesystem::perms(0400), std::filesystem::perms(0440), std::filesystem::perms(0404)};
    for (int seen = 0; seen < 2 && !HasFailure();) {
      std::filesystem::permissions(engine_.config(), kModes[modes_++ % std::size(kModes)]);
      const EngineEvent event = watching.Next(Kind::kConfiguration);
      if (event.text.find("mode") != std::string::npos) ++seen;
    }
  }

  std::size_t modes_ = 0;
};

TEST_F(Drift, IsToldAsItHappens) {
  const Transaction done = Harden(Setting("debug", "true"));
  const auto left = ConfigText().value();
  Watching watching(Watch(false));
  watching.Next(Kind::kAudit);
  const auto begin = std::chrono::steady_clock::now();
  Edit("{}");
  const EngineEvent drift = watching.Next(Kind::kDrift);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, seconds(5));
  EXPECT_EQ(drift.path, engine_.config());
  EXPECT_EQ(drift.transaction, done.id);
  EXPECT_EQ(drift.sha256, testing::OutputOf("sha256sum " + engine_.config()).text.substr(0, 64));
  EXPECT_EQ(json::parse(ToJson(drift))["transaction"], done.id);
  HaveItLook(watching);
  EXPECT_EQ(watching.Count(Kind::kDrift), 1);  // once for what it is now
  Edit(left);
  HaveItLook(watching);
  EXPECT_EQ(watching.Count(Kind::kDrift), 1);
  std::filesystem::permissions(engine_.config(), std::filesystem::perms(0666));
  EXPECT_THAT(watching.Next(Kind::kDrift).text, HasSubstr("mode"));
  std::filesystem::remove(engine_.config());
  EXPECT_THAT(watching.Next(Kind::kDrift).text, HasSubstr("gone"));
  std::filesystem::create_symlink("/etc/passwd", engine_.config());
  EXPECT_THAT(watching.Next(Kind::kDrift).text, HasSubstr("cannot be read"));
  EXPECT_EQ(watching.Count(Kind::kReapplied) + watching.Count(Kind::kReapplyRefused), 0);
  EXPECT_THAT(History(), SizeIs(1));
}

// M-118
TEST_F(Drift, IsUndoneUnderTheContainers) {
  StartContainer();
  Harden(Setting("debug", "true") + ", " + Setting("log-driver", R"("local")"));
  const json left = Config();
  // The engine has taken a part of it over.
  std::ofstream(engine_.config()) << R"({"debug": false, "labels": ["site=north"]})";
  kill(engine_.Running(), SIGHUP);
  const Deadline deadline = PrivateEngine::Soon();
  while (Info()["Debug"] == true) ASSERT_GT(TimeLeft(deadline).count(), 0) << engine_.Log();
  const pid_t before = engine_.Running();
  Watching watching(Watch(true));
  const EngineEvent reapplied = watching.Next(Kind::kReapplied);
  EXPECT_EQ(reapplied.result, "applied");
  EXPECT_EQ(reapplied.transaction, History().front().id);
  EXPECT_EQ(Config(), left);
  EXPECT_EQ(Info()["Debug"], true);
  EXPECT_EQ(Info()["LoggingDriver"], "local");
  EXPECT_NE(engine_.Running(), before);
  ExpectKept();
  watching.Next(Kind::kRestarted);
  HaveItLook(watching);
  EXPECT_EQ(watching.Count(Kind::kReapplied), 1);
  EXPECT_EQ(watching.Count(Kind::kDrift), 1);
}

TEST_F(Drift, OfWhatTheProfileDoesNotNameStays) {
  Harden(Setting("debug", "true"));
  Watching watching(Watch(true));
  watching.Next(Kind::kAudit);
  Edit(R"({"debug": false, "max-concurrent-uploads": 3})");
  EngineEvent reapplied = watching.Next(Kind::kReapplied);
  EXPECT_EQ(reapplied.result, "applied");
  EXPECT_THAT(reapplied.text, HasSubstr("stays as it was edited"));
  EXPECT_EQ(Config(), json({{"debug", true}, {"max-concurrent-uploads", 3}}));
  Edit(R"({"debug": true, "max-concurrent-uploads": 4})");
  reapplied = watching.Next(Kind::kReapplied);
  EXPECT_EQ(reapplied.result, "unchanged");
  EXPECT_EQ(reapplied.transaction, "");
  HaveItLook(watching);
  EXPECT_EQ(watching.Count(Kind::kReapplied), 2);
  EXPECT_EQ(Config()["max-concurrent-uploads"], 4);
  EXPECT_THAT(History(), SizeIs(2));
}

TEST_F(Drift, WhatIsUndoneIsNotTriedAgain) {
  StartContainer();
  Harden(Setting("debug", "true"));
  WriteProfile(Setting("dns", R"(["nowhere"])"));  // the engine does not start with it
  Watching watching(Watch(true));
  watching.Next(Kind::kAudit);
  Edit(R"({"debug": false})");
  const EngineEvent refused = watching.Next(Kind::kReapplyRefused);
  EXPECT_EQ(refused.reason, "ENGINE_UNWELL");
  EXPECT_EQ(refused.result, "restored");
  EXPECT_EQ(Config(), json({{"debug", false}}));
  ExpectKept();
  HaveItLook(watching);
  EXPECT_EQ(watching.Count(Kind::kReapplyRefused), 1);
  EXPECT_THAT(History(), SizeIs(2));
  // Another edit is another reason.
  Edit(R"({"debug": false, "max-concurrent-uploads": 3})");
  watching.Next(Kind::kReapplyRefused);
}

// M-118
TEST_F(Drift, WhoEditsAgainWaits) {
  Harden(Setting("debug", "true"));
  Watching watching(Watch(true, seconds(3)));
  watching.Next(Kind::kAudit);
  std::ofstream(engine_.config()) << R"({"debug": false})";  // emptied, then written
  watching.Next(Kind::kReapplied);
  const auto begin = std::chrono::steady_clock::now();
  Edit(R"({"debug": false})");
  watching.Next(Kind::kDrift);
  watching.Next(Kind::kReapplied);
  EXPECT_GT(std::chrono::steady_clock::now() - begin, seconds(2));
  EXPECT_EQ(Config(), json({{"debug", true}}));
}

TEST_F(Drift, AfterARollBackIsToldAlone) {
  Harden(Setting("debug", "true"));
  const auto back =
      RollBackHardening(PrivateEngine::Soon(), Options(Setting("debug", "true")), "", {});
  ASSERT_TRUE(back.ok()) << back.status();
  DriftOptions options = Watch(true);
  options.settle = {};
  Watching watching(options);
  watching.Next(Kind::kAudit);
  Edit(R"({"debug": true})");
  EXPECT_EQ(watching.Next(Kind::kDrift).transaction, back->id);
  HaveItLook(watching);
  EXPECT_EQ(watching.Count(Kind::kReapplied) + watching.Count(Kind::kReapplyRefused), 0);
  EXPECT_EQ(Config(), json({{"debug", true}}));
}

TEST_F(Drift, FromBeforeIsToldWithWhatKeepsItFromBeingUndone) {
  Harden(Setting("debug", "true"));
  std::filesystem::remove(profiles() + "/trial.json");
  Edit("{}");
  DriftOptions options = Watch(true);
  options.units_alone = true;
  Watching watching(options);
  watching.Next(Kind::kDrift);
  EXPECT_EQ(watching.Next(Kind::kReapplyRefused).reason, "PROFILE_ABSENT");
  WriteProfile(Setting("debug", "true"), false);
  Edit(R"({"labels": []})");
  watching.Next(Kind::kDrift);
  HaveItLook(watching);
  EXPECT_EQ(watching.Count(Kind::kReapplyRefused), 1);  // it does not ask for it
  WriteProfile(Setting("debug", "true"));
  Edit("{ }");
  EXPECT_EQ(watching.Next(Kind::kReapplyRefused).reason, "ENGINE_WITHOUT_UNIT");
  EXPECT_EQ(ConfigText(), "{ }");
}

TEST_F(Drift, IsNotWhatATransactionWrites) {
  Harden(Setting("debug", "true"));
  Watching watching(Watch(false));
  watching.Next(Kind::kAudit);
  const Transaction second = Harden(Setting("no-new-privileges", "true"));
  watching.Next(Kind::kRestarted);
  HaveItLook(watching);
  EXPECT_EQ(watching.Count(Kind::kDrift), 0);
  // Nor is anything compared while one is under way.
  std::ofstream(state() + "/current.json") << "{}";
  Edit("{}");
  HaveItLook(watching);
  EXPECT_EQ(watching.Count(Kind::kDrift), 0);
  std::filesystem::remove(state() + "/current.json");
  EXPECT_EQ(watching.Next(Kind::kDrift).transaction, second.id);
}

// As systemd, which starts the engine for whoever connects, holds the socket of a stopped one.
TEST_F(Drift, NoEngineIsStartedForIt) {
  engine_.Stop();
  std::filesystem::remove(engine_.socket());
  const UniqueFd listener(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  engine_.socket().copy(address.sun_path, sizeof(address.sun_path) - 1);
  ASSERT_EQ(bind(listener.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  ASSERT_EQ(listen(listener.get(), 8), 0);
  DriftOptions options = Watch(true);
  options.watch.connect_unseen = false;
  {
    Watching watching(options);
    watching.Next(Kind::kEngineGone);
  }
  EXPECT_EQ(accept(listener.get(), nullptr, nullptr), -1);  // nobody has connected
  EXPECT_EQ(errno, EAGAIN);
}

}  // namespace
}  // namespace seaworthy::docker
