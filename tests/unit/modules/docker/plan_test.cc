#include "modules/docker/hardening/plan.h"

#include "plan_fixture.h"

namespace seaworthy::docker {
namespace {

using nlohmann::json;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

using PlanTest = PlanFixture;

TEST_F(PlanTest, SaysWhatWillBeOfWhat) {
  DaemonJson(R"({"icc": true, "mtu": 1400})");
  const Plan plan = PlanFor({{"icc", false}, {"live-restore", true}, {"log-level", "info"}});
  EXPECT_EQ(plan.profile, "site");
  EXPECT_EQ(plan.socket, "/run/docker.sock");
  EXPECT_EQ(plan.engine, "20.10.24+dfsg1");
  ASSERT_THAT(plan.changes, SizeIs(2));
  EXPECT_EQ(plan.changes[0].key, "icc");
  EXPECT_EQ(plan.changes[0].before, "true");
  EXPECT_EQ(plan.changes[0].origin, "file");
  EXPECT_EQ(plan.changes[0].after, "false");
  EXPECT_EQ(plan.changes[0].effect, Effect::kRestart);
  EXPECT_EQ(plan.changes[0].why, "why icc");
  EXPECT_EQ(plan.changes[1].origin, "default");
  EXPECT_EQ(plan.changes[1].effect, Effect::kReload);
  EXPECT_EQ(plan.effect, Effect::kRestart);
  ASSERT_THAT(plan.files, SizeIs(1));
  EXPECT_EQ(plan.files[0].path, kFile);
  EXPECT_EQ(plan.files[0].before, R"({"icc": true, "mtu": 1400})");
  EXPECT_EQ(plan.files[0].after,
            "{\n    \"icc\": false,\n    \"live-restore\": true,\n    \"mtu\": 1400\n}\n");
  EXPECT_THAT(plan.skipped, IsEmpty());
  EXPECT_THAT(plan.consents, IsEmpty());
}

TEST_F(PlanTest, WhatStandsAlreadyIsNoChange) {
  const json wanted = {{"icc", false}, {"live-restore", true}, {"log-opts", {{"max-size", "1m"}}}};
  DaemonJson(R"({"icc": false, "live-restore": true, "log-opts": {"max-size": "1m", "tag": "x"}})");
  info()["LiveRestoreEnabled"] = true;
  const Plan plan = PlanFor(wanted);
  EXPECT_THAT(plan.changes, IsEmpty());
  EXPECT_THAT(plan.files, IsEmpty());
  EXPECT_EQ(plan.effect, Effect::kNone);
  EXPECT_THAT(plan.warnings, IsEmpty());
}

// What a profile makes of a node makes nothing more of it.
TEST_F(PlanTest, IsNothingTheSecondTime) {
  for (const char* const name : {"standard", "strict"}) {
    for (const char* const version :
         {"20.10.24", "23.0.0", "24.0.7", "27.1.1", "28.5.2", "29.2.0"}) {
      std::ifstream file(SOURCE_DIR "/policies/docker/" + std::string(name) + ".json");
      const Result<Profile> profile = ParseProfile(
          std::string((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>()));
      ASSERT_TRUE(profile.ok()) << profile.status();
      Engine(version);
      files_.Write("/run/systemd/journal/socket");
      DaemonJson(R"({"log-opts": {"max-size": "1m"}, "labels": ["a=b"]})");
      const Plan first = PlanOf(*profile);
      ASSERT_THAT(first.files, SizeIs(1)) << name << version;
      DaemonJson(*first.files[0].after);
      info()["LiveRestoreEnabled"] = true;
      info()["LoggingDriver"] = json::parse(*first.files[0].after).value("log-driver", "json-file");
      const Plan second = PlanOf(*profile);
      EXPECT_THAT(second.files, IsEmpty()) << name << version << ToJson(second);
      info()["LiveRestoreEnabled"] = false;
      info()["LoggingDriver"] = "json-file";
    }
  }
}

TEST_F(PlanTest, MakesAFileWhereThereIsNone) {
  std::filesystem::remove_all(files_.At("/etc/docker"));
  const Plan plan = PlanFor({{"icc", false}});
  ASSERT_THAT(plan.files, SizeIs(1));
  EXPECT_FALSE(plan.files[0].before.has_value());
  EXPECT_EQ(plan.files[0].after, "{\n    \"icc\": false\n}\n");
}

TEST_F(PlanTest, KeepsTheFilesIndentation) {
  DaemonJson("{\n  \"mtu\": 1400\n}");
  EXPECT_EQ(PlanFor({{"icc", false}}).files.at(0).after,
            "{\n  \"icc\": false,\n  \"mtu\": 1400\n}\n");
  Engine("28.5.2");
  DaemonJson("");
  EXPECT_EQ(PlanFor({{"icc", false}}).files.at(0).after, "{\n    \"icc\": false\n}\n");
}

TEST_F(PlanTest, LeavesOutWhatIsNotForThisEngine) {
  Profile profile = ProfileOf({{"min-api-version", "1.44"}, {"icc", false}, {"debug", true}});
  std::ranges::find(profile.settings, "min-api-version", &ProfileSetting::key)->since = {28, 0, 0};
  std::ranges::find(profile.settings, "debug", &ProfileSetting::key)->until = {20, 10, 24};
  const Plan plan = PlanOf(profile);
  EXPECT_THAT(plan.changes, SizeIs(1));
  ASSERT_THAT(plan.skipped, SizeIs(2));
  EXPECT_EQ(plan.skipped[0].key, "debug");
  EXPECT_THAT(plan.skipped[0].why, HasSubstr("before 20.10.24"));
  EXPECT_EQ(plan.skipped[1].key, "min-api-version");
  EXPECT_THAT(plan.skipped[1].why, HasSubstr("engine 20.10.24 has no such key"));
  EXPECT_EQ(NewFile(plan), json({{"icc", false}}));
}

TEST_F(PlanTest, OfAKeyForEachEngineTheFittingOneIsTaken) {
  Profile profile = ProfileOf({{"icc", true}});
  profile.settings[0].since = {23, 0, 0};
  profile.settings.push_back(profile.settings[0]);
  profile.settings[1].since = {};
  profile.settings[1].until = {23, 0, 0};
  profile.settings[1].value = false;
  const Plan plan = PlanOf(profile);
  EXPECT_EQ(NewFile(plan), json({{"icc", false}}));
  EXPECT_THAT(plan.skipped, IsEmpty());
}

TEST_F(PlanTest, ConditionsAreLookedAtOnTheHost) {
  const Profile selinux = ProfileOf({{"selinux-enabled", true}}, "selinux");
  EXPECT_THAT(PlanOf(selinux).files, IsEmpty());
  EXPECT_THAT(PlanOf(selinux).skipped.at(0).why, HasSubstr("no SELinux"));
  files_.Write("/sys/fs/selinux/enforce", "1");
  EXPECT_EQ(NewFile(PlanOf(selinux)), json({{"selinux-enabled", true}}));

  const Profile journald = ProfileOf({{"log-driver", "journald"}}, "journald");
  EXPECT_THAT(PlanOf(journald).skipped, SizeIs(1));
  files_.Write("/run/systemd/journal/socket");
  EXPECT_EQ(NewFile(PlanOf(journald)), json({{"log-driver", "journald"}}));

  const Profile swarm = ProfileOf({{"live-restore", true}}, "no-swarm");
  EXPECT_EQ(NewFile(PlanOf(swarm)), json({{"live-restore", true}}));
  info()["Swarm"]["LocalNodeState"] = "active";
  EXPECT_THAT(PlanOf(swarm).files, IsEmpty());
  EXPECT_THAT(PlanOf(swarm).skipped.at(0).why, HasSubstr("swarm"));
}

TEST_F(PlanTest, ObjectsAreMergedByTheirMembers) {
  DaemonJson(R"({"default-ulimits": {"nofile": {"Name": "nofile", "Soft": 1, "Hard": 2},
                                     "core": {"Name": "core", "Soft": 0, "Hard": 0}}})");
  const json limit = {{"nofile", {{"Name", "nofile"}, {"Soft", 64}, {"Hard", 128}}}};
  const json file = NewFile(PlanFor({{"default-ulimits", limit}})).value();
  EXPECT_EQ(file["default-ulimits"]["nofile"]["Hard"], 128);
  EXPECT_EQ(file["default-ulimits"]["core"]["Hard"], 0);

