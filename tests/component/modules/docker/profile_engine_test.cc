// What is planned beside what a real engine makes of it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mount.h>

#include <filesystem>
#include <fstream>
#include <memory>

#include "engine_fixture.h"
#include "modules/docker/hardening/engine_limits.h"
#include "modules/docker/hardening/plan.h"
#include "own_network.h"
#include "support/program.h"
#include "support/status_matchers.h"

namespace seaworthy::docker {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using seaworthy::testing::Fails;

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

// /etc as it is, for this thread and what it starts: an engine that adds an account to it leaves
// the machine's alone.
class OwnEtc {
 public:
  OwnEtc() : before_(open("/proc/thread-self/ns/mnt", O_RDONLY | O_CLOEXEC)) {
    fs::copy("/etc", copy_.path(),
             fs::copy_options::recursive | fs::copy_options::copy_symlinks |
                 fs::copy_options::overwrite_existing);
    fs::permissions(copy_.path(), fs::perms(0755));
    EXPECT_EQ(unshare(CLONE_NEWNS), 0) << std::strerror(errno);
    EXPECT_EQ(mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr), 0);
    EXPECT_EQ(mount(copy_.path().c_str(), "/etc", nullptr, MS_BIND, nullptr), 0);
  }
  ~OwnEtc() { EXPECT_EQ(setns(before_.get(), CLONE_NEWNS), 0) << std::strerror(errno); }
  OwnEtc(const OwnEtc&) = delete;
  OwnEtc& operator=(const OwnEtc&) = delete;

 private:
  const testing::TempRoot copy_;
  const UniqueFd before_;
};

