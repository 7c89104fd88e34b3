// Volumes of ours before cryptsetup, cryptsetup's before us, and what is refused.
#include "seaworthy/modules/volumes/luks.h"

#include <gmock/gmock.h>

#include "component/modules/volumes/luks_fixture.h"
#include "seaworthy/modules/volumes/activation.h"
#include "seaworthy/modules/volumes/probe.h"

namespace seaworthy::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using volumes::FormatOptions;
using volumes::Luks;

TEST_F(LuksTest, FormatsWhatCryptsetupReads) {
  FormatOptions options = SmallHeader();
  options.label = "data";
  options.sector_size = 4096;
  options.metadata_bytes = 64 << 10;
  const std::string path = MakeFile("v");
  Result<Luks> luks = Luks::Format(path, KeyOf(7), options);
  ASSERT_THAT(luks, IsOk());
  ASSERT_THAT(luks->AddKeyslot(KeyOf(7), Secret("a pass"), {}), IsOk());
  EXPECT_EQ(luks->label(), "data");
  EXPECT_TRUE(Succeeds("cryptsetup isLuks --type luks2 " + path));
  const std::string dump = Dump(path);
  EXPECT_THAT(dump, HasSubstr("UUID:          \t" + luks->uuid()));
  EXPECT_THAT(dump, HasSubstr("Label:         \tdata"));
  EXPECT_THAT(dump, HasSubstr("Metadata area: \t65536 "));
  EXPECT_THAT(dump, HasSubstr("Keyslots area: \t3145728 "));
  EXPECT_THAT(dump, HasSubstr("offset: 4194304 "));
  EXPECT_THAT(dump, HasSubstr("cipher: aes-xts-plain64"));
  EXPECT_THAT(dump, HasSubstr("sector: 4096 "));
  EXPECT_THAT(dump, HasSubstr("Key:        512 bits"));
  EXPECT_THAT(dump, HasSubstr("PBKDF:      pbkdf2"));
  EXPECT_THAT(dump, HasSubstr("Hash:       sha512"));
  EXPECT_TRUE(CryptsetupOpens(path, "a pass"));
  EXPECT_FALSE(CryptsetupOpens(path, "b pass"));
}

TEST_F(LuksTest, HasTheGivenVolumeKey) {
  const Luks luks = MakeVolume();
  const Result<SecretBytes> key = luks.VolumeKey(Secret("first"));
  ASSERT_THAT(key, IsOk());
  EXPECT_TRUE(std::ranges::equal(key->view(), KeyOf(1).view()));
  const std::string stock = files_ / "stock-key";
  ASSERT_TRUE(Succeeds("cryptsetup luksDump -q --dump-volume-key --volume-key-file " + stock +
                       " --key-file " + KeyFile("first") + " " + luks.path()));
  EXPECT_TRUE(std::ranges::equal(ContentOf(stock), KeyOf(1).view()));
  EXPECT_THAT(luks.VerifyVolumeKey(KeyOf(1)), IsOk());
  EXPECT_THAT(luks.VerifyVolumeKey(KeyOf(2)), Fails(Code::kPermissionDenied, "VOLUME_KEY_WRONG"));
}

TEST_F(LuksTest, OpensWhatCryptsetupFormatted) {
  const std::string path = MakeFile("v", 32);
  ASSERT_TRUE(
      Succeeds("cryptsetup luksFormat -q --type luks2 --pbkdf argon2id --pbkdf-memory 64 "
               "--pbkdf-force-iterations 4 --pbkdf-parallel 1 --label theirs " +
               path + " " + KeyFile("stock")));
  const Result<Luks> luks = Luks::Open(path);
  ASSERT_THAT(luks, IsOk());
  EXPECT_EQ(luks->label(), "theirs");
  EXPECT_EQ(luks->TestPassphrase(Secret("stock")).value_or(-1), 0);
  const auto keyslots = luks->Keyslots();
  ASSERT_EQ(keyslots.size(), 1U);
  EXPECT_EQ(keyslots[0].kdf, "argon2id");
  EXPECT_EQ(keyslots[0].cost.memory_kib, 64U);
  EXPECT_EQ(keyslots[0].cost.iterations, 4U);
  EXPECT_EQ(keyslots[0].cost.threads, 1U);
}