  Engine("28.5.2");
  DaemonJson(R"({"default-network-opts": {"bridge": {"a": "b"}, "macvlan": {"c": "d"}},
                 "proxies": {"no-proxy": "localhost"}})");
  const json networks = NewFile(PlanFor({{"default-network-opts", {{"bridge", {{"e", "f"}}}}},
                                         {"proxies", {{"https-proxy", "http://p"}}}}))
                            .value();
  EXPECT_EQ(networks["default-network-opts"],
            json::parse(R"({"bridge": {"a": "b", "e": "f"}, "macvlan": {"c": "d"}})"));
  EXPECT_EQ(networks["proxies"],
            json::parse(R"({"no-proxy": "localhost", "https-proxy": "http://p"})"));
}

TEST_F(PlanTest, ListsKeepWhatIsThereButForHoles) {
  DaemonJson(R"({"labels": ["a=1", "b=2"], "exec-opts": ["native.cgroupdriver=cgroupfs"],
                 "registry-mirrors": ["https://old"], "insecure-registries": ["10.0.0.0/8"],
                 "dns": ["10.0.0.1"]})");
  const json file = NewFile(PlanFor({{"labels", {"b=3", "c=4"}},
                                     {"exec-opts", {"native.cgroupdriver=systemd"}},
                                     {"registry-mirrors", {"https://new"}},
                                     {"insecure-registries", json::array()},
                                     {"dns", {"10.0.0.2"}}}))
                        .value();
  EXPECT_EQ(file["labels"], json::array({"b=3", "c=4", "a=1"}));
  EXPECT_EQ(file["exec-opts"], json::array({"native.cgroupdriver=systemd"}));
  EXPECT_EQ(file["registry-mirrors"], json::array({"https://new", "https://old"}));
  EXPECT_EQ(file["insecure-registries"], json::array());
  EXPECT_EQ(file["dns"], json::array({"10.0.0.2"}));
  DaemonJson(R"({"labels": ["a=1", "c=4", "b=3"]})");
  EXPECT_THAT(PlanFor({{"labels", {"b=3", "c=4"}}}).changes, IsEmpty());
}

// An option that the new driver does not know keeps each container from starting.
TEST_F(PlanTest, AnotherLogDriverIsGivenNoForeignOptions) {
  DaemonJson(R"({"log-driver": "json-file", "log-opts": {"max-size": "1m", "tag": "t", "mode":
             "non-blocking"}})");
  files_.Write("/run/systemd/journal/socket");
  const Plan plan = PlanFor({{"log-driver", "journald"}});
  EXPECT_EQ(NewFile(plan).value()["log-opts"], json({{"tag", "t"}, {"mode", "non-blocking"}}));
  EXPECT_THAT(plan.warnings, Contains(HasSubstr("max-size is left out")));
  ASSERT_NE(ChangeOf(plan, "log-opts"), nullptr);
  // A driver whose options nobody here knows has the profile's alone.
  const Plan fluentd =
      PlanFor({{"log-driver", "fluentd"}, {"log-opts", {{"fluentd-address", "a:1"}}}});
  EXPECT_EQ(NewFile(fluentd).value()["log-opts"],
            json({{"fluentd-address", "a:1"}, {"mode", "non-blocking"}}));
  EXPECT_EQ(std::ranges::count(fluentd.changes, "log-opts", &SettingChange::key), 1);
}

