// What a plan is not made for, and what it wants somebody's consent for.
#include <sys/stat.h>
#include <unistd.h>

#include "plan_fixture.h"

namespace seaworthy::docker {
namespace {

using nlohmann::json;
using seaworthy::testing::Fails;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

using PlanRefusals = PlanFixture;

TEST_F(PlanRefusals, EnginesThatAreNotThereOrNotRoots) {
  facts().process->uid = 1000;
  EXPECT_THAT(TryPlan({{"icc", false}}), Refused("ENGINE_ROOTLESS"));
  facts().process = Fail(Code::kNotFound, "ENGINE_PROCESS", "none");
  EXPECT_THAT(TryPlan({{"icc", false}}), Fails(Code::kNotFound, "ENGINE_PROCESS"));
  facts().process = EngineProcess();
  facts().info = Fail(Code::kUnavailable, "ENGINE_ABSENT", "none");
  EXPECT_THAT(TryPlan({{"icc", false}}), Fails(Code::kUnavailable, "ENGINE_ABSENT"));
}

TEST_F(PlanRefusals, FilesThatAreNotReadAlikeByAll) {
  const auto malformed = Fails(Code::kInvalidArgument, "DAEMON_JSON_MALFORMED");
  for (const std::string& text :
       {std::string(R"({"icc": true, "icc": false})"), std::string("\xef\xbb\xbf{}"),
        std::string("{} // none"), std::string("{\"group\": \"a\0b\"}", 16), std::string("[]"),
        std::string(R"({"group": ")" + std::string(10 << 20, 'a') + R"("})"), std::string("{")}) {
    DaemonJson(text);
    EXPECT_THAT(TryPlan({{"icc", false}}), malformed) << text.substr(0, 100);
  }
}

// They were there before us; what the engine would do at its next start is its owner's to settle.
TEST_F(PlanRefusals, FilesThatTheEngineWouldNotStartWith) {
  const std::pair<const char*, const char*> bad[] = {
      {R"({"x": {"no-new-privileges": false}})", "DAEMON_JSON_NESTED"},
      {R"({"ICC": true})", "DAEMON_JSON_UNKNOWN_KEY"},
      {R"({"icc": "true"})", "DAEMON_JSON_WRONG_TYPE"},
      {"", "DAEMON_JSON_EMPTY"},
      {R"({"debug": true})", "DOCKER_CONFIG_CONFLICT"},
  };
  Flags({"--debug"});
  for (const auto& [text, reason] : bad) {
    DaemonJson(text);
    const Result<Plan> plan = TryPlan({{"icc", false}});
    EXPECT_THAT(plan, Refused(reason)) << text;
    EXPECT_THAT(Message(plan.status()), HasSubstr(kFile));
  }
  DaemonJson(R"({"host": ["tcp://0.0.0.0:1"]})");  // without effect
  EXPECT_THAT(PlanFor({{"icc", false}}).warnings, Contains(HasSubstr("name of a flag")));
}

TEST_F(PlanRefusals, FilesThatOthersHaveInTheirHands) {
  const auto unsafe = Refused("DAEMON_JSON_UNSAFE");
  files_.Write("/etc/other.json", "{}");
  files_.Link("/etc/other.json", kFile);
  EXPECT_THAT(TryPlan({{"icc", false}}), unsafe);
  std::filesystem::remove(files_.At(kFile));
  files_.Folder(kFile);
  EXPECT_THAT(TryPlan({{"icc", false}}), unsafe);
  std::filesystem::remove(files_.At(kFile));
  ASSERT_EQ(mkfifo(files_.At(kFile).c_str(), 0644), 0);
  EXPECT_THAT(TryPlan({{"icc", false}}), unsafe);
  std::filesystem::remove(files_.At(kFile));

  DaemonJson("{}");
  ASSERT_EQ(chown(files_.At(kFile).c_str(), 65534, 0), 0);
  EXPECT_THAT(TryPlan({{"icc", false}}), unsafe);
  ASSERT_EQ(chown(files_.At(kFile).c_str(), 0, 0), 0);
  EXPECT_TRUE(TryPlan({{"icc", false}}).ok());
  // Sticky or not: whoever may make files there may make this one.
  for (const mode_t mode : {0775U, 0757U, 01777U}) {
    files_.Mode("/etc/docker", mode);
    EXPECT_THAT(TryPlan({{"icc", false}}), unsafe) << mode;
  }
  files_.Mode("/etc/docker", 0755);
  ASSERT_EQ(chown(files_.At("/etc/docker").c_str(), 65534, 0), 0);
  EXPECT_THAT(TryPlan({{"icc", false}}), unsafe);
  std::filesystem::remove_all(files_.At("/etc/docker"));
  files_.Link("/etc", "/etc/docker");
  EXPECT_THAT(TryPlan({{"icc", false}}), unsafe);
}

TEST_F(PlanRefusals, AWrongModeIsPutRight) {
  DaemonJson(R"({"icc": false})");
  EXPECT_THAT(PlanFor({{"icc", false}}).files, IsEmpty());
  files_.Mode(kFile, 0666);
  const Plan plan = PlanFor({{"icc", false}});
  EXPECT_THAT(plan.warnings, Contains(HasSubstr("0644")));
  ASSERT_EQ(plan.files.size(), 1U);
  EXPECT_EQ(plan.files[0].before, plan.files[0].after);
  EXPECT_EQ(plan.effect, Effect::kNone);
  files_.Mode(kFile, 0600);  // it may hold a proxy's password
  EXPECT_THAT(PlanFor({{"icc", false}}).warnings, IsEmpty());
}

// A reload drops plugins that a flag names.
TEST_F(PlanRefusals, PluginsOnTheCommandLine) {
  Flags({"--authorization-plugin=guard"});
  EXPECT_THAT(TryPlan({{"icc", false}}), Refused("ENGINE_FLAG"));
  EXPECT_TRUE(TryPlan({{"icc", true}}).ok());
}

TEST_F(PlanRefusals, SettingsThatClash) {
  struct Case {
    json settings;
    const char* told;
    const char* file = "{}";
    const char* version = "20.10.24";
  };
  const Case cases[] = {
      {{{"icc", false}}, "iptables", R"({"iptables": false})"},
      {{{"icc", false}}, "ip6tables", R"({"ipv6": true, "ip6tables": false})", "28.5.2"},
      {{{"ip6tables", true}}, "experimental"},
      {{{"seccomp-profile", "/etc/none.json"}}, "none.json"},
      {{{"seccomp-profile", "builtin"}}, "builtin"},
      {{{"log-driver", "nosuch"}}, "nosuch"},
      {{{"log-driver", "journald"}}, "journal"},
      {{{"log-opts", {{"max-size", "tenM"}}}}, "max-size"},
      {{{"log-opts", {{"max-size", "0"}}}}, "max-size"},
      {{{"log-opts", {{"max-size", "-1"}}}}, "max-size"},
      {{{"log-opts", {{"max-size", "10mm"}}}}, "max-size"},
      {{{"log-opts", {{"max-size", 10}}}}, "max-size"},
      {{{"log-opts", {{"max-file", "0"}}}}, "max-file"},
      {{{"log-opts", {{"compress", "true"}}}}, "compress"},
      {{{"log-opts", {{"compress", "maybe"}}}}, "compress"},
      {{{"log-opts", {{"syslog-address", "udp://a"}}}}, "syslog-address"},
      {{{"log-opts", {{"mode", "fast"}}}}, "mode"},
      {{{"log-opts", {{"max-buffer-size", "1m"}}}}, "max-buffer-size"},
      {{{"log-driver", "local"}, {"log-opts", {{"max-file", "1"}}}}, "compress"},
      {{{"log-level", "loud"}}, "log-level"},
      {{{"default-ipc-mode", "host"}}, "default-ipc-mode"},
      {{{"default-runtime", "kata"}}, "kata"},
      {{{"runtimes", {{"runc", {{"path", "/bin/true"}}}}}}, "runc"},
      {{{"default-ulimits", {{"nofile", 64}}}}, "nofile"},
      {{{"default-ulimits", {{"nofile", {{"Name", "nofile"}, {"Soft", 2}, {"Hard", 1}}}}}},
       "nofile"},
      {{{"default-ulimits", {{"nofile", {{"Name", "core"}, {"Soft", 1}, {"Hard", 1}}}}}}, "nofile"},
      {{{"userns-remap", "nobody-here"}}, "nobody-here"},
      {{{"authorization-plugins", {"nosuch"}}}, "nosuch"},
      {{{"data-root", "data"}}, "data-root"},
      {{{"data-root", "/srv/docker"}}, "graph", R"({"graph": "/var/lib/docker"})"},
      {{{"bip", "10.1.0.1/24"}}, "bridge", R"({"bridge": "br0"})"},
      {{{"hosts", {"tcp://127.0.0.1:2376"}}}, "socket"},
      {{{"hosts", {"unix:///run/other.sock"}}}, "socket"},
  };
  for (const Case& clash : cases) {
    Engine(clash.version);
    DaemonJson(clash.file);
    const Result<Plan> plan = TryPlan(clash.settings);
    EXPECT_THAT(plan, Refused("CONFIG_CLASH")) << clash.settings;
    EXPECT_THAT(Message(plan.status()), HasSubstr(clash.told)) << clash.settings;
  }
}

TEST_F(PlanRefusals, SettingsThatLookLikeThatAndAreGood) {
  files_.Write("/etc/seccomp.json");
  files_.Write("/run/docker/plugins/guard.sock");
  files_.Write("/etc/passwd", "root:x:0:0::/:/bin/sh\nmapped:x:1001:1001::/:/bin/false\n");
  files_.Write("/etc/subuid", "mapped:100000:65536\n");
  const std::pair<json, const char*> good[] = {
      {{{"seccomp-profile", "/etc/seccomp.json"}}, "20.10.24"},
      {{{"seccomp-profile", "builtin"}}, "23.0.0"},
      {{{"log-opts", {{"max-size", "10m"}, {"max-file", "3"}, {"compress", "true"}}}}, "20.10.24"},
      {{{"log-opts", {{"max-size", "1.5 GiB"}}}}, "20.10.24"},
      {{{"log-opts", {{"mode", "non-blocking"}, {"max-buffer-size", "4m"}}}}, "20.10.24"},
      {{{"log-driver", "none"}}, "20.10.24"},
      {{{"log-driver", "local"}}, "20.10.24"},
      {{{"default-runtime", "io.containerd.kata.v2"}}, "23.0.0"},
      {{{"default-runtime", "kata"}, {"runtimes", {{"kata", {{"path", "/bin/true"}}}}}},
       "20.10.24"},
      {{{"default-ulimits", {{"core", {{"Name", "core"}, {"Soft", 0}, {"Hard", -1}}}}}},
       "20.10.24"},
      {{{"userns-remap", "mapped"}}, "20.10.24"},
      {{{"userns-remap", "1001:1001"}}, "20.10.24"},
      {{{"userns-remap", "default"}}, "20.10.24"},
      {{{"authorization-plugins", {"guard"}}}, "20.10.24"},
      {{{"hosts", {"unix:///var/run/docker.sock"}}}, "20.10.24"},
      {{{"hosts", {"fd://"}}}, "20.10.24"},
      {{{"ip6tables", true}}, "27.0.0"},
  };
  for (const auto& [settings, version] : good) {
    Engine(version);
    const Result<Plan> plan = TryPlan(settings);
    EXPECT_TRUE(plan.ok()) << settings << plan.status();
  }
}

TEST_F(PlanRefusals, AWayToTheDataThatIsShutToOthers) {
  files_.Folder("/var/lib/docker", 0710);
  EXPECT_TRUE(TryPlan({{"userns-remap", "default"}}).ok());
  files_.Mode("/var/lib", 0750);
  EXPECT_THAT(TryPlan({{"userns-remap", "default"}}), Refused("CONFIG_CLASH"));
  EXPECT_TRUE(TryPlan({{"icc", false}}).ok());
}

TEST_F(PlanRefusals, LimitsThatTheEngineMayNotRaise) {
  facts().process->pid = 42;
  files_.Write("/proc/42/limits",
               "Limit                     Soft Limit           Hard Limit           Units     \n"
               "Max open files            1024                 20000                files     \n"
               "Max core file size        0                    unlimited            bytes     \n");
  const auto limit = [](const char* name, std::int64_t hard) {
    return json{{"default-ulimits", {{name, {{"Name", name}, {"Soft", 1}, {"Hard", hard}}}}}};
  };
  files_.Write("/proc/42/status", "Name:\tdockerd\nCapEff:\t000001ffffffffff\n");
  EXPECT_TRUE(TryPlan(limit("nofile", 20001)).ok());
  const Profile profile = ProfileOf(limit("nofile", 20001), "raise-limits");
  EXPECT_THAT(PlanOf(profile).skipped, IsEmpty());
  files_.Write("/proc/42/status", "Name:\tdockerd\nCapEff:\t000001fffeffffff\n");
  EXPECT_THAT(TryPlan(limit("nofile", 20001)), Refused("CONFIG_CLASH"));
  EXPECT_THAT(TryPlan(limit("nofile", -1)), Refused("CONFIG_CLASH"));
  EXPECT_TRUE(TryPlan(limit("nofile", 20000)).ok());
  EXPECT_TRUE(TryPlan(limit("core", -1)).ok());
  EXPECT_EQ(PlanOf(profile).skipped.size(), 1U);
}

TEST_F(PlanRefusals, LiveRestoreInASwarm) {
  info()["Swarm"]["LocalNodeState"] = "active";
  EXPECT_THAT(TryPlan({{"live-restore", true}}), Refused("CONFIG_CLASH"));
}

using PlanConsents = PlanFixture;

TEST_F(PlanConsents, ContainersThatLiveThroughTheRestartNeedNone) {
  Container();
  EXPECT_THAT(PlanFor({{"icc", false}, {"live-restore", true}}).consents, IsEmpty());
  // Live-restore is on for the time of the restart, wanted or not; and the bridge stays.
  EXPECT_THAT(PlanFor({{"icc", false}}).consents, IsEmpty());
  EXPECT_THAT(PlanFor({{"icc", false}}).warnings,
              ElementsAre(HasSubstr("icc: the engine keeps its default bridge")));
  EXPECT_THAT(PlanFor({{"debug", true}}).consents, IsEmpty());  // a reload
  // On the command line it cannot be turned on before the restart.
  Flags({"--live-restore=false"});
  EXPECT_THAT(ConsentsOf(PlanFor({{"icc", false}, {"live-restore", true}})),
              ElementsAre(Consent::kStopContainers));
  Flags({"--live-restore"});
  info()["LiveRestoreEnabled"] = true;
  EXPECT_THAT(PlanFor({{"icc", false}}).consents, IsEmpty());
  info()["Swarm"]["LocalNodeState"] = "active";
  Flags({});
  info()["LiveRestoreEnabled"] = false;
  EXPECT_THAT(ConsentsOf(PlanFor({{"icc", false}})), ElementsAre(Consent::kStopContainers));
}

TEST_F(PlanConsents, TellWhatBecomesOfContainersThatEnd) {
  Container({{"AutoRemove", true}});
  Container({{"RestartPolicy", {{"Name", "no"}}}});
  Container({{"RestartPolicy", {{"Name", "always"}}}});
  Flags({"--live-restore=false"});
  facts().containers->push_back({{"State", {{"Running", false}}}});
  const Plan plan = PlanFor({{"icc", false}});
  ASSERT_EQ(plan.consents.size(), 1U);
  EXPECT_THAT(plan.consents[0].why, HasSubstr("3 containers run"));
  EXPECT_THAT(plan.consents[0].why, HasSubstr("1 would be removed"));
  EXPECT_THAT(plan.consents[0].why, HasSubstr("1 would not be started again"));
}

TEST_F(PlanConsents, MovedData) {
  const json live = {{"live-restore", true}};
  const auto with = [&](json settings) {
    settings.update(live);
    return settings;
  };
  const std::vector<json> moves = {{{"data-root", "/srv/docker"}},
                                   {{"storage-driver", "vfs"}},
                                   {{"userns-remap", "default"}},
                                   {{"features", {{"containerd-snapshotter", true}}}}};
  for (const json& settings : moves) {
    EXPECT_THAT(ConsentsOf(PlanFor(with(settings))), ElementsAre(Consent::kMoveData)) << settings;
  }
  EXPECT_THAT(PlanFor({{"userns-remap", "default"}}).warnings, Contains(HasSubstr("chown")));
  EXPECT_EQ(PlanFor(moves[3]).effect, Effect::kRestart);
  EXPECT_THAT(PlanFor({{"features", {{"buildkit", true}}}}).consents, IsEmpty());
  EXPECT_EQ(PlanFor({{"features", {{"buildkit", true}}}}).effect, Effect::kReload);
  Container();
  for (const json& settings : moves) {
    EXPECT_THAT(ConsentsOf(PlanFor(with(settings))),
                UnorderedElementsAre(Consent::kMoveData, Consent::kStopContainers))
        << settings;
  }
  for (const json& settings :
       std::vector<json>{{{"exec-root", "/run/engine"}}, {{"bridge", "none"}}}) {
    EXPECT_THAT(ConsentsOf(PlanFor(with(settings))), ElementsAre(Consent::kStopContainers))
        << settings;
  }
}

TEST_F(PlanConsents, LostAccess) {
  Flags({"-H", "fd://", "-H", "tcp://0.0.0.0:2375"});
  const Plan plan = PlanFor({{"hosts", {"fd://"}}});
  ASSERT_THAT(ConsentsOf(plan), ElementsAre(Consent::kLoseAccess));
  EXPECT_THAT(plan.consents[0].why, HasSubstr("tcp://0.0.0.0:2375"));
  EXPECT_THAT(plan.files.at(0).after.value(), ::testing::Not(HasSubstr("-H")));
  EXPECT_THAT(ConsentsOf(PlanFor({{"tlsverify", true}})), Contains(Consent::kLoseAccess));
  EXPECT_THAT(ConsentsOf(PlanFor({{"group", "wheel"}})), ElementsAre(Consent::kLoseAccess));
  Flags({});
  EXPECT_THAT(PlanFor({{"tlsverify", true}}).consents, IsEmpty());
  EXPECT_THAT(PlanFor({{"hosts", {"unix:///run/docker.sock", "tcp://127.0.0.1:1"}}}).consents,
              IsEmpty());
}

}  // namespace
}  // namespace seaworthy::docker
