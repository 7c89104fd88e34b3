// The watch beside a real engine that changes while it is watched.
#include "seaworthy/modules/docker/engine_watch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <condition_variable>
#include <mutex>
#include <set>
#include <thread>

#include "engine_fixture.h"
#include "support/program.h"
#include "support/status_matchers.h"
#include "watching.h"

namespace seaworthy::docker {
namespace {

using Kind = EngineEvent::Kind;
using seaworthy::testing::IsOk;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using ::testing::HasSubstr;

// Asks nothing of its own accord within a test: what it finds it was told.
WatchOptions OnlyWhatIsTold(const std::string& socket) {
  WatchOptions options;
  options.socket = socket;
  options.period = minutes(30);
  options.silence = minutes(30);
  options.patience = seconds(60);
  return options;
}

class EngineWatchTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    engine_ = std::make_unique<PrivateEngine>("{}", kFlags);
    engine_->ImportBusybox();
    engine_->Run("confined",
                 {{"User", "1000"}, {"HostConfig", {{"RestartPolicy", {{"Name", "always"}}}}}});
  }
  static void TearDownTestSuite() { engine_.reset(); }

  static void Remove(const std::string& container) {
    EXPECT_THAT(
        engine_->api().Delete(PrivateEngine::Soon(), "/containers/" + container + "?force=1"),
        IsOk());
  }
  static std::string MakeExec(nlohmann::json spec) {
    if (!spec.contains("Cmd")) spec["Cmd"] = {"/bin/sleep", "3600"};
    const auto made = engine_->api().Post(PrivateEngine::Soon(), "/containers/confined/exec", spec);
    EXPECT_THAT(made.status(), IsOk());
    return made.ok() ? Text(At(*made, {"Id"})) : "";
  }
  static void StartExec(const std::string& id) {
    EXPECT_THAT(
        engine_->api().Post(PrivateEngine::Soon(), "/exec/" + id + "/start", {{"Detach", true}}),
        IsOk());
  }

  // How often the engine was asked for `path`, as its log says.
  static int Asked(const std::string& path) {
    const std::string log = engine_->Log();
    int count = 0;
    for (std::size_t at = 0; (at = log.find("Calling GET " + path, at)) != std::string::npos;) {
      ++at;
      ++count;
    }
    return count;
  }

  static void AwaitAsked(const std::string& path, int times) {
    const Deadline deadline = PrivateEngine::Soon();
    while (Asked(path) < times) {
      ASSERT_GT(TimeLeft(deadline).count(), 0) << "nobody asks for " << path;
      std::this_thread::yield();
    }
  }

  static inline const std::vector<std::string> kFlags = {"--iptables=false", "--debug"};
  static inline std::unique_ptr<PrivateEngine> engine_;
};

TEST_F(EngineWatchTest, ContainerOfTheHostsAppearsAsItStartsAndGoesAsItStops) {
  Watching watching(OnlyWhatIsTold(engine_->socket()));
  const EngineEvent first = watching.Next(Kind::kAudit);
  EXPECT_GT(first.counts.at(Outcome::kFail), 0U);
  EXPECT_THAT(first.text, HasSubstr("20.10"));
  const auto begin = std::chrono::steady_clock::now();
  engine_->Run("spy", {{"HostConfig", {{"PidMode", "host"}}}});
  const EngineEvent appeared = watching.Next(Kind::kAppeared, "5.16", "spy");
  EXPECT_LT(std::chrono::steady_clock::now() - begin, seconds(20));
  EXPECT_EQ(appeared.finding->section, "Containers");
  EXPECT_EQ(appeared.text, appeared.finding->text);
  Remove("spy");
  watching.Next(Kind::kGone, "5.16", "spy");
}

TEST_F(EngineWatchTest, EachOfABurstIsFound) {
  Watching watching(OnlyWhatIsTold(engine_->socket()));
  watching.Next(Kind::kAudit);
  for (const char* const name : {"one", "two", "three"}) {
    engine_->Run(name, {{"HostConfig", {{"PidMode", "host"}}}});
  }
  std::set<std::string> found;
  while (found.size() < 3 && !HasFailure()) {
    const EngineEvent event = watching.Next(Kind::kAppeared, "5.16");
    if (event.finding) found.insert(event.finding->subject);
  }
  for (const std::string& name : found) Remove(name);
}

TEST_F(EngineWatchTest, ChangedDaemonJsonIsToldWithWhatComesOfIt) {
  Watching watching(OnlyWhatIsTold(engine_->socket()));
  watching.Next(Kind::kAudit);
  std::ofstream(engine_->config()) << R"({"cgroup-parent": "/loose"})";
  const EngineEvent changed = watching.Next(Kind::kConfiguration);
  EXPECT_EQ(changed.path, engine_->config());
  const std::string sum = seaworthy::testing::OutputOf("sha256sum " + engine_->config()).text;
  EXPECT_EQ(changed.sha256, sum.substr(0, 64));
  watching.Next(Kind::kAppeared, "2.10");
  ASSERT_EQ(chmod(engine_->config().c_str(), 0666), 0);
  EXPECT_THAT(watching.Next(Kind::kConfiguration).text, HasSubstr("mode"));
  watching.Next(Kind::kAppeared, "3.18", engine_->config());
  // As most programs write: another file, moved to its place.
  std::ofstream(engine_->root() / "new.json") << "{}";
  std::filesystem::rename(engine_->root() / "new.json", engine_->config());
  watching.Next(Kind::kGone, "2.10");
}

