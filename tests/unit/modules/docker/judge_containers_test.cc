// Section 5 over what a real engine (20.10.24) showed of containers, reduced to what counts.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sys/socket.h>
#include <sys/un.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <set>

#include "judge_fixture.h"
#include "seaworthy/handle.h"

namespace seaworthy::docker {
namespace {

using nlohmann::json;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::HasSubstr;

// docker run -m 64m --cpu-shares 512 --read-only --restart on-failure:5 --ulimit nofile=64
//     --security-opt no-new-privileges --cap-drop ALL --pids-limit 50 --network none
constexpr const char* kGood = R"({
  "Id": "6e9c7d2fb8012fc82288393d9a0278dc1a0594cc356df7136486c84b9c55d43a",
  "Name": "/good", "Image": "sha256:a801", "ExecIDs": null, "Mounts": [],
  "ProcessLabel": "", "AppArmorProfile": "",
  "State": {"Running": true, "Pid": 0, "Health": {"Status": "starting"}},
  "Config": {"User": "1000:1000", "Image": "busybox@sha256:a801"},
  "HostConfig": {
    "NetworkMode": "none", "PortBindings": {}, "Privileged": false, "CapAdd": null,
    "RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 5},
    "IpcMode": "private", "PidMode": "", "UTSMode": "", "UsernsMode": "", "CgroupParent": "",
    "ReadonlyRootfs": true, "SecurityOpt": ["no-new-privileges"], "CpuShares": 512,
    "Memory": 67108864, "NanoCpus": 0, "CpuQuota": 0, "Devices": [], "DeviceCgroupRules": null,
    "DeviceRequests": null, "PidsLimit": 50,
    "Ulimits": [{"Name": "nofile", "Hard": 64, "Soft": 64}]},
  "NetworkSettings": {"Ports": {}, "Networks": {"none": {}}}})";