TEST_F(PlanTest, RotationIsForLogsThatStayOnTheNode) {
  const Profile profile = ProfileOf({{"log-opts", {{"max-size", "20m"}}}}, "local-logs");
  EXPECT_EQ(NewFile(PlanOf(profile)), json::parse(R"({"log-opts": {"max-size": "20m"}})"));
  DaemonJson(R"({"log-driver": "fluentd", "log-opts": {"fluentd-address": "a:1"}})");
  info()["LoggingDriver"] = "fluentd";
  EXPECT_THAT(PlanOf(profile).files, IsEmpty());
  EXPECT_THAT(PlanOf(profile).skipped.at(0).why, HasSubstr("fluentd"));
}

TEST_F(PlanTest, WhatIsEditedAndNotTakenOverIsAChange) {
  DaemonJson(R"({"live-restore": true})");
  const Plan plan = PlanFor({{"live-restore", true}});
  ASSERT_THAT(plan.changes, SizeIs(1));
  EXPECT_EQ(plan.changes[0].before, "false");
  EXPECT_EQ(plan.changes[0].origin, "engine");
  EXPECT_EQ(plan.effect, Effect::kReload);
  ASSERT_THAT(plan.files, SizeIs(1));
  EXPECT_EQ(plan.files[0].before, plan.files[0].after);
}

