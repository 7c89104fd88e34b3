#include "modules/keys/store.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>

#include "seaworthy/tpm/tss2_pem.h"
#include "support/status_matchers.h"
#include "support/temp_root.h"
#include "unit/modules/keys/wrapped_key.h"

namespace seaworthy::keys {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using testing::Fails;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::IsOk;

std::string Slurp(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

class StoreTest : public ::testing::Test {
 protected:
  fs::path Path(const std::string& relative) const { return root_.path() / "keys" / relative; }

  void Write(const std::string& relative, const std::string& content) const {
    fs::create_directories(Path(relative).parent_path());
    std::ofstream(Path(relative), std::ios::binary) << content;
  }

  std::vector<std::string> Entries(const std::string& folder) const {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(Path(folder))) {
      names.push_back(entry.path().filename());
    }
    std::sort(names.begin(), names.end());
    return names;
  }

  static Metadata MetadataOf(const std::string& name) {
    Metadata metadata;
    metadata.name = name;
    return metadata;
  }

  // A sound key "web", and what damages it.
  void MakeWeb() { ASSERT_THAT(store_.Create(MetadataOf("web"), MakeWrappedKey()), IsOk()); }

  void ExpectDamaged(const std::string& name, const std::string& says) const {
    const Result<Store::Files> files = store_.Load(name);
    EXPECT_THAT(files, Fails(Code::kFailedPrecondition, "KEY_DAMAGED"));
    EXPECT_THAT(Message(files.status()), HasSubstr(says));
    EXPECT_THAT(Message(files.status()), HasSubstr(Path(name).string()));
  }

  testing::TempRoot root_;
  Store store_ = Store::Open(root_.path()).value();
};

TEST_F(StoreTest, AKeyIsReadBackAsCreated) {
  MakeWeb();
  const Result<Store::Files> files = store_.Load("web");
  ASSERT_THAT(files, IsOk());
  EXPECT_EQ(files->current.private_area, MakeWrappedKey().private_area);
  EXPECT_FALSE(files->next);
  EXPECT_THAT(Entries(""), ElementsAre("web"));
  EXPECT_THAT(Entries("web"), ElementsAre("key-1.pem", "meta.json"));
  EXPECT_EQ(fs::status(Path("web")).permissions(), fs::perms::owner_all);
  EXPECT_EQ(fs::status(Path("web/key-1.pem")).permissions(),
            fs::perms::owner_read | fs::perms::owner_write);
}

TEST_F(StoreTest, AnAbsentKeyIsNotFound) {
  EXPECT_THAT(store_.Load("web"), Fails(Code::kNotFound, "KEY_NOT_FOUND"));
  EXPECT_THAT(store_.Remove("web"), Fails(Code::kNotFound, "KEY_NOT_FOUND"));
  EXPECT_THAT(Entries(""), IsEmpty());
}

TEST_F(StoreTest, CreateOverwritesNothing) {
  fs::create_directory(Path("folder"));
  Write("file", "mine");
  fs::create_symlink("/nowhere", Path("link"));
  for (const char* name : {"folder", "file", "link"}) {
    EXPECT_EQ(store_.Create(MetadataOf(name), MakeWrappedKey()).code(), Code::kAlreadyExists);
  }
  EXPECT_THAT(Entries("folder"), IsEmpty());
  EXPECT_EQ(Slurp(Path("file")), "mine");
  EXPECT_THAT(Entries(""), ElementsAre("file", "folder", "link"));
}

TEST_F(StoreTest, ANextKeyWaitsAndIsPromoted) {
  MakeWeb();
  Metadata metadata = MetadataOf("web");
  metadata.next = 2;
  ASSERT_THAT(store_.AddNext(metadata, MakeWrappedKey(kPoint2G)), IsOk());
  ASSERT_TRUE(store_.Load("web")->next.has_value());
  EXPECT_EQ(store_.Load("web")->next->public_area, MakeWrappedKey(kPoint2G).public_area);

  metadata.current = 2;
  metadata.next = 0;
  ASSERT_THAT(store_.Commit(metadata), IsOk());
  EXPECT_EQ(store_.Load("web")->current.public_area, MakeWrappedKey(kPoint2G).public_area);
  EXPECT_THAT(Entries("web"), ElementsAre("key-2.pem", "meta.json"));
}

TEST_F(StoreTest, AddNextReplacesACrashLeftoverButNothingForeign) {
  MakeWeb();
  Metadata metadata = MetadataOf("web");
  metadata.next = 2;
  fs::create_symlink("/etc/hostname", Path("web/key-2.pem"));
  EXPECT_THAT(store_.AddNext(metadata, MakeWrappedKey()),
              Fails(Code::kFailedPrecondition, "UNSAFE_FILE"));
  EXPECT_TRUE(fs::is_symlink(Path("web/key-2.pem")));
  fs::remove(Path("web/key-2.pem"));
  Write("web/key-2.pem", "left by a killed rotation");
  EXPECT_THAT(store_.AddNext(metadata, MakeWrappedKey(kPoint2G)), IsOk());
}

TEST_F(StoreTest, RemoveLeavesNothing) {
  MakeWeb();
  Write("web/more", "");
  EXPECT_THAT(store_.Remove("web"), IsOk());
  EXPECT_THAT(Entries(""), IsEmpty());
}

TEST_F(StoreTest, RemoveTakesADamagedKey) {
  Write("web/meta.json", "{");
  EXPECT_THAT(store_.Remove("web"), IsOk());
  EXPECT_THAT(Entries(""), IsEmpty());
}

TEST_F(StoreTest, RemoveRefusesWhatIsNoKeysFolder) {
  fs::create_directory(root_.path() / "elsewhere");
  fs::create_directory_symlink(root_.path() / "elsewhere", Path("link"));
  Write("file", "mine");
  Write("deep/below/file", "mine");
  for (const char* name : {"link", "file", "deep"}) {
    EXPECT_THAT(store_.Remove(name), Fails(Code::kFailedPrecondition, "UNSAFE_FILE")) << name;
  }
  EXPECT_TRUE(fs::exists(root_.path() / "elsewhere"));
  EXPECT_TRUE(fs::is_symlink(Path("link")));
  EXPECT_EQ(Slurp(Path("file")), "mine");
  EXPECT_EQ(Slurp(Path("deep/below/file")), "mine");
}

TEST_F(StoreTest, RemoveOfALinkedFileLeavesItsTarget) {
  Write("web/meta.json", "{");
  std::ofstream(root_.path() / "precious") << "mine";
  fs::create_symlink(root_.path() / "precious", Path("web/key-1.pem"));
  EXPECT_THAT(store_.Remove("web"), IsOk());
  EXPECT_EQ(Slurp(root_.path() / "precious"), "mine");
}

TEST_F(StoreTest, DamagedMetadata) {
  MakeWeb();
  const std::string sound = Slurp(Path("web/meta.json"));
  fs::remove(Path("web/meta.json"));
  ExpectDamaged("web", "meta.json");
  Write("web/meta.json", "");
  ExpectDamaged("web", "is not JSON");
  Write("web/meta.json", sound.substr(0, sound.size() / 2));
  ExpectDamaged("web", "is not JSON");
  Write("web/meta.json", std::string(kMaxMetadata + 1, ' '));
  ExpectDamaged("web", "cap");
  fs::remove(Path("web/meta.json"));
  fs::create_symlink("/etc/hostname", Path("web/meta.json"));
  ExpectDamaged("web", "meta.json");
  fs::remove(Path("web/meta.json"));
  ASSERT_EQ(mkfifo(Path("web/meta.json").c_str(), 0600), 0);
  ExpectDamaged("web", "not a regular file");
  fs::remove(Path("web/meta.json"));
  fs::create_directory(Path("web/meta.json"));
  ExpectDamaged("web", "not a regular file");
  fs::remove(Path("web/meta.json"));
  Write("web/meta.json", sound);
  EXPECT_THAT(store_.Load("web"), IsOk());
}

TEST_F(StoreTest, DamagedPem) {
  MakeWeb();
  const std::string sound = Slurp(Path("web/key-1.pem"));
  fs::remove(Path("web/key-1.pem"));
  ExpectDamaged("web", "key-1.pem");
  Write("web/key-1.pem", sound.substr(0, sound.size() / 2));
  ExpectDamaged("web", "key-1.pem");
  Write("web/key-1.pem", std::string(tpm::kMaxTss2Pem + 1, 'x'));
  ExpectDamaged("web", "cap");
  fs::remove(Path("web/key-1.pem"));
  fs::create_symlink("meta.json", Path("web/key-1.pem"));
  ExpectDamaged("web", "key-1.pem");
  fs::remove(Path("web/key-1.pem"));
  ASSERT_EQ(mkfifo(Path("web/key-1.pem").c_str(), 0600), 0);
  ExpectDamaged("web", "not a regular file");
}

TEST_F(StoreTest, MetadataOfAnotherKeyIsDamage) {
  MakeWeb();
  fs::copy(Path("web"), Path("copy"));
  ExpectDamaged("copy", "not that of the folder");
}

TEST_F(StoreTest, AFolderThatIsNoneIsDamage) {
  fs::create_directory(root_.path() / "elsewhere");
  fs::create_directory_symlink(root_.path() / "elsewhere", Path("link"));
  Write("file", "");
  ExpectDamaged("link", "link");
  ExpectDamaged("file", "file");
}

TEST_F(StoreTest, ListTellsKeysFromForeignEntries) {
  MakeWeb();
  Write("damaged/x", "");
  Write("NOT A KEY", "");
  Write(".hidden", "");
  fs::create_directory(Path(".new-0123"));
  const Result<Store::Names> names = store_.List();
  ASSERT_THAT(names, IsOk());
  EXPECT_THAT(names->keys, ElementsAre("damaged", "web"));
  EXPECT_THAT(names->foreign, ElementsAre(".hidden", "NOT A KEY"));
}

TEST_F(StoreTest, SweepRemovesWhatKilledChangesLeft) {
  MakeWeb();
  Write(".new-0123/key-1.pem", "x");
  Write(".deleted-0123/key-1.pem", "x");
  Write("web/.tmp-0123", "x");
  Write("web/key-2.pem", "x");
  store_.Sweep();
  EXPECT_THAT(Entries(""), ElementsAre("web"));
  EXPECT_THAT(Entries("web"), ElementsAre("key-1.pem", "meta.json"));
}

TEST_F(StoreTest, SweepRemovesOldGenerations) {
  MakeWeb();
  fs::copy(Path("web/key-1.pem"), Path("web/key-12.pem"));
  Metadata metadata = MetadataOf("web");
  metadata.current = 12;
  Write("web/meta.json", ToJson(metadata));
  Write("web/key-11.pem", "x");
  store_.Sweep();
  EXPECT_THAT(Entries("web"), ElementsAre("key-12.pem", "meta.json"));
}

TEST_F(StoreTest, SweepLeavesWhatIsNotSurelyOurs) {
  MakeWeb();
  Write("web/key-3.pem", "x");
  Write("web/key-02.pem", "x");
  Write("web/key-2.pem.bak", "x");
  fs::create_symlink("/etc/hostname", Path("web/key-2.pem"));
  fs::create_directory(Path("web/.tmp-folder"));
  Write("damaged/meta.json", "{");
  Write("damaged/key-2.pem", "x");
  Write("damaged/.tmp-1", "x");
  const std::vector<std::string> web = Entries("web");
  const std::vector<std::string> damaged = Entries("damaged");
  store_.Sweep();
  EXPECT_EQ(Entries("web"), web);
  EXPECT_EQ(Entries("damaged"), damaged);
}

TEST_F(StoreTest, SweepKeepsAWaitingNextKey) {
  MakeWeb();
  Metadata metadata = MetadataOf("web");
  metadata.next = 2;
  ASSERT_THAT(store_.AddNext(metadata, MakeWrappedKey(kPoint2G)), IsOk());
  store_.Sweep();
  EXPECT_TRUE(store_.Load("web")->next.has_value());
}

}  // namespace
}  // namespace seaworthy::keys
