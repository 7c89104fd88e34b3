#include "seaworthy/modules/integrity/docker_installation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>

#include "support/status_matchers.h"
#include "support/temp_root.h"

namespace seaworthy::integrity {
namespace {

using ::seaworthy::testing::Fails;
using ::seaworthy::testing::IsOk;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Key;
using ::testing::Pair;
namespace fs = std::filesystem;
using namespace std::string_literals;

class DockerInstallation : public ::testing::Test {
 protected:
  DockerInstallation() { fs::create_directory(node_); }

  void Put(const std::string& path, const std::string& text = "x", mode_t mode = 0644) const {
    fs::create_directories(fs::path(node_ + "/" + path).parent_path());
    std::ofstream(node_ + "/" + path) << text;
    chmod((node_ + "/" + path).c_str(), mode);
  }
  void Program(const std::string& path) const { Put(path, "x", 0755); }
  void Link(const std::string& target, const std::string& path) const {
    fs::create_directories(fs::path(node_ + "/" + path).parent_path());
    fs::create_symlink(target, node_ + "/" + path);
  }
  // As Debian has it since its releases are merged.
  void MergeUsr() const {
    fs::create_directories(node_ + "/usr/lib");
    fs::create_directories(node_ + "/usr/bin");
    Link("usr/lib", "lib");
    Link("/usr/bin", "bin");
  }
  void Packages(const std::string& status, const std::map<std::string, std::string>& lists) const {
    Put("var/lib/dpkg/status", status);
    for (const auto& [name, list] : lists) Put("var/lib/dpkg/info/" + name + ".list", list);
  }
  // "kind package" or "kind package -> target" by path.
  std::map<std::string, std::string> Find(const std::vector<std::string>& more = {}) const {
    const auto files = FindDockerInstallation(node_, more);
    EXPECT_THAT(files, IsOk());
    std::map<std::string, std::string> found;
    if (!files.ok()) return found;
    for (const InstalledFile& file : *files) {
      const bool first =
          found
              .emplace(file.path, std::string(ToString(file.kind)) + " " + file.package +
                                      (file.link_target.empty() ? "" : " -> " + file.link_target))
              .second;
      EXPECT_TRUE(first) << file.path << " stands twice";
    }
    return found;
  }

