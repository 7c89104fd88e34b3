#include "seaworthy/modules/integrity/package_files.h"

#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>

#include "support/status_matchers.h"
#include "support/temp_root.h"

namespace seaworthy::integrity {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using testing::Fails;
using ::testing::IsEmpty;
using testing::IsOk;

class PackageFiles : public ::testing::Test {
 protected:
  void Write(const std::string& path, const std::string& text = "") {
    fs::create_directories(fs::path(root_ / path).parent_path());
    std::ofstream(root_ / path) << text;
  }
  // `name` is that of the list: with an architecture where there can be several.
  void Install(const std::string& name, const std::string& list) {
    Write("var/lib/dpkg/info/" + name + ".list", list);
    const std::size_t colon = name.find(':');
    status_ += "Package: " + name.substr(0, colon) + "\nStatus: install ok unpacked\n";
    if (colon != std::string::npos) {
      status_ += "Architecture: " + name.substr(colon + 1) + "\nMulti-Arch: same\n";
    }
    status_ += "Version: 1\n\n";
    Write("var/lib/dpkg/status", status_);
  }
  Result<std::vector<std::string>> Files(const std::string& package) {
    return FilesOfPackage(root_.path(), package);
  }
  testing::TempRoot root_;
  std::string status_;
};

TEST_F(PackageFiles, AreItsRegularFilesAlone) {
  Write("usr/bin/tool");
  Write("usr/share/doc/other's");
  fs::create_symlink("tool", root_ / "usr/bin/alias");
  Install("tool",
          "/.\n/usr\n/usr/bin\n/usr/bin/tool\n/usr/bin/alias\n/usr/share/doc\n/usr/bin/gone");
  const auto files = Files("tool");
  ASSERT_THAT(files, IsOk());
  EXPECT_THAT(*files, ElementsAre("usr/bin/tool"));
}

TEST_F(PackageFiles, AreFoundWhereUsrIsMergedAndWhereNot) {
  Write("usr/lib/ours.so");
  Write("sbin/tool");
  fs::create_symlink("usr/lib", root_ / "lib");
  Install("tool", "/lib/ours.so\n/sbin/tool\n");
  const auto files = Files("tool");
  ASSERT_THAT(files, IsOk());
  EXPECT_THAT(*files, ElementsAre("usr/lib/ours.so", "sbin/tool"));
}

TEST_F(PackageFiles, OfAnArchitecture) {
  Write("usr/lib/amd64/ours.so");
  Write("usr/lib/i386/ours.so");
  Install("ours:amd64", "/usr/lib/amd64/ours.so\n");
  Install("ours:i386", "/usr/lib/i386/ours.so\n");
  EXPECT_THAT(Files("ours:i386").value(), ElementsAre("usr/lib/i386/ours.so"));
  EXPECT_THAT(Files("ours").value(), ElementsAre("usr/lib/amd64/ours.so", "usr/lib/i386/ours.so"));
}

TEST_F(PackageFiles, OfNoPackage) {
  Install("tool", "");
  EXPECT_THAT(Files("tool").value(), IsEmpty());
  Write("etc/secret");
  Write("var/lib/dpkg/info/../../../../stranger.list", "/etc/secret\n");
  for (const char* name : {"too", "", "../../../../stranger", "Tool"}) {
    EXPECT_THAT(Files(name), Fails(Code::kNotFound, "PACKAGE_NOT_INSTALLED")) << name;
  }
}

}  // namespace
}  // namespace seaworthy::integrity
