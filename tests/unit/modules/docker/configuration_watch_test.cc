#include "modules/docker/configuration_watch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "support/temp_root.h"

namespace seaworthy::docker {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr const char* kConfig = "/etc/docker/daemon.json";
constexpr const char* kUnit = "/etc/systemd/system/docker.service";

class ConfigurationWatchTest : public ::testing::Test {
 protected:
  void Write(const std::string& path, const std::string& text) const {
    const std::filesystem::path file = root_.path().string() + path;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file) << text;
  }
  void Open() {
    Result<ConfigurationWatch> watch = ConfigurationWatch::Open(root_.path().string(), kConfig);
    ASSERT_TRUE(watch.ok()) << watch.status();
    watch_.emplace(*std::move(watch));
  }
  // What is told, and only then looked at.
  std::vector<ConfigurationChange> Changes() {
    pollfd told = {.fd = watch_->descriptor(), .events = POLLIN, .revents = 0};
    if (poll(&told, 1, 0) != 1 || !watch_->Told()) return {};
    Result<std::vector<ConfigurationChange>> changes = watch_->Changes();
    EXPECT_TRUE(changes.ok()) << changes.status();
    return *std::move(changes);
  }
  ConfigurationChange One() {
    const std::vector<ConfigurationChange> changes = Changes();
    EXPECT_THAT(changes, SizeIs(1));
    return changes.empty() ? ConfigurationChange() : changes.front();
  }

  const seaworthy::testing::TempRoot root_;
  std::optional<ConfigurationWatch> watch_;
};

TEST_F(ConfigurationWatchTest, TellsWhatHasComeChangedAndGone) {
  Write(kConfig, "{}");
  Open();
  EXPECT_THAT(Changes(), IsEmpty());
  Write(kConfig, "abc");
  const ConfigurationChange changed = One();
  EXPECT_EQ(changed.path, kConfig);
  // FIPS 180-2, B.1
  EXPECT_EQ(changed.sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_THAT(changed.text, HasSubstr("content"));
  ASSERT_EQ(chmod((root_.path().string() + kConfig).c_str(), 0666), 0);
  EXPECT_THAT(One().text, HasSubstr("mode"));
  std::filesystem::remove(root_.path().string() + kConfig);
  const ConfigurationChange gone = One();
  EXPECT_EQ(gone.sha256, "");
  EXPECT_THAT(gone.text, HasSubstr("gone"));
}

// Written beside and moved there, as editors do: again and again.
TEST_F(ConfigurationWatchTest, FollowsTheNameAndNotTheFile) {
  Write(kConfig, "1");
  Open();
  for (const char* const text : {"2", "3"}) {
    Write("/etc/docker/new", text);
    std::filesystem::rename(root_ / "etc/docker/new", root_.path().string() + kConfig);
    EXPECT_EQ(One().path, kConfig);
  }
}

TEST_F(ConfigurationWatchTest, WaitsForFoldersThatAreNotThere) {
  Open();
  Write(kConfig, "{}");
  EXPECT_EQ(One().path, kConfig);
  Write(kUnit, "[Service]\n");
  EXPECT_EQ(One().path, kUnit);
  Write(std::string(kUnit) + ".d/own.conf", "[Service]\n");
  EXPECT_EQ(One().path, std::string(kUnit) + ".d/own.conf");
  Write(std::string(kUnit) + ".d/own.conf", "[Service]\nLimitCORE=0\n");
  EXPECT_EQ(One().path, std::string(kUnit) + ".d/own.conf");
  Write(std::string(kUnit) + ".d/notes", "no drop-in");
  EXPECT_THAT(Changes(), IsEmpty());
}

TEST_F(ConfigurationWatchTest, FollowsLinksToWhatIsChanged) {
  Write("/srv/config/daemon.json", "1");
  std::filesystem::create_directories(root_ / "etc/docker");
  std::filesystem::create_symlink("../../srv/config/daemon.json", root_.path().string() + kConfig);
  // One folder under two names.
  Write("/usr/lib/systemd/system/docker.service", "1");
  std::filesystem::create_symlink("usr/lib", root_ / "lib");
  Open();
  Write("/srv/config/daemon.json", "2");
  EXPECT_EQ(One().path, kConfig);
  Write("/usr/lib/systemd/system/docker.service", "2");
  EXPECT_EQ(One().path, "/usr/lib/systemd/system/docker.service");
}

TEST_F(ConfigurationWatchTest, TakesAnotherDaemonJsonAsItIs) {
  Write(kConfig, "1");
  Write("/srv/daemon.json", "1");
  Open();
  EXPECT_FALSE(watch_->Follow(kConfig).value());
  EXPECT_TRUE(watch_->Follow("/srv/daemon.json").value());
  Write(kConfig, "2");
  EXPECT_THAT(Changes(), IsEmpty());
  Write("/srv/daemon.json", "2");
  EXPECT_EQ(One().path, "/srv/daemon.json");
}

}  // namespace
}  // namespace seaworthy::docker
