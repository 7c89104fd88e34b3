#include "modules/docker/judge_watches.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/audit.h>

#include "unit/modules/docker/system_files.h"

namespace seaworthy::docker {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

constexpr std::uint32_t kWa = AUDIT_PERM_WRITE | AUDIT_PERM_ATTR;
constexpr std::uint32_t kWide = AUDIT_ARCH_X86_64;
constexpr std::uint32_t kNarrow = AUDIT_ARCH_I386;

AuditWatch File(const std::string& path, std::uint32_t permissions = kWa) {
  AuditWatch watch;
  watch.path = path;
  watch.permissions = permissions;
  return watch;
}

AuditWatch Folder(const std::string& path, std::uint32_t permissions = kWa) {
  AuditWatch watch = File(path, permissions);
  watch.folder = true;
  return watch;
}

AuditWatch Of(std::uint32_t architecture, AuditWatch watch) {
  watch.architecture = architecture;
  return watch;
}

AuditWatch Narrowed(AuditWatch watch) {
  watch.narrowed = true;
  return watch;
}

AuditWatch Never(AuditWatch watch) {
  watch.never = true;
  return watch;
}

std::string Why(const std::vector<AuditWatch>& watches, const std::string& path = "/a/b",
                bool folder = false) {
  return WhyUnwatched(watches, path, folder);
}

TEST(WhyUnwatched, AWatchOfThePath) {
  EXPECT_EQ(Why({File("/a/b")}), "");
  EXPECT_THAT(Why({}), HasSubstr("no audit rule"));
  EXPECT_THAT(Why({File("/a/bb"), File("/a")}), HasSubstr("no audit rule"));
}

TEST(WhyUnwatched, AWatchOfAFolderIsForAllBelow) {
  EXPECT_EQ(Why({Folder("/a")}), "");
  EXPECT_EQ(Why({Folder("/")}), "");
  EXPECT_THAT(Why({Folder("/a/bb"), Folder("/aa")}), HasSubstr("no audit rule"));
  EXPECT_THAT(Why({Folder("/a")}, "/aa/b"), HasSubstr("no audit rule"));
}

TEST(WhyUnwatched, AFolderTakesAWatchOfAFolder) {
  EXPECT_EQ(Why({Folder("/a/b")}, "/a/b", true), "");
  EXPECT_NE(Why({File("/a/b")}, "/a/b", true), "");
}

TEST(WhyUnwatched, WritesAndAttributesAreBothNeeded) {
  EXPECT_THAT(Why({File("/a/b", AUDIT_PERM_ATTR)}), HasSubstr("(w)"));
  EXPECT_THAT(Why({File("/a/b", AUDIT_PERM_WRITE)}), HasSubstr("(a)"));
  EXPECT_NE(Why({File("/a/b", AUDIT_PERM_READ | AUDIT_PERM_EXEC)}), "");
  EXPECT_EQ(Why({File("/a/b", AUDIT_PERM_WRITE), Folder("/a", AUDIT_PERM_ATTR)}), "");
}

TEST(WhyUnwatched, ANarrowedRuleDoesNotCount) {
  EXPECT_NE(Why({Narrowed(File("/a/b"))}), "");
  EXPECT_EQ(Why({Narrowed(File("/a/b")), File("/a/b")}), "");
}

TEST(WhyUnwatched, CallsOfBothWidths) {
  EXPECT_THAT(Why({Of(kWide, File("/a/b"))}), HasSubstr("32 bit"));
  EXPECT_THAT(Why({Of(kNarrow, File("/a/b"))}), HasSubstr("64 bit"));
  EXPECT_EQ(Why({Of(kWide, File("/a/b")), Of(kNarrow, File("/a/b"))}), "");
}

TEST(WhyUnwatched, TheFirstRuleDecides) {
  EXPECT_THAT(Why({Never(Folder("/")), File("/a/b")}), HasSubstr("never"));
  EXPECT_EQ(Why({File("/a/b"), Never(Folder("/"))}), "");
  EXPECT_EQ(Why({Never(File("/a/c")), File("/a/b")}), "");
}

class JudgeWatchesTest : public ::testing::Test {
 protected:
  SystemFiles::Said Judge(std::string_view check) { return files_.Judge(kHostChecks, check); }
  std::vector<AuditWatch>& watches() { return files_.facts.audit_rules->watches; }

