// What FileConditions sees, beside what stat and findmnt say.
#include "seaworthy/modules/integrity/file_conditions.h"

#include <gtest/gtest.h>
#include <sys/vfs.h>

#include "support/status_matchers.h"
#include "unit/modules/integrity/signing_key.h"

namespace seaworthy::integrity {
namespace {

using ::seaworthy::testing::IsOk;

std::string Said(const testing::TempRoot& root, const std::string& command) {
  EXPECT_TRUE(Runs(root, command)) << command;
  std::string said = ReadText(root / "log");
  while (said.ends_with('\n')) said.pop_back();
  return said;
}

TEST(FileConditions, AreThoseOfTheFilesSuperblockAndOwner) {
  const testing::TempRoot root;
  WriteText(root / "file", "x");
  FileConditions conditions(false);
  for (const std::string& path : {root / "file", std::string("/proc/version"), std::string("/sys"),
                                  std::string("/usr"), std::string("/dev/null")}) {
    const auto access = conditions.Of(OpenFile(path).get());
    ASSERT_THAT(access, IsOk());
    char magic[32];
    std::snprintf(magic, sizeof(magic), "%lx", access->fsmagic);
    EXPECT_EQ(magic, Said(root, "stat -f -c %t " + path)) << path;
    EXPECT_EQ(access->fsname, Said(root, "findmnt -n -o FSTYPE -T " + path)) << path;
    EXPECT_EQ(std::to_string(access->fowner), Said(root, "stat -c %u " + path)) << path;
    EXPECT_EQ(std::to_string(access->fgroup), Said(root, "stat -c %g " + path)) << path;
    if (path == "/proc/version") {
      EXPECT_EQ(access->fsuuid, FsUuid{});
    }
  }
}

TEST(FileConditions, OfWhatIsNotOpenIsAnError) {
  FileConditions conditions(false);
  EXPECT_FALSE(conditions.Of(-1).ok());
}

TEST(SelinuxType, IsTheThirdPartOfALabel) {
  EXPECT_EQ(SelinuxType("system_u:object_r:bin_t:s0"), "bin_t");
  EXPECT_EQ(SelinuxType("system_u:object_r:bin_t:s0:c1,c2"), "bin_t");
  EXPECT_EQ(SelinuxType("system_u:object_r:bin_t"), "bin_t");
  for (const char* label :
       {"", "a", "a:b", "a:b:", "a:b:c d:s0", "a:b:c\n:s0", "a:b:\xc3\xa4:s0"}) {
    EXPECT_EQ(SelinuxType(label), "") << label;
  }
}

}  // namespace
}  // namespace seaworthy::integrity
