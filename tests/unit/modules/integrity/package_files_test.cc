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
using testing::IsOk;

class PackageFiles : public ::testing::Test {
 protected:
  void Write(const std::string& path, const std::string& text = "") {
    fs::create_directories(fs::path(root_ / path).parent_path());
    std::ofstream(root_ / path) << text;
  }
  void List(const std::string& package, const std::string& text) {
    Write("var/lib/dpkg/info/" + package + ".list", text);
  }
  Result<std::vector<std::string>> Files(const std::string& package) {
    return FilesOfPackage(root_.path(), package);
  }
  testing::TempRoot root_;
};

TEST_F(PackageFiles, AreItsRegularFilesAlone) {
  Write("usr/bin/tool");
  Write("usr/share/doc/other's");
  fs::create_symlink("tool", root_ / "usr/bin/alias");
  List("tool", "/.\n/usr\n/usr/bin\n/usr/bin/tool\n/usr/bin/alias\n/usr/share/doc\n/usr/bin/gone");
  const auto files = Files("tool");
  ASSERT_THAT(files, IsOk());
  EXPECT_THAT(*files, ElementsAre("usr/bin/tool"));
}

TEST_F(PackageFiles, AreFoundWhereUsrIsMergedAndWhereNot) {
  Write("usr/lib/ours.so");
  Write("sbin/tool");
  fs::create_symlink("usr/lib", root_ / "lib");
  List("tool", "/lib/ours.so\n/sbin/tool\n");
  const auto files = Files("tool");
  ASSERT_THAT(files, IsOk());
  EXPECT_THAT(*files, ElementsAre("usr/lib/ours.so", "sbin/tool"));
}

TEST_F(PackageFiles, OfAnArchitecture) {
  Write("usr/lib/ours.so");
  List("ours:amd64", "/usr/lib/ours.so\n");
  for (const char* name : {"ours", "ours:amd64"}) {
    const auto files = Files(name);
    ASSERT_THAT(files, IsOk()) << name;
    EXPECT_THAT(*files, ElementsAre("usr/lib/ours.so"));
  }
}

TEST_F(PackageFiles, OfNoPackage) {
  List("tool", "");
  EXPECT_THAT(Files("too"), Fails(Code::kNotFound, "PACKAGE_NOT_INSTALLED"));
  for (const char* name : {"", "../tool", "a/b", ".tool", "Tool"}) {
    EXPECT_THAT(Files(name), Fails(Code::kInvalidArgument, "PACKAGE_NAME")) << name;
  }
}

}  // namespace
}  // namespace seaworthy::integrity