class JudgeContainersTest : public JudgeFixture {
 protected:
  JudgeContainersTest() : JudgeFixture(kContainerChecks) {}
  void SetUp() override {
    for (const char* name : {"etc/ssh", "run", "usr/lib", "dev", "proc/7", "srv/data",
                             "var/lib/docker/volumes/v/_data"}) {
      std::filesystem::create_directories(root_.path() / name);
    }
    std::filesystem::create_symlink("/run", root_.path() / "var/run");
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    const std::string path = root_ / "run/docker.sock";
    ASSERT_LT(path.size(), sizeof(address.sun_path));
    std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
    socket_.reset(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    ASSERT_EQ(bind(socket_.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    facts_.socket = "/run/docker.sock";
    facts_.data_root = "/var/lib/docker";
    facts_.exec_root = "/var/run/docker";
    facts_.engine_version = {20, 10, 24};
    facts_.info = json::parse(R"({"SecurityOptions": ["name=seccomp,profile=default"],
                                  "Swarm": {"LocalNodeState": "inactive"}})");
    facts_.config = EffectiveConfig();
    facts_.images = std::vector<json>();
    facts_.volumes = std::vector<json>();
    facts_.execs[Id()] = std::vector<json>();
    facts_.containers = std::vector<json>{json::parse(kGood)};
    facts_.container_processes[Id()] = std::vector<std::string>{"sleep"};
  }

  static std::string Id() { return json::parse(kGood)["Id"]; }
  json& container() { return facts_.containers->front(); }
  json& host() { return container()["HostConfig"]; }
  void Mount(const std::string& source, const char* type = "bind",
             const char* propagation = "rprivate") {
    container()["Mounts"] = json::array({{{"Type", type},
                                          {"Source", source},
                                          {"Destination", "/x"},
                                          {"RW", true},
                                          {"Propagation", propagation}}});
  }
  void Bind(const char* address, const char* port) {
    host()["PortBindings"] = {{"80/tcp", json::array({{{"HostIp", address}, {"HostPort", port}}})}};
  }

  void ExpectFail(std::string_view check, const char* evidence) const {
    SCOPED_TRACE(check);
    EXPECT_THAT(Of(check), ElementsAre(AllOf(Field(&Finding::outcome, Outcome::kFail),
                                             Field(&Finding::subject, "good"),
                                             Field(&Finding::evidence, HasSubstr(evidence)))));
  }

  UniqueFd socket_;
};

TEST_F(JudgeContainersTest, GoodContainerPassesAllThatCanBePassed) {
  const std::set<std::string_view> other = {"5.2", "5.3", "5.23", "5.24"};
  EXPECT_EQ(kContainerChecks.checks.size(), 32U);
  for (const Check& check : kContainerChecks.checks) {
    if (!other.contains(check.id)) {
      EXPECT_EQ(OutcomeOf(check.id), Outcome::kPass) << check.id << Of(check.id)[0].text;
    }
  }
  EXPECT_EQ(OutcomeOf("5.2"), Outcome::kNotApplicable);
  EXPECT_EQ(OutcomeOf("5.3"), Outcome::kNotApplicable);
  EXPECT_EQ(OutcomeOf("5.23"), Outcome::kManual);
}

TEST_F(JudgeContainersTest, StoppedContainersAreNotJudged) {
  host()["Privileged"] = true;
  container()["State"]["Running"] = false;
  EXPECT_EQ(OutcomeOf("5.5"), Outcome::kNotApplicable);
  facts_.containers->push_back(json::parse(kGood));
  EXPECT_EQ(OutcomeOf("5.5"), Outcome::kPass);
}

TEST_F(JudgeContainersTest, SaysSomethingOfEachCheckWhateverIsMissing) {
  const Facts nothing(os::RootFolder::Open(root_.path().string()).value());
  Findings findings;
  kContainerChecks.judge(nothing, policy_, findings);
  for (const Check& check : kContainerChecks.checks) EXPECT_TRUE(findings.Has(check.id));
  for (const Finding& finding : findings.all()) {
    EXPECT_EQ(finding.outcome, Outcome::kCannotTell) << finding.check;
    EXPECT_NE(finding.text, "") << finding.check;
  }
  container().erase("HostConfig");
  EXPECT_EQ(OutcomeOf("5.5"), Outcome::kCannotTell);
}

TEST_F(JudgeContainersTest, SwarmIsOffOrWanted) {
  (*facts_.info)["Swarm"]["LocalNodeState"] = "active";
  EXPECT_EQ(OutcomeOf("5.1"), Outcome::kFail);
  policy_.swarm = true;
  EXPECT_EQ(OutcomeOf("5.1"), Outcome::kPass);
}

TEST_F(JudgeContainersTest, AppArmorWhereTheEngineHasIt) {
  (*facts_.info)["SecurityOptions"].push_back("name=apparmor");
  ExpectFail("5.2", "AppArmorProfile = \"\"");
  container()["AppArmorProfile"] = "unconfined";
  ExpectFail("5.2", "unconfined");
  container()["AppArmorProfile"] = "docker-default";
  EXPECT_EQ(OutcomeOf("5.2"), Outcome::kPass);
}

TEST_F(JudgeContainersTest, OnlyLabelsCountForSelinux) {
  (*facts_.info)["SecurityOptions"].push_back("name=selinux");
  host()["SecurityOpt"] = {"seccomp=unconfined"};
  ExpectFail("5.3", "ProcessLabel");
  host()["SecurityOpt"] = {"label=type:container_t"};
  EXPECT_EQ(OutcomeOf("5.3"), Outcome::kPass);
  host()["SecurityOpt"] = {"label=type:spc_t"};
  EXPECT_EQ(OutcomeOf("5.3"), Outcome::kFail);
  host()["SecurityOpt"] = nullptr;
  container()["ProcessLabel"] = "system_u:system_r:container_t:s0:c1,c2";
  EXPECT_EQ(OutcomeOf("5.3"), Outcome::kPass);
  container()["ProcessLabel"] = "system_u:system_r:spc_t:s0";
  ExpectFail("5.3", "spc_t");
  for (const char* option : {"label=disable", "label:disable", "disable"}) {
    host()["SecurityOpt"] = {option};
    ExpectFail("5.3", "label=disable");
  }
}

TEST_F(JudgeContainersTest, CapabilitiesWithAndWithoutTheirPrefix) {
  policy_.capabilities = {"NET_ADMIN"};
  host()["CapAdd"] = {"net_admin"};
  EXPECT_EQ(OutcomeOf("5.4"), Outcome::kPass);
  host()["CapAdd"] = {"CAP_NET_ADMIN", "CAP_SYS_TIME"};
  ExpectFail("5.4", "CapAdd: SYS_TIME");
  host()["CapAdd"] = {"ALL"};
  ExpectFail("5.4", "CapAdd: ALL");
}

// As an engine without the means to start it showed it.
TEST_F(JudgeContainersTest, PrivilegedIsAllOfIt) {
  host()["Privileged"] = true;
  host()["SecurityOpt"] = {"label=disable"};
  for (const char* check : {"5.4", "5.5", "5.18", "5.22"}) ExpectFail(check, "Privileged = true");
  host()["SecurityOpt"] = {"seccomp={}"};
  ExpectFail("5.22", "Privileged = true");
  facts_.engine_version = {28, 5, 2};
  EXPECT_EQ(OutcomeOf("5.22"), Outcome::kPass);
}

TEST_F(JudgeContainersTest, SensitiveFoldersInBothDirectionsAndThroughLinks) {
  std::filesystem::create_symlink("/etc", root_.path() / "srv/link");
  for (const char* source : {"/", "/etc", "/etc/ssh", "/etc/gone/file", "/srv/link/ssh", "/usr/lib",
                             "/var/run", "/var/lib", "/var/lib/docker/volumes/v/_data", "/run/x"}) {
    Mount(source);
    ExpectFail("5.6", source);
  }
  for (const char* source : {"/srv/data", "/srv/gone", "/srv"}) {
    Mount(source);
    EXPECT_EQ(OutcomeOf("5.6"), Outcome::kPass) << source;
  }
  Mount("/var/lib/docker/volumes/v/_data", "volume");
  EXPECT_EQ(OutcomeOf("5.6"), Outcome::kPass);
  Mount("", "tmpfs");
  EXPECT_EQ(OutcomeOf("5.6"), Outcome::kPass);
  policy_.mounts = {"/etc/ssh"};
  Mount("/srv/link/ssh");
  EXPECT_EQ(OutcomeOf("5.6"), Outcome::kPass);
  Mount("/etc");
  EXPECT_EQ(OutcomeOf("5.6"), Outcome::kFail);
}

TEST_F(JudgeContainersTest, VolumesOfTheHostsFolders) {
  Mount("/var/lib/docker/volumes/v/_data", "volume");
  container()["Mounts"][0]["Name"] = "v";
  const auto make = [&](const char* how, const char* device) {
    facts_.volumes = std::vector<json>{
        {{"Name", "v"}, {"Driver", "local"}, {"Options", {{"o", how}, {"device", device}}}}};
  };
  for (const char* const how : {"bind", "ro,rbind"}) {
    make(how, "/etc/ssh");
    ExpectFail("5.6", "a volume of /etc/ssh");
  }
  make("bind", "/srv/data");
  EXPECT_EQ(OutcomeOf("5.6"), Outcome::kPass);
  make("size=1m", "/etc/ssh");
  EXPECT_EQ(OutcomeOf("5.6"), Outcome::kPass);
  facts_.volumes = Fail(Code::kInternal, "ENGINE_REFUSED", "no");
  EXPECT_EQ(OutcomeOf("5.6"), Outcome::kCannotTell);
}

TEST_F(JudgeContainersTest, SshServersOfTheContainersOwn) {
  facts_.container_processes[Id()] = std::vector<std::string>{"sh", "grep", "sshd"};
  ExpectFail("5.7", "sshd");
  // A PID namespace shared with the host shows others' processes, which are not in its cgroup.
  host()["PidMode"] = "host";
  facts_.container_processes[Id()] = std::vector<std::string>{"sleep"};
  EXPECT_EQ(OutcomeOf("5.7"), Outcome::kPass);
  facts_.container_processes.clear();
  EXPECT_EQ(OutcomeOf("5.7"), Outcome::kCannotTell);
}

TEST_F(JudgeContainersTest, PortsBelow1024OnAnyAddress) {
  for (const char* address : {"::", "[::]", "", "127.0.0.1"}) {
    Bind(address, "80");
    ExpectFail("5.8", ":80 -> 80/tcp");
  }
  Bind("", "");
  EXPECT_EQ(OutcomeOf("5.8"), Outcome::kPass);
  // What the engine has opened counts, whatever was asked for.
  container()["NetworkSettings"]["Ports"] = {
      {"80/tcp", json::array({{{"HostIp", "::"}, {"HostPort", "81"}}})}};
  ExpectFail("5.8", "[::]:81");
  policy_.privileged_ports = {81};
  EXPECT_EQ(OutcomeOf("5.8"), Outcome::kPass);
}

TEST_F(JudgeContainersTest, OpenPortsAreThePolicys) {
  Bind("127.0.0.1", "8080");
  EXPECT_EQ(OutcomeOf("5.9"), Outcome::kManual);
  policy_.ports = {8080};
  EXPECT_EQ(OutcomeOf("5.9"), Outcome::kPass);
  policy_.ports = {8081};
  ExpectFail("5.9", "127.0.0.1:8080");
  host()["NetworkMode"] = "host";
  EXPECT_EQ(OutcomeOf("5.9"), Outcome::kManual);
}

TEST_F(JudgeContainersTest, PortsOnAllInterfaces) {
  for (const char* address : {"", "0.0.0.0", "::", "[::]", "0:0:0:0:0:0:0:0", "::ffff:0.0.0.0"}) {
    Bind(address, "8080");
    ExpectFail("5.14", "8080");
  }
  for (const char* address : {"127.0.0.1", "::1", "fd00::1"}) {
    Bind(address, "8080");
    EXPECT_EQ(OutcomeOf("5.14"), Outcome::kPass) << address;
  }
}

TEST_F(JudgeContainersTest, NamespacesOfTheHostAlsoByWayOfOthers) {
  const std::map<const char*, const char*> members = {{"5.10", "NetworkMode"},
                                                      {"5.16", "PidMode"},
                                                      {"5.17", "IpcMode"},
                                                      {"5.21", "UTSMode"},
                                                      {"5.31", "UsernsMode"}};
  json other = json::parse(kGood);
  other["Id"] = "4298d364";
  other["Name"] = "/other";
  other["State"]["Running"] = false;
  facts_.containers->push_back(other);
  for (const auto& [check, member] : members) {
    host()[member] = "host";
    ExpectFail(check, member);
    host()[member] = "container:4298d364";
    EXPECT_EQ(OutcomeOf(check), Outcome::kPass) << check;
    facts_.containers->back()["HostConfig"][member] = "host";
    ExpectFail(check, "there");
    facts_.containers->back()["HostConfig"][member] = "container:" + Id();  // a circle
    EXPECT_EQ(OutcomeOf(check), Outcome::kPass) << check;
  }
}

TEST_F(JudgeContainersTest, Limits) {
  for (const auto& [check, member] :
       {std::pair{"5.11", "Memory"}, std::pair{"5.29", "PidsLimit"}}) {
    host()[member] = 0;
    ExpectFail(check, member);
    host()[member] = nullptr;
    ExpectFail(check, member);
    host()[member] = -1;
    ExpectFail(check, member);
  }
  for (const int shares : {0, 1024}) {
    host()["CpuShares"] = shares;
    ExpectFail("5.12", "CpuShares");
  }
  host()["CpuQuota"] = 50000;
  EXPECT_EQ(OutcomeOf("5.12"), Outcome::kPass);
  host()["CpuQuota"] = -1;
  host()["NanoCpus"] = 500000000;
  EXPECT_EQ(OutcomeOf("5.12"), Outcome::kPass);
  host()["CgroupParent"] = "/odd";
  ExpectFail("5.25", "/odd");
  host()["Ulimits"] = json::array();
  ExpectFail("5.19", "Ulimits");
  facts_.config->settings["default-ulimits"].value = {{"nofile", {{"Soft", 64}}}};
  EXPECT_EQ(OutcomeOf("5.19"), Outcome::kPass);
}

TEST_F(JudgeContainersTest, RestartsEnd) {
  for (const auto& [name, most] : {std::pair{"always", 0}, std::pair{"unless-stopped", 0},
                                   std::pair{"on-failure", 0}, std::pair{"on-failure", 6}}) {
    host()["RestartPolicy"] = {{"Name", name}, {"MaximumRetryCount", most}};
    ExpectFail("5.15", name);
  }
  host()["RestartPolicy"] = {{"Name", "no"}, {"MaximumRetryCount", 0}};
  EXPECT_EQ(OutcomeOf("5.15"), Outcome::kPass);
}

TEST_F(JudgeContainersTest, DevicesInEachWayToGiveThem) {
  host()["Devices"] = json::array({{{"PathOnHost", "/dev/null"}, {"PathInContainer", "/dev/x"}}});
  ExpectFail("5.18", "Devices /dev/null");
  policy_.devices = {"/dev/null"};
  EXPECT_EQ(OutcomeOf("5.18"), Outcome::kPass);
  host()["DeviceCgroupRules"] = {"c 1:3 rwm"};
  ExpectFail("5.18", "DeviceCgroupRules c 1:3 rwm");
  host()["DeviceCgroupRules"] = nullptr;
  host()["DeviceRequests"] =
      json::parse(R"([{"Driver": "", "Count": -1, "DeviceIDs": null, "Capabilities": [["gpu"]]}])");
  ExpectFail("5.18", "DeviceRequests");
}

TEST_F(JudgeContainersTest, FilesAndPropagation) {
  host()["ReadonlyRootfs"] = false;
  ExpectFail("5.13", "ReadonlyRootfs");
  for (const char* propagation : {"shared", "rshared"}) {
    Mount("/srv/data", "bind", propagation);
    ExpectFail("5.20", propagation);
  }
  Mount("/srv/data", "bind", "rslave");
  EXPECT_EQ(OutcomeOf("5.20"), Outcome::kPass);
}

TEST_F(JudgeContainersTest, ProfilesThatRefuseNothingAreNone) {
  for (const char* const profile :
       {R"({"defaultAction": "SCMP_ACT_ALLOW"})", R"({"defaultAction": "SCMP_ACT_LOG"})",
        R"({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": null})",
        R"({"defaultAction": "SCMP_ACT_ALLOW",
            "syscalls": [{"names": ["bpf"], "action": "SCMP_ACT_LOG"}]})"}) {
    host()["SecurityOpt"] = {std::string("seccomp=") + profile};
    ExpectFail("5.22", "SCMP_ACT_ALLOW");
  }
  for (const char* const profile :
       {R"({"defaultAction": "SCMP_ACT_ERRNO"})", R"({"defaultAction": "SCMP_ACT_ERRNO",
            "syscalls": [{"names": ["read"], "action": "SCMP_ACT_ALLOW"}]})",
        R"({"defaultAction": "SCMP_ACT_ALLOW",
            "syscalls": [{"names": ["bpf"], "action": "SCMP_ACT_ERRNO"}]})",
        "builtin"}) {
    host()["SecurityOpt"] = {std::string("seccomp=") + profile};
    EXPECT_EQ(OutcomeOf("5.22"), Outcome::kPass) << profile;
  }
}