std::string Content(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

Profile Shipped(const std::string& name) {
  Result<Profile> profile = ParseProfile(Content(SOURCE_DIR "/policies/docker/" + name + ".json"));
  EXPECT_TRUE(profile.ok()) << profile.status();
  return profile.ok() ? *std::move(profile) : Profile();
}

Profile ProfileOf(const json& settings) {
  Profile profile;
  profile.name = "site";
  for (const auto& [key, value] : settings.items()) {
    ProfileSetting setting;
    setting.key = key;
    setting.value = value;
    setting.why = "w";
    profile.settings.push_back(std::move(setting));
  }
  return profile;
}

// A container that goes with the object, for with live-restore it outlives its engine.
class Container {
 public:
  explicit Container(PrivateEngine& engine) : engine_(engine) {
    id_ = engine_.Run("one", {{"HostConfig", {{"NetworkMode", "none"}}}});
  }
  ~Container() {
    EXPECT_TRUE(
        engine_.api().Delete(PrivateEngine::Soon(), "/containers/" + id_ + "?force=1").ok());
  }
  Container(const Container&) = delete;
  Container& operator=(const Container&) = delete;

  json Inspect() {
    const auto shown = engine_.api().Get(PrivateEngine::Soon(), "/containers/" + id_ + "/json");
    EXPECT_TRUE(shown.ok()) << shown.status();
    return shown.ok() ? *shown : json();
  }
  // A file of its first process in /proc.
  std::string Proc(const std::string& name) {
    return Content("/proc/" + std::to_string(Number(At(Inspect(), {"State", "Pid"}))) + "/" + name);
  }

 private:
  PrivateEngine& engine_;
  std::string id_;
};

// The engine with what is planned, and the plan that is made of it then.
Plan Harden(PrivateEngine& engine, const Profile& profile) {
  const Result<Plan> plan = MakePlan(profile, engine.facts(), "");
  EXPECT_TRUE(plan.ok()) << plan.status();
  if (!plan.ok() || plan->files.size() != 1) {
    ADD_FAILURE() << "no file to write";
    return {};
  }
  EXPECT_EQ(plan->files[0].path, engine.config());
  EXPECT_EQ(plan->files[0].before, Content(engine.config()));
  EXPECT_EQ(plan->effect, Effect::kRestart);
  engine.Stop();
  std::ofstream(engine.config()) << *plan->files[0].after;
  engine.Start();
  const Result<Plan> again = MakePlan(profile, engine.facts(), "");
  EXPECT_TRUE(again.ok()) << again.status();
  EXPECT_THAT(again.ok() ? again->files : plan->files, IsEmpty()) << ToJson(*plan);
  return *plan;
}

TEST(ProfileEngine, TakesTheStandardProfile) {
  const OwnNetwork network;
  PrivateEngine engine(R"({"labels": ["a=b"]})");
  const Plan plan = Harden(engine, Shipped("standard"));
  EXPECT_THAT(plan.consents, IsEmpty()) << ToJson(plan);
  const Facts facts = engine.facts();
  EXPECT_EQ(At(*facts.info, {"LiveRestoreEnabled"}), true);
  EXPECT_EQ(At(*facts.info, {"Labels"}), json::array({"a=b"}));
  EXPECT_EQ(facts.config->Value("icc"), false);
  engine.ImportBusybox();
  Container container(engine);
  EXPECT_THAT(container.Proc("status"), HasSubstr("NoNewPrivs:\t1"));
  if (MayRaiseLimits(facts)) {
    EXPECT_THAT(container.Proc("limits"),
                ::testing::ContainsRegex("Max open files +65536 +524288"));
  }
  EXPECT_EQ(
      At(container.Inspect(), {"HostConfig", "LogConfig"}),
      json::parse(R"({"Type": "json-file", "Config": {"max-size": "20m", "max-file": "5"}})"));
}

TEST(ProfileEngine, TakesTheStrictProfile) {
  const OwnNetwork network;
  const OwnEtc etc;
  PrivateEngine engine;
  // Others have to get through to the data.
  EXPECT_THAT(MakePlan(Shipped("strict"), engine.facts(), ""),
              Fails(Code::kFailedPrecondition, "CONFIG_CLASH"));
  fs::permissions(engine.root().path(), fs::perms(0711));
  const Plan plan = Harden(engine, Shipped("strict"));
  ASSERT_EQ(plan.consents.size(), 1U) << ToJson(plan);
  EXPECT_EQ(plan.consents[0].consent, Consent::kMoveData);
  EXPECT_TRUE(SecurityOption(*engine.facts().info, "userns").has_value());
  EXPECT_FALSE(fs::exists(fs::path("/run/systemd/journal/socket")) &&
               Text(At(*engine.facts().info, {"LoggingDriver"})) != "journald");
  engine.ImportBusybox();
  Container container(engine);
  EXPECT_THAT(container.Proc("uid_map"), Not(::testing::ContainsRegex("^ +0 +0 ")));
  EXPECT_THAT(container.Proc("uid_map"), ::testing::ContainsRegex("^ +0 +[1-9]"));
  if (MayRaiseLimits(engine.facts())) {
    EXPECT_THAT(container.Proc("limits"), ::testing::ContainsRegex("Max core file size +0 +0"));
  }
  EXPECT_THAT(container.Proc("status"), HasSubstr("NoNewPrivs:\t1"));
}

// Flags that would clash with the file are gone from the command line that the unit is to have.
TEST(ProfileEngine, TakesTheFileWithTheFlagsThatAreLeft) {
  const OwnNetwork network;
  const std::vector<std::string> flags = {"--icc=true", "--iptables=true", "--default-ulimit",
                                          "core=0:5"};
  PrivateEngine engine("{}", flags);
  const json limit = {{"nofile", {{"Name", "nofile"}, {"Soft", 64}, {"Hard", 128}}}};
  const Profile profile = ProfileOf({{"icc", false}, {"default-ulimits", limit}});
  EXPECT_THAT(MakePlan(profile, engine.facts(), ""),
              Fails(Code::kFailedPrecondition, "ENGINE_FLAG"));
  const Result<Plan> plan = MakePlan(profile, engine.facts(), "seaworthy-test.service");
  ASSERT_TRUE(plan.ok()) << plan.status();
  ASSERT_EQ(plan->files.size(), 2U);
  EXPECT_THAT(*plan->files[0].after, HasSubstr(" --bridge=none --iptables=true\n"));
  EXPECT_THAT(*plan->files[0].after, HasSubstr(" -H unix://" + engine.socket() + " "));
  engine.Stop();
  std::ofstream(engine.config()) << *plan->files[1].after;
  engine.Start({"--iptables=true"});
  engine.ImportBusybox();
  Container container(engine);
  EXPECT_THAT(container.Proc("limits"), ::testing::ContainsRegex("Max core file size +0 +5"));
  EXPECT_THAT(container.Proc("limits"), ::testing::ContainsRegex("Max open files +64 +128"));
}

// What is refused is refused by the engine, too: when it starts, or when a container does.
class ProfileClash : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    network_ = std::make_unique<OwnNetwork>();
    engine_ = std::make_unique<PrivateEngine>(R"({"iptables": false, "storage-driver": "vfs"})");
    engine_->ImportBusybox();
  }
  static void TearDownTestSuite() {
    engine_.reset();
    network_.reset();
  }

  static inline std::unique_ptr<OwnNetwork> network_;
  static inline std::unique_ptr<PrivateEngine> engine_;
};

