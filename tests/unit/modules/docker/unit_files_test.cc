#include "modules/docker/unit_files.h"

#include <gtest/gtest.h>

#include "unit/modules/docker/system_files.h"

namespace seaworthy::docker {
namespace {

class UnitFiles : public ::testing::Test {
 protected:
  std::optional<std::string> Find() const {
    const auto found = FindUnitFile(files_.facts.root, "docker.service");
    EXPECT_TRUE(found.ok()) << found.status();
    return found.ok() ? *found : std::nullopt;
  }

  SystemFiles files_;
};

TEST_F(UnitFiles, NoneIsNothing) { EXPECT_EQ(Find(), std::nullopt); }

TEST_F(UnitFiles, EtcComesBeforeRunBeforeThePackages) {
  files_.Write("/usr/lib/systemd/system/docker.service");
  EXPECT_EQ(Find(), "/usr/lib/systemd/system/docker.service");
  files_.Write("/usr/local/lib/systemd/system/docker.service");
  EXPECT_EQ(Find(), "/usr/local/lib/systemd/system/docker.service");
  files_.Write("/run/systemd/system/docker.service");
  EXPECT_EQ(Find(), "/run/systemd/system/docker.service");
  files_.Write("/etc/systemd/system/docker.service");
  EXPECT_EQ(Find(), "/etc/systemd/system/docker.service");
}

TEST_F(UnitFiles, InLibWhereItIsNoLink) {
  files_.Write("/lib/systemd/system/docker.service");
  EXPECT_EQ(Find(), "/lib/systemd/system/docker.service");
}

TEST_F(UnitFiles, MaskedIsNotThere) {
  files_.Write("/usr/lib/systemd/system/docker.service");
  files_.Link("/dev/null", "/etc/systemd/system/docker.service");
  EXPECT_EQ(Find(), std::nullopt);
}

TEST_F(UnitFiles, MaskedByAnEmptyFile) {
  files_.Write("/usr/lib/systemd/system/docker.service");
  files_.Write("/etc/systemd/system/docker.service", "");
  EXPECT_EQ(Find(), std::nullopt);
}

TEST_F(UnitFiles, LinksInTheRootAreFollowed) {
  files_.Write("/opt/docker.service");
  files_.Link("/opt/docker.service", "/etc/systemd/system/docker.service");
  EXPECT_EQ(Find(), "/etc/systemd/system/docker.service");
}

TEST_F(UnitFiles, ALinkToNothingIsNone) {
  files_.Write("/usr/lib/systemd/system/docker.service");
  files_.Link("/opt/gone.service", "/etc/systemd/system/docker.service");
  EXPECT_EQ(Find(), "/usr/lib/systemd/system/docker.service");
}

}  // namespace
}  // namespace seaworthy::docker