TEST_F(JudgeContainersTest, SeccompOfItsOwnOrTheEngines) {
  host()["SecurityOpt"] = {"seccomp=unconfined"};
  ExpectFail("5.22", "seccomp=unconfined");
  host()["SecurityOpt"] = nullptr;
  EXPECT_EQ(OutcomeOf("5.22"), Outcome::kPass);
  (*facts_.info)["SecurityOptions"] = {"name=seccomp,profile=unconfined"};
  ExpectFail("5.22", "profile=unconfined");
  (*facts_.info)["SecurityOptions"] = json::array();
  ExpectFail("5.22", "name=seccomp");
}

TEST_F(JudgeContainersTest, NoNewPrivilegesIsTheContainersWordThenTheEngines) {
  for (const char* option :
       {"no-new-privileges", "no-new-privileges:true", "no-new-privileges=1"}) {
    host()["SecurityOpt"] = {option};
    EXPECT_EQ(OutcomeOf("5.26"), Outcome::kPass) << option;
  }
  host()["SecurityOpt"] = nullptr;
  ExpectFail("5.26", "the engine's is false");
  facts_.config->settings["no-new-privileges"].value = true;
  EXPECT_EQ(OutcomeOf("5.26"), Outcome::kPass);
  host()["SecurityOpt"] = {"no-new-privileges=false"};
  ExpectFail("5.26", "no-new-privileges=false");
  // Made before the engine had its default.
  host()["SecurityOpt"] = nullptr;
  container()["State"]["Pid"] = 7;
  std::ofstream(root_ / "proc/7/status") << "Name:\tsleep\nNoNewPrivs:\t0\nSeccomp:\t2\n";
  ExpectFail("5.26", "/proc/7/status: NoNewPrivs 0");
  std::ofstream(root_ / "proc/7/status") << "Name:\tsleep\nNoNewPrivs:\t1\nSeccomp:\t2\n";
  EXPECT_EQ(OutcomeOf("5.26"), Outcome::kPass);
}