TEST_F(PlanTest, EditsOfOthersThatAreTakenOverAreTold) {
  DaemonJson(R"({"debug": true})");
  facts().config =
      MakeEffectiveConfig({}, *ParseDaemonJson(R"({"debug": true})", {20, 10, 24}), {20, 10, 24});
  EXPECT_THAT(PlanFor({{"icc", false}}).warnings, Contains(HasSubstr("all of it is taken over")));
}

TEST_F(PlanTest, FlagsThatWouldClashMoveIntoTheFile) {
  Flags({"-H", "fd://", "--containerd=/run/containerd/containerd.sock", "--icc=true", "--label",
         "a=b", "-Dl", "debug", "--default-ulimit", "core=0", "--default-ulimit=nproc=64:128"});
  info()["Debug"] = true;
  const json limits = {{"nofile", {{"Name", "nofile"}, {"Soft", 64}, {"Hard", 128}}}};
  const Plan plan = PlanFor(
      {{"icc", false}, {"debug", false}, {"default-ulimits", limits}, {"live-restore", true}});
  ASSERT_THAT(plan.files, SizeIs(2));
  const FileChange& unit = plan.files[0];
  EXPECT_EQ(unit.path, "/etc/systemd/system/docker.service.d/50-seaworthy.conf");
  EXPECT_FALSE(unit.before.has_value());
  EXPECT_THAT(unit.after.value(),
              HasSubstr("[Service]\nExecStart=\nExecStart=/usr/sbin/dockerd -H fd:// "
                        "--containerd=/run/containerd/containerd.sock --label a=b -l debug\n"));
  EXPECT_EQ(NewFile(plan), json::parse(R"({"icc": false, "debug": false, "live-restore": true,
    "default-ulimits": {"nofile": {"Name": "nofile", "Soft": 64, "Hard": 128},
                        "core": {"Name": "core", "Soft": 0, "Hard": 0},
                        "nproc": {"Name": "nproc", "Soft": 64, "Hard": 128}}})"));
  EXPECT_EQ(ChangeOf(plan, "icc")->origin, "command-line");
  // A reload would not take over what a flag says.
  EXPECT_EQ(ChangeOf(plan, "debug")->effect, Effect::kRestart);
  EXPECT_EQ(ChangeOf(plan, "live-restore")->effect, Effect::kReload);
  EXPECT_THAT(plan.warnings, Contains(HasSubstr("whole command line")));
}

TEST_F(PlanTest, FlagsThatSayTheSameStay) {
  Flags({"--icc=false", "--log-level=info"});
  const Plan plan = PlanFor({{"icc", false}, {"live-restore", true}});
  ASSERT_THAT(plan.files, SizeIs(1));
  EXPECT_EQ(NewFile(plan), json({{"live-restore", true}}));
}

TEST_F(PlanTest, UnitsAreQuotedSoThatNothingIsExpanded) {
  Flags({"--icc", "--label=a=$HOME %n", "--label", "b=\"c\\d\"", "--label=e=\xc3\xa9\n",
         "--log-opt=env=x;y"});
  const Plan plan = PlanFor({{"icc", false}});
  EXPECT_THAT(plan.files.at(0).after.value(),
              HasSubstr("/usr/sbin/dockerd \"--label=a=$$HOME %%n\" --label \"b=\\\"c\\\\d\\\"\" "
                        "\"--label=e=\\xc3\\xa9\\x0a\" \"--log-opt=env=x;y\"\n"));
  facts().process->executable = "/usr/sbin/dockerd (deleted)";
  EXPECT_THAT(TryPlan({{"icc", false}}), Refused("ENGINE_FLAG"));
}

TEST_F(PlanTest, FlagsThatAreNoTextStayWhereTheyAre) {
  Flags({"--label=a=\xff", "--icc"});
  EXPECT_THAT(PlanFor({{"icc", false}}).files.at(0).after.value(),
              HasSubstr("\"--label=a=\\xff\""));
  EXPECT_THAT(TryPlan({{"labels", {"b=1", "c=2"}}}), Refused("ENGINE_FLAG"));
}

TEST_F(PlanTest, AnEarlierDropInIsWhatIsReplaced) {
  Flags({"--icc"});
  files_.Write("/etc/systemd/system/docker.service.d/50-seaworthy.conf", "[Service]\n");
  EXPECT_EQ(PlanFor({{"icc", false}}).files.at(0).before, "[Service]\n");
  files_.Mode("/etc/systemd/system/docker.service.d", 0777);
  EXPECT_THAT(TryPlan({{"icc", false}}), Refused("DROP_IN_UNSAFE"));
}

