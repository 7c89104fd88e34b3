#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "modules/docker/account_files.h"
#include "modules/docker/mount_table.h"
#include "unit/modules/docker/system_files.h"

namespace seaworthy::docker {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

class JudgeHost : public ::testing::Test {
 protected:
  SystemFiles::Said Judge(std::string_view check) {
    return files_.Judge(kHostChecks, check, policy_);
  }
  // Of 1.1.1, with these lines below that of "/".
  SystemFiles::Said JudgeMounts(const std::string& lines) {
    files_.Write("/proc/self/mountinfo", "22 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw\n" + lines);
    return Judge("1.1.1");
  }

  SystemFiles files_;
  SitePolicy policy_;
};

auto Passes() { return ElementsAre(Pair(Outcome::kPass, "")); }
auto Fails(const std::string& subject) { return ElementsAre(Pair(Outcome::kFail, subject)); }

TEST_F(JudgeHost, DataOnAFileSystemOfItsOwn) {
  files_.Folder("/var/lib/docker");
  EXPECT_THAT(JudgeMounts("30 22 8:2 / /var/lib/docker rw shared:1 - ext4 /dev/sda2 rw\n"),
              Passes());
}

TEST_F(JudgeHost, DataOnTheSystemsFileSystem) {
  files_.Folder("/var/lib/docker");
  EXPECT_THAT(JudgeMounts(""), Fails("/var/lib/docker"));
  EXPECT_THAT(JudgeMounts("30 22 8:2 / /var/lib rw - ext4 /dev/sda2 rw\n"),
              Fails("/var/lib/docker"));
  EXPECT_THAT(JudgeMounts("30 22 8:2 / /var/lib/docker2 rw - ext4 /dev/sda2 rw\n"),
              Fails("/var/lib/docker"));
}

TEST_F(JudgeHost, DataMountedOnItselfIsNoMountOfItsOwn) {
  files_.Folder("/var/lib/docker");
  EXPECT_THAT(JudgeMounts("30 22 8:1 /var/lib/docker /var/lib/docker rw - ext4 /dev/sda1 rw\n"),
              Fails("/var/lib/docker"));
  // The file system of all of /var/lib, mounted twice.
  EXPECT_THAT(JudgeMounts("30 22 8:2 / /var/lib rw - ext4 /dev/sda2 rw\n"
                          "31 30 8:2 /docker /var/lib/docker rw - ext4 /dev/sda2 rw\n"),
              Fails("/var/lib/docker"));
}

TEST_F(JudgeHost, AFileSystemMountedOnItselfStaysOne) {
  files_.Folder("/var/lib/docker");
  EXPECT_THAT(JudgeMounts("30 22 8:2 / /var/lib/docker rw - ext4 /dev/sda2 rw\n"
                          "31 30 8:2 / /var/lib/docker rw - ext4 /dev/sda2 rw\n"),
              Passes());
}

TEST_F(JudgeHost, AFolderOfAnotherFileSystemIsNone) {
  files_.Folder("/var/lib/docker");
  EXPECT_THAT(JudgeMounts("30 22 8:2 / /home rw - ext4 /dev/sda2 rw\n"
                          "31 22 8:2 /docker /var/lib/docker rw - ext4 /dev/sda2 rw\n"),
              Fails("/var/lib/docker"));
}

TEST_F(JudgeHost, DataWhereItReallyIs) {
  files_.Folder("/srv/my data");
  files_.Folder("/var/lib");
  files_.Link("/srv/my data", "/var/lib/docker");
  EXPECT_THAT(JudgeMounts("30 22 8:2 / /var/lib/docker rw - ext4 /dev/sda2 rw\n"),
              Fails("/srv/my data"));
  EXPECT_THAT(JudgeMounts("30 22 8:2 / /srv/my\\040data rw - ext4 /dev/sda2 rw\n"), Passes());
}

TEST_F(JudgeHost, DataOfRemappedUsersIsInTheConfiguredRoot) {
  files_.Folder("/var/lib/docker/100000.100000");
  files_.facts.data_root = "/var/lib/docker/100000.100000";
  EXPECT_THAT(JudgeMounts("30 22 8:2 / /var/lib/docker rw - ext4 /dev/sda2 rw\n"), Passes());
  EXPECT_THAT(JudgeMounts(""), Fails("/var/lib/docker"));
}

TEST_F(JudgeHost, MountsThatCannotBeRead) {
  files_.Folder("/var/lib/docker");
  EXPECT_THAT(Judge("1.1.1"), ElementsAre(Pair(Outcome::kCannotTell, "/var/lib/docker")));
  EXPECT_THAT(JudgeMounts("nonsense\n"),
              ElementsAre(Pair(Outcome::kCannotTell, "/var/lib/docker")));
}

TEST(MountTable, TheKernelsOwn) {
  const auto root = os::RootFolder::Open("/");
  ASSERT_TRUE(root.ok());
  const auto mounts = ReadMountTable(*root);
  ASSERT_TRUE(mounts.ok()) << mounts.status();
  const Mount* proc = MountOf(*mounts, "/proc/self");
  ASSERT_NE(proc, nullptr);
  EXPECT_EQ(proc->type, "proc");
}

TEST_F(JudgeHost, AccountsInTheGroup) {
  files_.Write("/etc/group",
               "root:x:0:\ndocker:x:990:ann, ben,root\nalias:x:990:cy\nother:x:991:dan\n"
               "+::\nbroken\n");
  files_.Write("/etc/passwd",
               "root:x:0:0::/root:/bin/sh\nann:x:1000:1000::/:/bin/sh\n"
               "eve:x:1001:990::/:/bin/sh\ndan:x:1002:991::/:/bin/sh\n");
  EXPECT_THAT(Judge("1.1.2"),
              UnorderedElementsAre(Pair(Outcome::kFail, "ann"), Pair(Outcome::kFail, "ben"),
                                   Pair(Outcome::kFail, "cy"), Pair(Outcome::kFail, "eve")));
  policy_.docker_group = {"ann", "ben", "cy"};
  EXPECT_THAT(Judge("1.1.2"), Fails("eve"));
  policy_.docker_group.insert("eve");
  EXPECT_THAT(Judge("1.1.2"), Passes());
}

TEST_F(JudgeHost, TheGroupThatIsConfigured) {
  files_.Write("/etc/group", "docker:x:990:\nengine:x:991:dan\n");
  EXPECT_THAT(Judge("1.1.2"), Passes());
  files_.facts.config->settings["group"].value = "engine";
  EXPECT_THAT(Judge("1.1.2"), Fails("dan"));
  files_.facts.config->settings["group"].value = "991";
  EXPECT_THAT(Judge("1.1.2"), Fails("dan"));
  files_.facts.config->settings["group"].value = "nobody-has-it";
  EXPECT_THAT(Judge("1.1.2"), ElementsAre(Pair(Outcome::kNotApplicable, "")));
  files_.facts.config = Fail(Code::kNotFound, "ENGINE_PROCESS", "no dockerd");
  EXPECT_THAT(Judge("1.1.2"), ElementsAre(Pair(Outcome::kCannotTell, "")));
}

TEST_F(JudgeHost, TheGroupThatTheSocketHas) {
  // Only root gives files away; another's have the group of who runs this.
  const gid_t gid = geteuid() == 0 ? 99991 : getegid();
  files_.Write("/etc/group", "docker:x:99990:\nengine:x:" + std::to_string(gid) + ":dan\n");
  files_.Write("/run/docker.sock");
  ASSERT_EQ(chown(files_.At("/run/docker.sock").c_str(), geteuid(), gid), 0);
  EXPECT_THAT(Judge("1.1.2"), Fails("dan"));
}

TEST_F(JudgeHost, TheOldestVersionThatTheSiteAllows) {
  EXPECT_THAT(Judge("1.2.2"), ElementsAre(Pair(Outcome::kManual, "")));
  policy_.minimum_engine = {20, 10, 24};
  EXPECT_THAT(Judge("1.2.2"), Passes());
  policy_.minimum_engine = {29, 3, 1};
  EXPECT_THAT(Judge("1.2.2"), Fails(""));
  files_.facts.version = nlohmann::json{{"Version", 7}};
  EXPECT_THAT(Judge("1.2.2"), ElementsAre(Pair(Outcome::kCannotTell, "")));
}

TEST_F(JudgeHost, SomethingIsSaidOfEachCheck) {
  ExpectSomethingOfEach(kHostChecks, files_.facts);
  EXPECT_THAT(Judge("1.2.1"), ElementsAre(Pair(Outcome::kManual, "")));
  const Status why = Fail(Code::kUnavailable, "ENGINE_ABSENT", "nobody listens");
  files_.facts.process = why;
  files_.facts.version = why;
  files_.facts.config = why;
  files_.facts.audit_rules = why;
  files_.facts.config_file.path = "";
  ExpectSomethingOfEach(kHostChecks, files_.facts);
}

}  // namespace
}  // namespace seaworthy::docker