TEST_F(LuksTest, KeepsTheHeaderElsewhere) {
  const std::string data = MakeFile("data", 2);
  FormatOptions options = SmallHeader();
  options.header_file = MakeFile("header", 4);
  {
    Result<Luks> luks = Luks::Format(data, KeyOf(1), options);
    ASSERT_THAT(luks, IsOk());
    ASSERT_THAT(luks->AddKeyslot(KeyOf(1), Secret("first"), {}), IsOk());
  }
  EXPECT_EQ(ContentOf(data), Bytes(2 << 20)) << "data were touched";
  EXPECT_THAT(Luks::Open(data), Fails(Code::kFailedPrecondition, "NOT_LUKS"));
  const Result<Luks> luks = Luks::Open(data, options.header_file);
  ASSERT_THAT(luks, IsOk());
  EXPECT_THAT(luks->TestPassphrase(Secret("first")), IsOk());
  EXPECT_TRUE(CryptsetupOpens(data, "first", "--header " + options.header_file));
  EXPECT_THAT(Dump(options.header_file), HasSubstr("offset: 0 [bytes]"));
}

TEST_F(LuksTest, FormatRefusesWhatIsThere) {
  const struct {
    const char* name;
    const char* make;
    const char* signature;
  } kinds[] = {
      {"ext4", "mkfs.ext4 -q -F ", "ext4"},
      {"swap", "mkswap ", "swap"},
      {"luks",
       "cryptsetup luksFormat -q --pbkdf pbkdf2 --pbkdf-force-iterations 1000 "
       "--key-file " SOURCE_DIR "/LICENSE ",
       "crypto_LUKS"},
      {"gpt", "printf 'label: gpt\\n,4M\\n' | sfdisk -q ", "gpt"},
      {"dos", "printf 'label: dos\\n,4M\\n' | sfdisk -q ", "dos"},
  };
  for (const auto& kind : kinds) {
    SCOPED_TRACE(kind.name);
    const std::string path = MakeFile(kind.name, 32);
    const Output made = RunProgram(kind.make + path);
    ASSERT_EQ(made.status, 0) << made.text;
    const Bytes before = ContentOf(path);
    const Result<Luks> refused = Luks::Format(path, KeyOf(1), SmallHeader());
    EXPECT_THAT(refused, Fails(Code::kFailedPrecondition, "SIGNATURE_FOUND"));
    EXPECT_THAT(Message(refused.status()), HasSubstr(kind.signature));
    EXPECT_TRUE(ContentOf(path) == before) << "it was written to";

    FormatOptions options = SmallHeader();
    options.destroy = true;
    EXPECT_THAT(Luks::Format(path, KeyOf(1), options), IsOk());
    const auto state = volumes::Probe(path);
    ASSERT_THAT(state, IsOk());
    EXPECT_THAT(state->signatures, ElementsAre("crypto_LUKS"));
  }
}

TEST_F(LuksTest, ProbeNamesWhatItSees) {
  const std::string lvm = MakeFile("lvm");
  WriteAt(lvm, 512, std::string("LABELONE\1\0\0\0\0\0\0\0\0\0\0\0\x20\0\0\0LVM2 001", 32));
  EXPECT_THAT(volumes::Probe(MakeFile("empty"))->signatures, IsEmpty());
  EXPECT_EQ(volumes::Probe(MakeFile("empty"))->bytes, 16U << 20);
  EXPECT_THAT(volumes::Probe(lvm)->signatures, ElementsAre("LVM2_member"));
  EXPECT_THAT(volumes::Probe(files_ / "none"), Fails(Code::kNotFound, "FILE_NOT_FOUND"));
  EXPECT_THAT(volumes::Probe("/dev/null"), Fails(Code::kFailedPrecondition, "UNSAFE_FILE"));
}

TEST_F(LuksTest, ProbeTellsWhoseTheFileIs) {
  const std::string path = MakeFile("disk");
  const std::filesystem::path loop = files_.path() / "root/sys/block/loop3/loop";
  std::filesystem::create_directories(loop);
  std::ofstream(loop / "backing_file") << path << "\n";
  const auto state = volumes::Probe(path, files_ / "root");
  ASSERT_THAT(state, IsOk());
  EXPECT_TRUE(state->in_use);
  EXPECT_THAT(state->users, ElementsAre("loop3"));
  EXPECT_FALSE(volumes::Probe(MakeFile("other"), files_ / "root")->in_use);
}