// As GET /exec/ID/json shows it.
json Exec(bool privileged, const char* user) {
  return {{"ID", "0709d9cdb9a71b2a6bd4e4ad0a1ccb0a86ffbb3d9dd4e2d7c7ddd7c1b9b2c1ff"},
          {"Running", true},
          {"ProcessConfig", {{"entrypoint", "sh"}, {"privileged", privileged}, {"user", user}}}};
}

TEST_F(JudgeContainersTest, ExecsAreAPersonsToJudgeButForThoseThatAreThere) {
  EXPECT_THAT(Of("5.23"), ElementsAre(AllOf(Field(&Finding::outcome, Outcome::kManual),
                                            Field(&Finding::text, HasSubstr("keeps no log")))));
  facts_.execs[Id()] = std::vector<json>{Exec(false, "1000:1000"), Exec(false, "")};
  EXPECT_EQ(OutcomeOf("5.23"), Outcome::kManual);
  EXPECT_EQ(OutcomeOf("5.24"), Outcome::kManual);
  facts_.execs[Id()]->push_back(Exec(true, ""));
  ExpectFail("5.23", "GET /exec/0709d9cdb9a7/json");
  EXPECT_EQ(OutcomeOf("5.24"), Outcome::kManual);
  facts_.execs[Id()] = Fail(Code::kDeadlineExceeded, "ENGINE_TIMEOUT", "late");
  EXPECT_EQ(OutcomeOf("5.23"), Outcome::kCannotTell);
  facts_.execs.clear();
  EXPECT_EQ(OutcomeOf("5.23"), Outcome::kCannotTell);
}