TEST_F(ProfileClash, KeepsAnEngineFromStarting) {
  const std::pair<json, const char*> clashes[] = {
      {{{"icc", false}}, "iptables=false with --icc=false"},
      {{{"seccomp-profile", "builtin"}}, "opening seccomp profile"},
      {{{"default-runtime", "kata"}}, "default runtime 'kata' does not exist"},
      {{{"ip6tables", true}}, "only available if experimental"},
      {{{"log-level", "loud"}}, "unable to parse logging level"},
      {{{"userns-remap", "nobody-here"}}, "nobody-here"},
  };
  const Facts facts = engine_->facts();
  for (const auto& [settings, told] : clashes) {
    EXPECT_THAT(MakePlan(ProfileOf(settings), facts, ""),
                Fails(Code::kFailedPrecondition, "CONFIG_CLASH"))
        << settings;
    const testing::TempRoot root;
    fs::permissions(root.path(), fs::perms(0711));
    json file = json::parse(Content(engine_->config()));
    file.update(settings);
    std::ofstream(root / "daemon.json") << file.dump();
    const std::string at = root.path().string();
    const auto output = testing::OutputOf("cd " + at + " && timeout 30 dockerd --data-root " + at +
                                          "/data --exec-root " + at + "/exec -H unix://" + at +
                                          "/s --pidfile " + at + "/pid --config-file " + at +
                                          "/daemon.json --bridge=none 2>&1; echo ended $?");
    EXPECT_THAT(output.text, HasSubstr(told)) << settings;
    EXPECT_THAT(output.text, HasSubstr("ended 1")) << settings;
  }
}

// Limits that the engine may not raise: in a container it often may not, on a node it may.
TEST_F(ProfileClash, LimitsBeyondTheEnginesOwn) {
  const Facts facts = engine_->facts();
  const std::int64_t own = HardLimit(facts, "nofile").value_or(-1);
  ASSERT_GT(own, 0);
  const auto limit = [](std::int64_t hard) {
    return json{{"nofile", {{"Name", "nofile"}, {"Soft", 64}, {"Hard", hard}}}};
  };
  EXPECT_TRUE(MakePlan(ProfileOf({{"default-ulimits", limit(own)}}), facts, "").ok());
  EXPECT_EQ(MakePlan(ProfileOf({{"default-ulimits", limit(own + 1)}}), facts, "").ok(),
            MayRaiseLimits(facts));
  const json spec = {
      {"Image", "busybox:latest"},
      {"Cmd", {"/bin/sleep", "0"}},
      {"HostConfig",
       {{"NetworkMode", "none"}, {"Ulimits", json::array({limit(own + 1)["nofile"]})}}}};
  const auto made = engine_->api().Post(PrivateEngine::Soon(), "/containers/create", spec);
  ASSERT_TRUE(made.ok()) << made.status();
  const auto started = engine_->api().Post(PrivateEngine::Soon(),
                                           "/containers/" + Text(At(*made, {"Id"})) + "/start");
  EXPECT_EQ(started.ok(), MayRaiseLimits(facts)) << started.status();
}

TEST_F(ProfileClash, KeepsContainersFromStarting) {
  const std::pair<json, json> clashes[] = {
      {{{"log-opts", {{"max-size", "tenM"}}}}, {{"max-size", "tenM"}}},
      {{{"log-opts", {{"max-file", "0"}}}}, {{"max-file", "0"}}},
      {{{"log-opts", {{"compress", "true"}}}}, {{"compress", "true"}}},
      {{{"log-opts", {{"syslog-format", "rfc5424"}}}}, {{"syslog-format", "rfc5424"}}},
      {{{"log-opts", {{"max-buffer-size", "1m"}}}}, {{"max-buffer-size", "1m"}}},
  };
  const Facts facts = engine_->facts();
  for (const auto& [settings, options] : clashes) {
    EXPECT_THAT(MakePlan(ProfileOf(settings), facts, ""),
                Fails(Code::kFailedPrecondition, "CONFIG_CLASH"))
        << settings;
    const json spec = {
        {"Image", "busybox:latest"},
        {"Cmd", {"/bin/sleep", "3600"}},
        {"HostConfig",
         {{"NetworkMode", "none"}, {"LogConfig", {{"Type", "json-file"}, {"Config", options}}}}}};
    const auto made = engine_->api().Post(PrivateEngine::Soon(), "/containers/create", spec);
    if (!made.ok()) continue;
    const auto started = engine_->api().Post(PrivateEngine::Soon(),
                                             "/containers/" + Text(At(*made, {"Id"})) + "/start");
    EXPECT_FALSE(started.ok()) << settings;
  }
}

}  // namespace
}  // namespace seaworthy::docker