TEST_F(LuksTest, FormatRefusesBadOptions) {
  const std::string path = MakeFile("v", 4);
  EXPECT_THAT(Luks::Format(path, KeyOf(1), SmallHeader()),
              Fails(Code::kFailedPrecondition, "DEVICE_TOO_SMALL"));
  EXPECT_THAT(Luks::Format(path, Secret("short"), SmallHeader()),
              Fails(Code::kInvalidArgument, "VOLUME_KEY_SIZE"));
  FormatOptions options = SmallHeader();
  options.label = std::string(48, 'x');
  EXPECT_THAT(Luks::Format(path, KeyOf(1), options),
              Fails(Code::kInvalidArgument, "LABEL_MALFORMED"));
  options = SmallHeader();
  options.metadata_bytes = 17 << 10;
  EXPECT_THAT(Luks::Format(MakeFile("w"), KeyOf(1), options),
              Fails(Code::kInvalidArgument, "LUKS_REFUSED"));
  options = SmallHeader();
  options.sector_size = 1000;
  EXPECT_THAT(Luks::Format(MakeFile("w"), KeyOf(1), options),
              Fails(Code::kInvalidArgument, "LUKS_REFUSED"));
  EXPECT_EQ(ContentOf(files_ / "w"), Bytes(16 << 20));
  EXPECT_THAT(Luks::Format(files_ / "none", KeyOf(1), SmallHeader()),
              Fails(Code::kNotFound, "FILE_NOT_FOUND"));
}

TEST_F(LuksTest, OpenSaysWhyNot) {
  EXPECT_THAT(Luks::Open(files_ / "none"), Fails(Code::kNotFound, "FILE_NOT_FOUND"));
  EXPECT_THAT(Luks::Open(MakeFile("empty")), Fails(Code::kFailedPrecondition, "NOT_LUKS"));
  EXPECT_THAT(Luks::Open(MakeFile("tiny", 0)), Fails(Code::kFailedPrecondition, "NOT_LUKS"));
  const std::string old = MakeFile("luks1");
  ASSERT_TRUE(Succeeds("cryptsetup luksFormat -q --type luks1 --pbkdf-force-iterations 1000 " +
                       old + " " + KeyFile("stock")));
  EXPECT_THAT(Luks::Open(old), Fails(Code::kFailedPrecondition, "LUKS1_HEADER"));
}

TEST_F(LuksTest, OneSoundHeaderCopyIsEnough) {
  for (const std::uint64_t offset : {0x1000U, 0x5000U}) {
    const std::string path = MakeVolume().path();
    WriteAt(path, offset, "broken");
    const Result<Luks> luks = Luks::Open(path);
    ASSERT_THAT(luks, IsOk());
    EXPECT_THAT(luks->TestPassphrase(Secret("first")), IsOk());
  }
  const std::string path = MakeVolume().path();
  WriteAt(path, 0x1000, "broken");
  WriteAt(path, 0x5000, "broken");
  EXPECT_THAT(Luks::Open(path), Fails(Code::kFailedPrecondition, "LUKS_HEADER_DAMAGED"));
  WriteAt(path, 0, std::string(0x1000, '\0'));
  EXPECT_THAT(Luks::Open(path), Fails(Code::kFailedPrecondition, "LUKS_HEADER_DAMAGED"));
}

// This machine has no device mapper, or the test no right to it.
TEST_F(LuksTest, ActivationSaysThatTheDeviceMapperIsMissing) {
  if (std::filesystem::exists("/sys/class/misc/device-mapper")) return;
  const Luks luks = MakeVolume();
  const auto missing = Fails(Code::kFailedPrecondition, "DEVICE_MAPPER_MISSING");
  EXPECT_THAT(volumes::Activate(luks, "seaworthy-test", Secret("first"), {}), missing);
  EXPECT_THAT(volumes::ActivateByVolumeKey(luks, "seaworthy-test", KeyOf(1), {}), missing);
  EXPECT_THAT(volumes::Activate(luks, "", Secret("first"), {}),
              Fails(Code::kInvalidArgument, "NAME_EMPTY"));
  EXPECT_THAT(volumes::GetActiveState("seaworthy-test"), missing);
  EXPECT_THAT(volumes::Deactivate("seaworthy-test"), missing);
}

}  // namespace
}  // namespace seaworthy::testing