TEST_F(JudgeContainersTest, ExecAsRootInAnySpelling) {
  for (const char* const user : {"root", "0", "0:0", "00", "root:root"}) {
    facts_.execs[Id()] = std::vector<json>{Exec(false, user)};
    ExpectFail("5.24", user);
  }
  // A check of health runs as the container does.
  container()["Config"]["User"] = "root:root";
  EXPECT_EQ(OutcomeOf("5.24"), Outcome::kManual);
}

TEST_F(JudgeContainersTest, HealthIsChecked) {
  container()["State"].erase("Health");
  ExpectFail("5.27", "State.Health");
}

TEST_F(JudgeContainersTest, ImagesByDigestOrAsTheirTagIsNow) {
  container()["Config"]["Image"] = "reg:5000/busybox";
  EXPECT_EQ(OutcomeOf("5.28"), Outcome::kManual);
  facts_.images = std::vector<json>(
      1, json::parse(R"({"Id": "sha256:a801", "RepoTags": ["reg:5000/busybox:latest"]})"));
  EXPECT_EQ(OutcomeOf("5.28"), Outcome::kManual);
  facts_.images->front()["Id"] = "sha256:beef";
  ExpectFail("5.28", "sha256:beef");
  container()["Config"]["Image"] = "sha256:a801bb28";
  EXPECT_EQ(OutcomeOf("5.28"), Outcome::kPass);
}

