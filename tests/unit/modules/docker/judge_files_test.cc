// Only root gives files away. Whoever else runs this sees that what is theirs is not root's.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "unit/modules/docker/system_files.h"

namespace seaworthy::docker {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

class JudgeFiles : public ::testing::Test {
 protected:
  SystemFiles::Said Judge(std::string_view check) { return files_.Judge(kFileChecks, check); }

  void Own(const std::string& path, uid_t uid, gid_t gid) {
    if (geteuid() != 0) return;
    ASSERT_EQ(lchown(files_.At(path).c_str(), uid, gid), 0);
  }

  SystemFiles files_;
};

auto Passes() { return ElementsAre(Pair(Outcome::kPass, "")); }
auto FailsAt(const std::string& path) { return ElementsAre(Pair(Outcome::kFail, path)); }
// Of what was made by who runs this.
SystemFiles::Said IfRoots(const std::string& path) {
  if (geteuid() == 0) return {{Outcome::kPass, ""}};
  return {{Outcome::kFail, path}};
}
auto IsNotThere() { return ElementsAre(Pair(Outcome::kNotApplicable, "")); }

struct Plain {
  const char* owner;
  const char* mode;
  const char* path;
};

void PrintTo(const Plain& value, std::ostream* out) { *out << value.mode; }

// Files that may be 0644.
constexpr Plain kPlain[] = {
    {"3.1", "3.2", "/etc/systemd/system/docker.service"},
    {"3.3", "3.4", "/etc/systemd/system/docker.socket"},
    {"3.17", "3.18", "/etc/docker/daemon.json"},
    {"3.19", "3.20", "/etc/default/docker"},
    {"3.22", "3.21", "/etc/sysconfig/docker"},
};

class PlainFiles : public JudgeFiles, public ::testing::WithParamInterface<Plain> {
 protected:
  void Write() {
    files_.facts.units = {{"docker.service", "/etc/systemd/system/docker.service"},
                          {"docker.socket", "/etc/systemd/system/docker.socket"}};
    files_.Write(GetParam().path);
  }
};

TEST_P(PlainFiles, AbsentIsNotApplicable) {
  EXPECT_THAT(Judge(GetParam().owner), IsNotThere());
  EXPECT_THAT(Judge(GetParam().mode), IsNotThere());
}

TEST_P(PlainFiles, ModesAreComparedBitByBit) {
  Write();
  for (const mode_t mode : {0644U, 0600U, 0444U, 0400U, 0U}) {
    files_.Mode(GetParam().path, mode);
    EXPECT_THAT(Judge(GetParam().mode), Passes()) << std::oct << mode;
  }
  // Less than 0644 as numbers, and open to others.
  for (const mode_t mode : {0622U, 0606U, 0602U, 0421U, 0755U, 0666U, 04644U}) {
    files_.Mode(GetParam().path, mode);
    EXPECT_THAT(Judge(GetParam().mode), FailsAt(GetParam().path)) << std::oct << mode;
  }
}

TEST_P(PlainFiles, OwnerAndGroupAreRoots) {
  Write();
  EXPECT_EQ(Judge(GetParam().owner), IfRoots(GetParam().path));
  Own(GetParam().path, 1000, 0);
  EXPECT_THAT(Judge(GetParam().owner), FailsAt(GetParam().path));
  Own(GetParam().path, 0, 1000);
  EXPECT_THAT(Judge(GetParam().owner), FailsAt(GetParam().path));
}

INSTANTIATE_TEST_SUITE_P(Each, PlainFiles, ::testing::ValuesIn(kPlain));

TEST_F(JudgeFiles, WhatALinkLeadsToIsJudged) {
  files_.Write("/opt/daemon.json", "{}", 0666);
  files_.Link("/opt/daemon.json", "/etc/docker/daemon.json");
  EXPECT_THAT(Judge("3.18"), FailsAt("/opt/daemon.json"));
}

TEST_F(JudgeFiles, TheDaemonJsonThatIsUsed) {
  files_.Write("/etc/docker/daemon.json", "{}", 0644);
  files_.Write("/srv/other.json", "{}", 0664);
  files_.facts.config_file.path = "/srv/other.json";
  EXPECT_THAT(Judge("3.18"), FailsAt("/srv/other.json"));
  files_.facts.config_file.path = "";
  files_.facts.config = Fail(Code::kNotFound, "ENGINE_PROCESS", "no dockerd");
  EXPECT_THAT(Judge("3.18"), ElementsAre(Pair(Outcome::kCannotTell, "")));
}

TEST_F(JudgeFiles, TheFolderOfTheConfiguration) {
  EXPECT_THAT(Judge("3.6"), IsNotThere());
  files_.Folder("/etc/docker", 0755);
  EXPECT_THAT(Judge("3.6"), Passes());
  files_.Folder("/etc/docker", 0722);
  EXPECT_THAT(Judge("3.6"), FailsAt("/etc/docker"));
}

TEST_F(JudgeFiles, RegistriesKeysAreRootsAlone) {
  EXPECT_THAT(Judge("3.8"), IsNotThere());
  files_.Write("/etc/docker/certs.d/registry.example:5000/ca.crt", "x", 0444);
  files_.Write("/etc/docker/certs.d/registry.example:5000/client.cert", "x", 0444);
  files_.Write("/etc/docker/certs.d/registry.example:5000/client.key", "x", 0400);
  EXPECT_THAT(Judge("3.8"), Passes());
  files_.Mode("/etc/docker/certs.d/registry.example:5000/client.key", 0444);
  EXPECT_THAT(Judge("3.8"), FailsAt("/etc/docker/certs.d/registry.example:5000/client.key"));
  files_.Mode("/etc/docker/certs.d/registry.example:5000/client.cert", 0644);
  files_.Mode("/etc/docker/certs.d/registry.example:5000", 0777);
  EXPECT_THAT(Judge("3.8"),
              UnorderedElementsAre(
                  Pair(Outcome::kFail, "/etc/docker/certs.d/registry.example:5000"),
                  Pair(Outcome::kFail, "/etc/docker/certs.d/registry.example:5000/client.cert"),
                  Pair(Outcome::kFail, "/etc/docker/certs.d/registry.example:5000/client.key")));
}

TEST_F(JudgeFiles, AKeyIsOneByTheNameTheEngineReadsItBy) {
  files_.Write("/opt/secret", "x", 0444);
  files_.Folder("/etc/docker/certs.d/r");
  files_.Link("/opt/secret", "/etc/docker/certs.d/r/client.key");
  EXPECT_THAT(Judge("3.8"), FailsAt("/opt/secret"));
}

TEST_F(JudgeFiles, LinksInACircleEnd) {
  files_.Folder("/etc/docker/certs.d/r");
  files_.Link("..", "/etc/docker/certs.d/r/up");
  EXPECT_THAT(Judge("3.8"), Passes());
}

TEST_F(JudgeFiles, RegistriesFilesAreRoots) {
  files_.Write("/etc/docker/certs.d/r/ca.crt", "x", 0444);
  if (geteuid() == 0) {
    EXPECT_THAT(Judge("3.7"), Passes());
  }
  Own("/etc/docker/certs.d/r/ca.crt", 1000, 1000);
  EXPECT_THAT(Judge("3.7"), Contains(Pair(Outcome::kFail, "/etc/docker/certs.d/r/ca.crt")));
}

TEST_F(JudgeFiles, WithoutTlsThereIsNoKey) {
  for (const char* const check : {"3.9", "3.10", "3.11", "3.12", "3.13", "3.14"}) {
    EXPECT_THAT(Judge(check), IsNotThere()) << check;
  }
}

TEST_F(JudgeFiles, TheKeysThatTheEngineIsGiven) {
  files_.facts.config->settings["tlscacert"].value = "/etc/tls/ca.pem";
  files_.facts.config->settings["tlscert"].value = "cert.pem";
  files_.facts.config->settings["tlskey"].value = "/etc/tls/key.pem";
  files_.facts.process->working_directory = "/srv";
  files_.Write("/etc/tls/ca.pem", "x", 0444);
  files_.Write("/srv/cert.pem", "x", 0444);
  files_.Write("/etc/tls/key.pem", "x", 0400);
  for (const char* const check : {"3.10", "3.12", "3.14"}) EXPECT_THAT(Judge(check), Passes());
  files_.Mode("/etc/tls/ca.pem", 0644);
  EXPECT_THAT(Judge("3.10"), FailsAt("/etc/tls/ca.pem"));
  files_.Mode("/srv/cert.pem", 0464);
  EXPECT_THAT(Judge("3.12"), FailsAt("/srv/cert.pem"));
  for (const mode_t mode : {0440U, 0404U, 0600U}) {
    files_.Mode("/etc/tls/key.pem", mode);
    EXPECT_THAT(Judge("3.14"), FailsAt("/etc/tls/key.pem")) << std::oct << mode;
  }
  EXPECT_EQ(Judge("3.9"), IfRoots("/etc/tls/ca.pem"));
  EXPECT_EQ(Judge("3.11"), IfRoots("/srv/cert.pem"));
  EXPECT_EQ(Judge("3.13"), IfRoots("/etc/tls/key.pem"));
  for (const char* const path : {"/etc/tls/ca.pem", "/srv/cert.pem", "/etc/tls/key.pem"}) {
    Own(path, 1000, 0);
  }
  EXPECT_THAT(Judge("3.9"), FailsAt("/etc/tls/ca.pem"));
  EXPECT_THAT(Judge("3.11"), FailsAt("/srv/cert.pem"));
  EXPECT_THAT(Judge("3.13"), FailsAt("/etc/tls/key.pem"));
}

TEST_F(JudgeFiles, WhereTheEngineLooksForItsKeyWhenItIsGivenNone) {
  files_.facts.config->settings["tls"].value = true;
  files_.Write("/root/.docker/key.pem", "x", 0644);
  EXPECT_THAT(Judge("3.14"), FailsAt("/root/.docker/key.pem"));
}

TEST_F(JudgeFiles, TheSocketIsClosedToOthers) {
  EXPECT_THAT(Judge("3.16"), IsNotThere());
  files_.Write("/run/docker.sock", "", 0660);
  EXPECT_THAT(Judge("3.16"), Passes());
  files_.Mode("/run/docker.sock", 0606);
  EXPECT_THAT(Judge("3.16"), FailsAt("/run/docker.sock"));
}

TEST_F(JudgeFiles, EachSocketThatTheEngineListensAt) {
  files_.Write("/run/docker.sock", "", 0660);
  files_.Write("/srv/second.sock", "", 0666);
  files_.Write("/run/docker/libnetwork/1.sock", "", 0777);
  files_.facts.process->listeners = {
      {Listener::Kind::kUnix, "/var/run/docker.sock", 0},
      {Listener::Kind::kUnix, "/run/docker/libnetwork/1.sock", 0},
      {Listener::Kind::kUnix, "/srv/second.sock", 0},
  };
  EXPECT_THAT(Judge("3.16"), FailsAt("/srv/second.sock"));
}

TEST_F(JudgeFiles, TheSocketIsTheConfiguredGroups) {
  files_.Write("/etc/group", "root:x:0:\ndocker:x:990:\nengine:x:991:\n");
  files_.Write("/run/docker.sock", "", 0660);
  EXPECT_EQ(Judge("3.15"), IfRoots("/run/docker.sock")) << "root's group is less than the engine's";
  Own("/run/docker.sock", 0, 990);
  EXPECT_EQ(Judge("3.15"), IfRoots("/run/docker.sock"));
  files_.facts.config->settings["group"].value = "engine";
  EXPECT_THAT(Judge("3.15"), FailsAt("/run/docker.sock"));
  Own("/run/docker.sock", 0, 991);
  EXPECT_EQ(Judge("3.15"), IfRoots("/run/docker.sock"));
  files_.facts.config->settings["group"].value = "991";
  EXPECT_EQ(Judge("3.15"), IfRoots("/run/docker.sock"));
  Own("/run/docker.sock", 1000, 991);
  EXPECT_THAT(Judge("3.15"), FailsAt("/run/docker.sock"));
}

TEST_F(JudgeFiles, ContainerdsSocketWhereverItIs) {
  EXPECT_THAT(Judge("3.24"), IsNotThere());
  files_.facts.containerd_socket = "/var/run/docker/containerd/containerd.sock";
  files_.Write("/run/docker/containerd/containerd.sock", "", 0660);
  EXPECT_THAT(Judge("3.24"), Passes());
  files_.Mode("/run/docker/containerd/containerd.sock", 0661);
  EXPECT_THAT(Judge("3.24"), FailsAt("/run/docker/containerd/containerd.sock"));
  EXPECT_EQ(Judge("3.23"), IfRoots("/run/docker/containerd/containerd.sock"));
  Own("/run/docker/containerd/containerd.sock", 0, 990);
  EXPECT_THAT(Judge("3.23"), FailsAt("/run/docker/containerd/containerd.sock"));
}

TEST_F(JudgeFiles, SomethingIsSaidOfEachCheck) {
  ExpectSomethingOfEach(kFileChecks, files_.facts);
  const Status why = Fail(Code::kUnavailable, "ENGINE_ABSENT", "nobody listens");
  files_.facts.process = why;
  files_.facts.config = why;
  files_.facts.config_file.path = "";
  ExpectSomethingOfEach(kFileChecks, files_.facts);
  EXPECT_THAT(Judge("3.14"), ElementsAre(Pair(Outcome::kCannotTell, "")));
}

}  // namespace
}  // namespace seaworthy::docker