TEST_F(PlanTest, WithoutAUnitFlagsCannotBeChanged) {
  Flags({"--icc"});
  const Result<Plan> plan = TryPlan({{"icc", false}}, "");
  EXPECT_THAT(plan, Refused("ENGINE_FLAG"));
  EXPECT_THAT(Message(plan.status()), HasSubstr("--icc"));
  EXPECT_TRUE(TryPlan({{"live-restore", true}}, "").ok());
}

// "override.conf", as systemctl edit makes it, is read after ours.
TEST_F(PlanTest, ADropInThatHasTheLastWordIsToldOf) {
  Flags({"--icc"});
  const std::string path = "/etc/systemd/system/docker.service.d/override.conf";
  files_.Write(path, "[Service]\nNice=1\n");
  EXPECT_TRUE(TryPlan({{"icc", false}}).ok());
  files_.Write(path, "[Service]\n ExecStart =\nExecStart=/usr/sbin/dockerd --icc\n");
  const Result<Plan> plan = TryPlan({{"icc", false}});
  EXPECT_THAT(plan, Refused("ENGINE_FLAG"));
  EXPECT_THAT(Message(plan.status()), HasSubstr(path));
  std::filesystem::rename(files_.At(path),
                          files_.At("/etc/systemd/system/docker.service.d/10-engine.conf"));
  EXPECT_TRUE(TryPlan({{"icc", false}}).ok());
}

TEST_F(PlanTest, IsSealed) {
  const Plan plan = PlanFor({{"icc", false}});
  EXPECT_THAT(plan.digest, SizeIs(64));
  EXPECT_EQ(PlanFor({{"icc", false}}).digest, plan.digest);
  for (const auto change :
       {+[](Plan& p) { p.profile = "b"; }, +[](Plan& p) { p.canary = true; },
        +[](Plan& p) { p.files[0].before = "{}"; },
        +[](Plan& p) { p.files[0].after = std::nullopt; },
        +[](Plan& p) { p.changes[0].after = "true"; },
        +[](Plan& p) { p.warnings.emplace_back("w"); },
        +[](Plan& p) { p.skipped.push_back({"a", "b"}); },
        +[](Plan& p) { p.consents.push_back({Consent::kMoveData, "b"}); },
        +[](Plan& p) { p.effect = Effect::kNone; }, +[](Plan& p) { p.engine = "29.0.0"; },
        +[](Plan& p) { p.socket = "/s"; }}) {
    Plan other = plan;
    change(other);
    Seal(other);
    EXPECT_NE(other.digest, plan.digest);
  }
}

TEST_F(PlanTest, IsOneLineOfJson) {
  DaemonJson(R"({"mtu": 1400})");
  Container();
  Flags({"--live-restore=false"});
  const Plan plan = PlanFor({{"icc", false}, {"min-api-version", "1.44"}});
  const std::string text = ToJson(plan);
  EXPECT_THAT(text, Not(HasSubstr("\n")));
  const json object = json::parse(text);
  EXPECT_EQ(object["changes"][0]["key"], "icc");
  EXPECT_EQ(object["changes"][0]["effect"], "restart");
  EXPECT_EQ(object["skipped"][0]["key"], "min-api-version");
  EXPECT_EQ(object["consents"][0]["consent"], "stop-containers");
  EXPECT_EQ(object["files"][0]["before"], R"({"mtu": 1400})");
  EXPECT_EQ(object["effect"], "restart");
  EXPECT_EQ(object["digest"], plan.digest);
  std::filesystem::remove(files_.At(kFile));
  EXPECT_FALSE(json::parse(ToJson(PlanFor({{"icc", false}})))["files"][0].contains("before"));
}

TEST(HardeningWords, AreReadAsTheyAreWritten) {
  for (const Consent consent :
       {Consent::kMoveData, Consent::kStopContainers, Consent::kLoseAccess}) {
    EXPECT_EQ(ParseConsent(Name(consent)).value(), consent);
  }
  EXPECT_THAT(ParseConsent("all"),
              seaworthy::testing::Fails(Code::kInvalidArgument, "CONSENT_UNKNOWN"));
  EXPECT_EQ(Name(Effect::kNone), "none");
  EXPECT_EQ(Name(Effect::kReload), "reload");
  EXPECT_EQ(Name(Effect::kRestart), "restart");
}

}  // namespace
}  // namespace seaworthy::docker