  testing::TempRoot root_;
  const std::string node_ = root_ / "node";
};

constexpr char kStatus[] =
    "Package: docker.io\nStatus: install ok installed\nArchitecture: amd64\nVersion: 20.10\n"
    "Conffiles:\n /etc/default/docker 04e6ba9bc95d71d2e7fc1d1dba4d1f1a\n\n"
    "Package: libfoo\nStatus: install ok installed\nMulti-Arch: same\nArchitecture: amd64\n"
    "Version: 1\n\n"
    "Package: runc\nStatus: deinstall ok not-installed\n";

TEST_F(DockerInstallation, IsNothingOnANodeWithoutDocker) { EXPECT_THAT(Find(), IsEmpty()); }

TEST_F(DockerInstallation, OfPackagesIsProgramsUnitsAndConfiguration) {
  MergeUsr();
  for (const char* path : {"usr/bin/docker", "usr/bin/dnet", "usr/share/docker/contrib.sh",
                           "usr/bin/foo", "usr/sbin/runc", "usr/lib/elsewhere/crun"}) {
    Program(path);
  }
  for (const char* path : {"etc/default/docker", "usr/lib/systemd/system/docker.service",
                           "usr/lib/python3/compose.py", "usr/share/doc/docker.io/copyright"}) {
    Put(path);
  }
  Link("foo", "usr/bin/docker-init");
  Packages(kStatus, {{"docker.io",
                      "/.\n/etc\n/lib\n/etc/default/docker\n/lib/systemd/system/docker.service\n"
                      "/usr/bin/docker\n/bin/dnet\n/usr/bin/docker-init\n/usr/bin/gone\n"
                      "/usr/lib/python3/compose.py\n/usr/share/docker/contrib.sh\n"
                      "/usr/share/doc/docker.io/copyright\n"},
                     {"libfoo:amd64", "/usr/bin/foo\n"},
                     {"runc", "/usr/sbin/runc\n"}});
  EXPECT_THAT(Find(), ElementsAre(Pair("etc/default/docker", "configuration docker.io"),
                                  Pair("usr/bin/dnet", "program docker.io"),
                                  Pair("usr/bin/docker", "program docker.io"),
                                  Pair("usr/bin/docker-init", "program docker.io -> foo"),
                                  Pair("usr/bin/foo", "program libfoo"),
                                  Pair("usr/lib/systemd/system/docker.service", "unit docker.io"),
                                  // By its name; the package is not installed.
                                  Pair("usr/sbin/runc", "program ")));
}

TEST_F(DockerInstallation, IsWhatNoPackageBroughtToo) {
  MergeUsr();
  for (const char* path :
       {"usr/local/bin/containerd-shim-kata-v2", "usr/local/sbin/dockerd", "usr/bin/ctr",
        "usr/local/lib/docker/cli-plugins/docker-x", "root/.docker/cli-plugins/docker-y",
        "opt/containerd/bin/shim", "usr/local/bin/other", "usr/bin/dock"}) {
    Program(path);
  }
  for (const char* path :
       {"etc/docker/certs.d/registry/ca.crt", "etc/docker/key.json", "etc/containerd/conf.d/a.toml",
        "etc/systemd/system/docker.service.d/10-opts.conf", "etc/systemd/system/service.d/all.conf",
        "run/systemd/system/containerd.service", "etc/apparmor.d/docker-web",
        "etc/apparmor.d/local/runc", "etc/apparmor.d/evince", "etc/systemd/system/ssh.service"}) {
    Put(path);
  }
  Link("/dev/null", "etc/systemd/system/docker.socket");
  EXPECT_THAT(Find(), ElementsAre(Pair("etc/apparmor.d/docker-web", "profile "),
                                  Pair("etc/apparmor.d/local/runc", "profile "),
                                  Pair("etc/containerd/conf.d/a.toml", "configuration "),
                                  Pair("etc/docker/certs.d/registry/ca.crt", "certificate "),
                                  Pair("etc/docker/key.json", "configuration "),
                                  Pair("etc/systemd/system/docker.service.d/10-opts.conf", "unit "),
                                  Pair("etc/systemd/system/docker.socket", "unit  -> /dev/null"),
                                  Pair("etc/systemd/system/service.d/all.conf", "unit "),
                                  Pair("opt/containerd/bin/shim", "program "),
                                  Pair("root/.docker/cli-plugins/docker-y", "program "),
                                  Pair("run/systemd/system/containerd.service", "unit "),
                                  Pair("usr/bin/ctr", "program "),
                                  Pair("usr/local/bin/containerd-shim-kata-v2", "program "),
                                  Pair("usr/local/lib/docker/cli-plugins/docker-x", "program "),
                                  Pair("usr/local/sbin/dockerd", "program ")));
}

// And what decides what it writes there.
TEST_F(DockerInstallation, IsWhatAnApplyWrites) {
  for (const char* path :
       {"etc/docker/daemon.json", "etc/systemd/system/docker.service.d/50-seaworthy.conf",
        "etc/seaworthy/docker-policy.json", "etc/seaworthy/docker-profiles/site.json",
        "usr/share/seaworthy/docker-profiles/standard.json", "etc/seaworthy/seaworthyd.toml"}) {
    Put(path);
  }
  EXPECT_THAT(
      Find(),
      ElementsAre(Pair("etc/docker/daemon.json", "configuration "),
                  Pair("etc/seaworthy/docker-policy.json", "configuration "),
                  Pair("etc/seaworthy/docker-profiles/site.json", "configuration "),
                  Pair("etc/systemd/system/docker.service.d/50-seaworthy.conf", "unit "),
                  Pair("usr/share/seaworthy/docker-profiles/standard.json", "configuration ")));
}

TEST_F(DockerInstallation, IsWhatDaemonJsonNames) {
  Put("etc/docker/daemon.json", R"({"tlscacert": "/srv/tls/ca", "tlskey": "relative",
      "tlscert": 7, "seccomp-profile": "/etc/docker/seccomp.json",
      "runtimes": {"a": {"path": "/opt/a"}, "b": {"path": "runc"}, "c": []}})");
  Put("etc/docker/seccomp.json");
  Put("srv/tls/ca");
  Program("opt/a");
  EXPECT_THAT(Find(), ElementsAre(Pair("etc/docker/daemon.json", "configuration "),
                                  Pair("etc/docker/seccomp.json", "profile "),
                                  Pair("opt/a", "program "), Pair("srv/tls/ca", "certificate ")));
}

TEST_F(DockerInstallation, ADaemonJsonThatIsNoneNamesNothing) {
  for (const char* text : {"", "[", "[]", "7", R"({"runtimes": [7]})", R"({"runtimes": 1})"}) {
    Put("etc/docker/daemon.json", text);
    EXPECT_THAT(Find(), ElementsAre(Key("etc/docker/daemon.json"))) << text;
  }
  fs::remove(node_ + "/etc/docker/daemon.json");
  fs::create_directory(node_ + "/etc/docker/daemon.json");
  EXPECT_THAT(Find(), IsEmpty());
}

TEST_F(DockerInstallation, LinksAreTakenDownAndFollowedInTheRoot) {
  std::ofstream(root_ / "outside") << "outside";
  Program("usr/lib/real/dockerd");
  Link("/usr/lib/here", "usr/bin/dockerd");
  Link("real/dockerd", "usr/lib/here");
  Link(root_ / "outside", "etc/docker/out");
  Link("../../../../../../outside", "etc/docker/up");
  Link("loop", "etc/docker/loop");
  EXPECT_THAT(Find(),
              ElementsAre(Key("etc/docker/loop"), Key("etc/docker/out"), Key("etc/docker/up"),
                          Pair("usr/bin/dockerd", "program  -> /usr/lib/here"),
                          Pair("usr/lib/here", "program  -> real/dockerd"),
                          Pair("usr/lib/real/dockerd", "program ")));
}

// Else one in /etc/docker could make the whole node the installation.
TEST_F(DockerInstallation, FoldersBehindLinksAreEnteredWhereTheyAreNamedAlone) {
  Put("srv/docker/daemon.json");
  Put("srv/docker/sub/file");
  Put("srv/elsewhere");
  Link("/srv/docker", "etc/docker");
  Link("/", "srv/docker/all");
  Link("../docker", "srv/docker/sub/again");
  EXPECT_THAT(Find(), ElementsAre(Pair("etc/docker", "configuration  -> /srv/docker"),
                                  Pair("srv/docker/all", "configuration  -> /"),
                                  Key("srv/docker/daemon.json"), Key("srv/docker/sub/again"),
                                  Key("srv/docker/sub/file")));
}

TEST_F(DockerInstallation, IsMoreWhereTheOperatorSaysSo) {
  Put("srv/a/b/c");
  Put("srv/d");
  EXPECT_THAT(Find({"/srv/a/", "srv//d", "srv/a/../d"}),
              ElementsAre(Key("srv/a/b/c"), Key("srv/d")));
  EXPECT_THAT(FindDockerInstallation(node_, {"/srv/none"}),
              Fails(Code::kNotFound, "FILE_NOT_FOUND"));
  EXPECT_THAT(FindDockerInstallation(node_ + "/none", {}),
              Fails(Code::kNotFound, "FILE_NOT_FOUND"));
}

TEST_F(DockerInstallation, HostileTreesAndDatabasesAreSurvived) {
  ASSERT_EQ(mkfifo((node_ + "/fifo").c_str(), 0600), 0);
  fs::create_directories(node_ + "/etc/docker/certs.d");
  ASSERT_EQ(mkfifo((node_ + "/etc/docker/certs.d/fifo").c_str(), 0600), 0);
  ASSERT_EQ(mkfifo((node_ + "/etc/docker/daemon.json").c_str(), 0600), 0);
  Put(std::string("etc/docker/\x1b\xff\nname"));
  Packages(
      "Package: ../../etc/x\nStatus: install ok installed\n\n\n\n"
      ":\nPackage\n Conffiles:\nPackage: docker.io\nMulti-Arch: same\n"
      "Architecture: ../x\nConffiles:\n /a\n / b c\nStatus: install ok installed\n\n"
      "Package: runc\nStatus: install ok installed\n\0\xff"s,
      {{"runc", "/\n//\n\n/..\n/../../x\nusr/bin/relative\n/etc/docker/../../..\n/fifo\n"}});
  EXPECT_THAT(Find(), ElementsAre(Key("etc/docker/\x1b\xff\nname")));
  fs::remove(node_ + "/var/lib/dpkg/status");
  ASSERT_EQ(mkfifo((node_ + "/var/lib/dpkg/status").c_str(), 0600), 0);
  EXPECT_THAT(FindDockerInstallation(node_, {}), Fails(Code::kFailedPrecondition, "UNSAFE_FILE"));
}

}  // namespace
}  // namespace seaworthy::integrity