TEST_F(EngineWatchTest, ExecAsRootIsFoundAlsoWhenItHasEnded) {
  Watching watching(OnlyWhatIsTold(engine_->socket()));
  watching.Next(Kind::kAudit);
  const std::string id = MakeExec({{"User", "0:0"}, {"Cmd", {"/bin/sh", "-c", ":"}}});
  StartExec(id);
  const EngineEvent appeared = watching.Next(Kind::kAppeared, "5.24", "confined");
  EXPECT_THAT(appeared.finding->evidence, HasSubstr(id.substr(0, 12)));
  watching.Next(Kind::kGone, "5.24", "confined");
}

// As each check of a container's health is.
TEST_F(EngineWatchTest, ExecAsTheContainersOwnUserIsNoReasonForAnAudit) {
  WatchOptions options = OnlyWhatIsTold(engine_->socket());
  options.silence = milliseconds(200);
  const int questions = Asked("/_ping") + 2;
  const Watching watching(options);
  AwaitAsked("/_ping", questions);  // no audit is to come
  const int audits = Asked("/info");
  // An audit of the first would come before the look at the second.
  for (int i = 0; i < 2; ++i) {
    const std::string id = MakeExec({{"User", "1000"}, {"Cmd", {"/bin/sh", "-c", ":"}}});
    StartExec(id);
    AwaitAsked("/exec/" + id + "/json", 1);
  }
  EXPECT_EQ(Asked("/info"), audits);
}

// Not started: there is no runtime here that could.
TEST_F(EngineWatchTest, PrivilegedExecIsFoundAsItIsMade) {
  Watching watching(OnlyWhatIsTold(engine_->socket()));
  watching.Next(Kind::kAudit);
  MakeExec({{"Privileged", true}});
  EXPECT_THAT(watching.Next(Kind::kAppeared, "5.23", "confined").finding->evidence,
              HasSubstr("\"privileged\":true"));
}

TEST_F(EngineWatchTest, HungEngineIsToldAndThatItIsBack) {
  WatchOptions options = OnlyWhatIsTold(engine_->socket());
  options.silence = milliseconds(200);
  options.patience = seconds(5);
  const int questions = Asked("/_ping") + 2;
  Watching watching(options);
  AwaitAsked("/_ping", questions);  // no audit is to come
  ASSERT_EQ(kill(engine_->pid(), SIGSTOP), 0);
  const EngineEvent gone = watching.Next(Kind::kEngineGone);
  EXPECT_EQ(kill(engine_->pid(), SIGCONT), 0);
  EXPECT_THAT(gone.text, HasSubstr("in time"));
  watching.Next(Kind::kEngineBack);
}

TEST_F(EngineWatchTest, EngineThatIsStoppedAndStartedIsToldAndNothingIsMissed) {
  Watching watching(OnlyWhatIsTold(engine_->socket()));
  watching.Next(Kind::kAudit);
  engine_->Stop();
  watching.Next(Kind::kEngineGone);
  engine_->Start(kFlags);
  engine_->Run("early", {{"HostConfig", {{"PidMode", "host"}}}});
  watching.Next(Kind::kEngineBack);
  EXPECT_THAT(watching.Next(Kind::kRestarted).text, HasSubstr(std::to_string(engine_->pid())));
  watching.Next(Kind::kAppeared, "5.16", "early");
  Remove("early");
  watching.Next(Kind::kGone, "5.16", "early");
}

// systemd listens for an engine that is stopped, and starts it when somebody connects.
TEST_F(EngineWatchTest, StoppedEngineIsNotStartedByTheWatch) {
  Watching watching(OnlyWhatIsTold(engine_->socket()));
  watching.Next(Kind::kAudit);
  engine_->Stop();
  watching.Next(Kind::kEngineGone);
  UniqueFd listener(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  std::snprintf(address.sun_path, sizeof(address.sun_path), "%s", engine_->socket().c_str());
  unlink(address.sun_path);
  ASSERT_EQ(bind(listener.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  ASSERT_EQ(listen(listener.get(), 4), 0);
  pollfd called = {.fd = listener.get(), .events = POLLIN, .revents = 0};
  EXPECT_EQ(poll(&called, 1, 1500), 0);
  listener.reset();
  unlink(address.sun_path);
  engine_->Start(kFlags);
  watching.Next(Kind::kEngineBack);
}

TEST_F(EngineWatchTest, EngineThatIsNotThereIsWaitedFor) {
  engine_->Stop();
  Watching watching(OnlyWhatIsTold(engine_->socket()));
  EXPECT_THAT(watching.Next(Kind::kAudit).text, HasSubstr("No engine"));
  EXPECT_THAT(watching.Next(Kind::kEngineGone).text, HasSubstr(engine_->socket()));
  engine_->Start(kFlags);
  watching.Next(Kind::kEngineBack);
  watching.Next(Kind::kAppeared, "2.4");
}

TEST_F(EngineWatchTest, EndsAtItsDeadlineAndWhenNobodyWantsMore) {
  int told = 0;
  const WatchOptions options = OnlyWhatIsTold(engine_->socket());
  EXPECT_THAT(
      WatchEngine(DeadlineIn(minutes(1)), options, [&](const EngineEvent&) { return ++told < 1; }),
      IsOk());
  EXPECT_EQ(told, 1);
  EXPECT_THAT(
      WatchEngine(DeadlineIn(milliseconds(500)), options, [&](const EngineEvent&) { return true; }),
      IsOk());
}

TEST(EngineWatch, TakesNoPolicyThatIsNone) {
  WatchOptions options = OnlyWhatIsTold("/nowhere");
  options.policy = "{";
  EXPECT_EQ(
      Reason(WatchEngine(DeadlineIn(minutes(1)), options, [](const EngineEvent&) { return true; })),
      "SITE_POLICY_MALFORMED");
}

}  // namespace
}  // namespace seaworthy::docker