  SystemFiles files_;
};

auto Passes() { return ElementsAre(Pair(Outcome::kPass, "")); }
auto Fails(const std::string& subject) { return ElementsAre(Pair(Outcome::kFail, subject)); }

struct Place {
  const char* check;
  const char* path;
  bool folder = false;
};

void PrintTo(const Place& value, std::ostream* out) { *out << value.check; }

constexpr Place kPlaces[] = {
    {"1.1.3", "/usr/sbin/dockerd"},
    {"1.1.4", "/run/containerd", true},
    {"1.1.5", "/var/lib/docker", true},
    {"1.1.6", "/etc/docker", true},
    {"1.1.7", "/usr/lib/systemd/system/docker.service"},
    {"1.1.8", "/run/containerd/containerd.sock"},
    {"1.1.9", "/usr/lib/systemd/system/docker.socket"},
    {"1.1.10", "/etc/default/docker"},
    {"1.1.11", "/etc/docker/daemon.json"},
    {"1.1.12", "/etc/containerd/config.toml"},
    {"1.1.13", "/etc/sysconfig/docker"},
    {"1.1.14", "/usr/bin/containerd"},
    {"1.1.15", "/usr/bin/containerd-shim"},
    {"1.1.16", "/usr/bin/containerd-shim-runc-v1"},
    {"1.1.17", "/usr/bin/containerd-shim-runc-v2"},
    {"1.1.18", "/usr/sbin/runc"},
};

class EachPlace : public JudgeWatchesTest, public ::testing::WithParamInterface<Place> {};

TEST_P(EachPlace, IsWatchedOrNot) {
  const Place& place = GetParam();
  files_.facts.process->executable = "/usr/sbin/dockerd";
  files_.facts.units = {{"docker.service", "/lib/systemd/system/docker.service"},
                        {"docker.socket", "/lib/systemd/system/docker.socket"}};
  files_.Folder("/usr/lib");
  files_.Link("usr/lib", "/lib");
  EXPECT_THAT(Judge(place.check), ElementsAre(Pair(Outcome::kNotApplicable, "")));
  if (place.folder) {
    files_.Folder(place.path);
  } else {
    files_.Write(place.path);
  }
  EXPECT_THAT(Judge(place.check), Fails(place.path));
  watches() = {place.folder ? Folder(place.path) : File(place.path)};
  EXPECT_THAT(Judge(place.check), Passes());
  watches() = {Folder(std::filesystem::path(place.path).parent_path())};
  EXPECT_THAT(Judge(place.check), Passes());
  // Rules are there and nothing is written.
  files_.facts.audit_rules->enabled = false;
  EXPECT_THAT(Judge(place.check), Fails(place.path));
  files_.facts.audit_rules = Fail(Code::kPermissionDenied, "AUDIT_RULES", "no");
  EXPECT_THAT(Judge(place.check), ElementsAre(Pair(Outcome::kCannotTell, "")));
}

INSTANTIATE_TEST_SUITE_P(All, EachPlace, ::testing::ValuesIn(kPlaces));

TEST_F(JudgeWatchesTest, ALinkAndWhatItLeadsTo) {
  files_.Write("/opt/daemon.json");
  files_.Folder("/etc/docker");
  files_.Link("/opt/daemon.json", "/etc/docker/daemon.json");
  watches() = {File("/etc/docker/daemon.json")};
  EXPECT_THAT(Judge("1.1.11"), Fails("/opt/daemon.json"));
  watches() = {File("/opt/daemon.json")};
  EXPECT_THAT(Judge("1.1.11"), Fails("/etc/docker/daemon.json"));
  watches().push_back(File("/etc/docker/daemon.json"));
  EXPECT_THAT(Judge("1.1.11"), Passes());
}

TEST_F(JudgeWatchesTest, ProgramsWhereTheyReallyAre) {
  files_.Write("/usr/sbin/runc");
  files_.Write("/opt/runc-1.2");
  files_.Link("/opt/runc-1.2", "/usr/local/bin/runc");
  watches() = {File("/usr/sbin/runc"), File("/usr/local/bin/runc")};
  EXPECT_THAT(Judge("1.1.18"), Fails("/opt/runc-1.2"));
}

TEST_F(JudgeWatchesTest, TheEngineThatRuns) {
  files_.Write("/usr/bin/dockerd");
  files_.Write("/opt/docker/dockerd");
  files_.facts.process->executable = "/opt/docker/dockerd";
  watches() = {File("/usr/bin/dockerd")};
  EXPECT_THAT(Judge("1.1.3"), Fails("/opt/docker/dockerd"));
  files_.facts.process = Fail(Code::kNotFound, "ENGINE_PROCESS", "no dockerd");
  EXPECT_THAT(Judge("1.1.3"), ElementsAre(Pair(Outcome::kCannotTell, "")));
}

TEST_F(JudgeWatchesTest, RulesByTheRealPathsOfTheirFolders) {
  files_.Write("/run/containerd/containerd.sock");
  watches() = {File("/var/run/containerd/containerd.sock")};
  EXPECT_THAT(Judge("1.1.8"), Passes());
}

TEST_F(JudgeWatchesTest, TheDataAndTheContainerdThatAreUsed) {
  files_.facts.data_root = "/srv/docker";
  files_.facts.containerd_socket = "/var/run/docker/containerd/containerd.sock";
  files_.Folder("/srv/docker");
  files_.Write("/run/docker/containerd/containerd.sock");
  files_.Write("/run/docker/containerd/containerd.toml");
  watches() = {Folder("/var/lib/docker"), Folder("/run/containerd")};
  EXPECT_THAT(Judge("1.1.4"), Fails("/run/docker/containerd"));
  EXPECT_THAT(Judge("1.1.5"), Fails("/srv/docker"));
  EXPECT_THAT(Judge("1.1.8"), Fails("/run/docker/containerd/containerd.sock"));
  EXPECT_THAT(Judge("1.1.12"), Fails("/run/docker/containerd/containerd.toml"));
}

}  // namespace
}  // namespace seaworthy::docker