TEST_F(JudgeContainersTest, DefaultBridgeWhereItIsOne) {
  json& networks = container()["NetworkSettings"]["Networks"];
  host()["NetworkMode"] = "n1";
  networks = {{"n1", json::object()}, {"bridge", json::object()}};  // connected later
  ExpectFail("5.30", "bridge");
  networks.erase("bridge");
  EXPECT_EQ(OutcomeOf("5.30"), Outcome::kPass);
  // Of an engine with --bridge=none.
  networks = {{"bridge", json::object()}};
  container()["Config"]["NetworkDisabled"] = true;
  EXPECT_EQ(OutcomeOf("5.30"), Outcome::kPass);
}

TEST_F(JudgeContainersTest, EngineSocketUnderAnyName) {
  std::filesystem::create_hard_link(root_ / "run/docker.sock", root_ / "srv/data/s");
  std::filesystem::create_symlink("/run/docker.sock", root_.path() / "srv/s");
  for (const char* source : {"/run/docker.sock", "/var/run/docker.sock", "/srv/s", "/srv/data/s",
                             "/run", "/var/run", "/"}) {
    Mount(source);
    ExpectFail("5.32", source);
  }
  for (const char* source : {"/srv", "/etc", "/run/other.sock"}) {
    Mount(source);
    EXPECT_EQ(OutcomeOf("5.32"), Outcome::kPass) << source;
  }
  // Another socket that the engine listens at.
  facts_.process = EngineProcess();
  facts_.process->listeners.push_back({Listener::Kind::kUnix, "/etc/ssh", 0});
  Mount("/etc");
  ExpectFail("5.32", "/etc");
  facts_.process = Fail(Code::kNotFound, "ENGINE_PROCESS", "none");
  facts_.socket = "/gone";
  EXPECT_EQ(OutcomeOf("5.32"), Outcome::kCannotTell);
}

}  // namespace
}  // namespace seaworthy::docker
