// Keyslots, tokens, and headers kept and destroyed.
#include <gmock/gmock.h>
#include <sys/stat.h>

#include "component/modules/volumes/luks_fixture.h"

namespace seaworthy::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using volumes::KeyslotCost;
using volumes::Luks;
using volumes::Token;

const KeyslotCost kRandom = KeyslotCost::ForRandomSecret();

std::vector<int> Ids(const Luks& luks) {
  std::vector<int> ids;
  for (const auto& keyslot : luks.Keyslots()) ids.push_back(keyslot.id);
  return ids;
}

TEST_F(LuksTest, AddsByVolumeKeyAndByPassphrase) {
  Luks luks = MakeVolume();
  EXPECT_EQ(luks.AddKeyslot(KeyOf(1), Secret("by key"), kRandom).value_or(-1), 1);
  EXPECT_EQ(luks.AddKeyslotByPassphrase(Secret("by key"), Secret("human"),
                                        KeyslotCost::Argon2id(1024, 4, 1))
                .value_or(-1),
            2);
  EXPECT_THAT(luks.AddKeyslot(KeyOf(2), Secret("x"), kRandom),
              Fails(Code::kPermissionDenied, "VOLUME_KEY_WRONG"));
  EXPECT_THAT(luks.AddKeyslotByPassphrase(Secret("wrong"), Secret("x"), kRandom),
              Fails(Code::kPermissionDenied, "PASSPHRASE_WRONG"));
  EXPECT_THAT(luks.AddKeyslot(KeyOf(1), Secret(""), kRandom),
              Fails(Code::kInvalidArgument, "PASSPHRASE_EMPTY"));
  EXPECT_THAT(luks.AddKeyslot(KeyOf(1), Secret("x"), KeyslotCost{.iterations = 999}),
              Fails(Code::kInvalidArgument, "LUKS_REFUSED"));
  EXPECT_THAT(Ids(luks), ElementsAre(0, 1, 2));
  EXPECT_EQ(luks.Keyslots()[2].kdf, "argon2id");
  EXPECT_EQ(luks.Keyslots()[2].cost.memory_kib, 1024U);
  for (const char* passphrase : {"first", "by key", "human"}) {
    EXPECT_TRUE(CryptsetupOpens(luks.path(), passphrase)) << passphrase;
  }
  const std::string dump = Dump(luks.path());
  EXPECT_THAT(dump, HasSubstr("PBKDF:      argon2id"));
  EXPECT_THAT(dump, HasSubstr("Memory:     1024"));
}

TEST_F(LuksTest, PassphrasesMayHaveAnyBytes) {
  Luks luks = MakeVolume();
  const std::string_view odd("\0a\n\xff", 4);
  ASSERT_THAT(luks.AddKeyslot(KeyOf(1), Secret(odd), kRandom), IsOk());
  EXPECT_THAT(luks.TestPassphrase(Secret(odd)), IsOk());
  EXPECT_FALSE(luks.TestPassphrase(Secret(odd.substr(0, 3))).ok());
  EXPECT_TRUE(CryptsetupOpens(luks.path(), odd));
}

TEST_F(LuksTest, TellsWhichKeyslotAPassphraseOpens) {
  Luks luks = MakeVolume();
  ASSERT_THAT(luks.AddKeyslot(KeyOf(1), Secret("second"), kRandom), IsOk());
  EXPECT_EQ(luks.TestPassphrase(Secret("second")).value_or(-1), 1);
  EXPECT_EQ(luks.TestPassphrase(Secret("second"), 1).value_or(-1), 1);
  const auto wrong = Fails(Code::kPermissionDenied, "PASSPHRASE_WRONG");
  EXPECT_THAT(luks.TestPassphrase(Secret("second"), 0), wrong);
  EXPECT_THAT(luks.TestPassphrase(Secret("third")), wrong);
  EXPECT_THAT(luks.VolumeKey(Secret("third")), wrong);
  EXPECT_THAT(luks.TestPassphrase(Secret("second"), 7),
              Fails(Code::kNotFound, "KEYSLOT_NOT_FOUND"));
}

TEST_F(LuksTest, UnboundKeyslotsOpenNothing) {
  Luks luks = MakeVolume();
  ASSERT_TRUE(
      Succeeds("cryptsetup luksAddKey -q --unbound --key-size 512 --pbkdf pbkdf2 "
               "--pbkdf-force-iterations 1000 " +
               luks.path() + " " + KeyFile("unbound")));
  luks = *Luks::Open(luks.path());
  ASSERT_EQ(luks.Keyslots().size(), 2U);
  EXPECT_TRUE(luks.Keyslots()[0].bound);
  EXPECT_FALSE(luks.Keyslots()[1].bound);
  const auto wrong = Fails(Code::kPermissionDenied, "PASSPHRASE_WRONG");
  EXPECT_THAT(luks.TestPassphrase(Secret("unbound")), wrong);
  EXPECT_THAT(luks.VolumeKey(Secret("unbound")), wrong);
  EXPECT_THAT(luks.AddKeyslotByPassphrase(Secret("unbound"), Secret("x"), kRandom), wrong);
  EXPECT_THAT(luks.TestPassphrase(Secret("wrong")), wrong);
  EXPECT_THAT(luks.TestPassphrase(Secret("first")), IsOk());
}

TEST_F(LuksTest, ChangedKeyslotKeepsItsNumberAndToken) {
  Luks luks = MakeVolume();
  ASSERT_THAT(luks.SetToken(R"({"type":"t","keyslots":["0"]})"), IsOk());
  EXPECT_EQ(luks.ChangePassphrase(0, Secret("first"), Secret("next"), kRandom).value_or(-1), 0);
  EXPECT_THAT(Ids(luks), ElementsAre(0));
  EXPECT_THAT(luks.Tokens()[0].keyslots, ElementsAre(0));
  EXPECT_TRUE(CryptsetupOpens(luks.path(), "next"));
  EXPECT_FALSE(CryptsetupOpens(luks.path(), "first"));
  EXPECT_THAT(luks.ChangePassphrase(0, Secret("first"), Secret("x"), kRandom),
              Fails(Code::kPermissionDenied, "PASSPHRASE_WRONG"));
  EXPECT_THAT(luks.ChangePassphrase(5, Secret("next"), Secret("x"), kRandom),
              Fails(Code::kNotFound, "KEYSLOT_NOT_FOUND"));
}

TEST_F(LuksTest, DestroysKeyslots) {
  Luks luks = MakeVolume();
  ASSERT_THAT(luks.AddKeyslot(KeyOf(1), Secret("second"), kRandom), IsOk());
  EXPECT_THAT(luks.DestroyKeyslot(0), IsOk());
  EXPECT_THAT(Ids(luks), ElementsAre(1));
  EXPECT_FALSE(CryptsetupOpens(luks.path(), "first"));
  EXPECT_TRUE(CryptsetupOpens(luks.path(), "second"));
  EXPECT_THAT(luks.DestroyKeyslot(0), Fails(Code::kNotFound, "KEYSLOT_NOT_FOUND"));
  EXPECT_THAT(luks.DestroyKeyslot(-1), Fails(Code::kNotFound, "KEYSLOT_NOT_FOUND"));
}

TEST_F(LuksTest, SaysWhenThereIsNoRoomForAKeyslot) {
  Luks luks = MakeVolume();  // room for 12
  Result<int> added = 0;
  int count = 1;
  while ((added = luks.AddKeyslot(KeyOf(1), Secret("p"), kRandom)).ok()) ++count;
  EXPECT_THAT(added, Fails(Code::kResourceExhausted, "KEYSLOTS_FULL"));
  EXPECT_EQ(count, 12);
  EXPECT_THAT(luks.ChangePassphrase(0, Secret("first"), Secret("x"), kRandom),
              Fails(Code::kResourceExhausted, "KEYSLOTS_FULL"));
  EXPECT_THAT(luks.TestPassphrase(Secret("first")), IsOk());
}

TEST_F(LuksTest, StaleHandleChangesNothing) {
  Luks stale = MakeVolume();
  Result<Luks> other = Luks::Open(stale.path());
  ASSERT_THAT(other->AddKeyslot(KeyOf(1), Secret("other"), kRandom), IsOk());
  const auto changed = Fails(Code::kAborted, "HEADER_CHANGED");
  EXPECT_THAT(stale.AddKeyslot(KeyOf(1), Secret("stale"), kRandom), changed);
  EXPECT_TRUE(CryptsetupOpens(stale.path(), "first"));
  EXPECT_TRUE(CryptsetupOpens(stale.path(), "other"));
  // It has read the header again.
  EXPECT_THAT(Ids(stale), ElementsAre(0, 1));
  ASSERT_THAT(other->SetToken(R"({"type":"theirs","keyslots":[]})"), IsOk());
  EXPECT_THAT(stale.SetToken(R"({"type":"t","keyslots":[]})"), changed);
  EXPECT_THAT(stale.SetToken(R"({"type":"t","keyslots":[]})"), IsOk());
  ASSERT_THAT(other->SetToken(R"({"type":"x","keyslots":[]})"), changed);
  ASSERT_THAT(other->DestroyKeyslot(1), IsOk());
  EXPECT_THAT(stale.DestroyKeyslot(0), changed);
  EXPECT_TRUE(CryptsetupOpens(stale.path(), "first"));
}

TEST_F(LuksTest, KeepsTokens) {
  Luks luks = MakeVolume();
  ASSERT_THAT(luks.AddKeyslot(KeyOf(1), Secret("second"), kRandom), IsOk());
  EXPECT_THAT(luks.Tokens(), IsEmpty());
  EXPECT_EQ(luks.SetToken(R"({"type":"seaworthy","keyslots":["0"],"a":1})").value_or(-1), 0);
  EXPECT_EQ(luks.SetToken(R"({"type":"other","keyslots":[]})", 5).value_or(-1), 5);
  EXPECT_THAT(luks.AssignToken(5, 1), IsOk());
  const std::vector<Token> tokens = Luks::Open(luks.path())->Tokens();
  ASSERT_EQ(tokens.size(), 2U);
  EXPECT_EQ(tokens[0].type, "seaworthy");
  EXPECT_THAT(tokens[0].keyslots, ElementsAre(0));
  EXPECT_EQ(tokens[1].id, 5);
  EXPECT_THAT(tokens[1].keyslots, ElementsAre(1));
  EXPECT_THAT(luks.TokenJson(0).value_or(""), HasSubstr("\"a\":1"));
  EXPECT_THAT(RunProgram("cryptsetup token export --token-id 0 " + luks.path()).text,
              HasSubstr("\"a\":1"));

  EXPECT_EQ(luks.SetToken(R"({"type":"seaworthy","keyslots":["0"],"a":2})", 0).value_or(-1), 0);
  EXPECT_THAT(luks.TokenJson(0).value_or(""), HasSubstr("\"a\":2"));
  EXPECT_THAT(luks.UnassignToken(5, 1), IsOk());
  EXPECT_THAT(luks.Tokens()[1].keyslots, IsEmpty());
  EXPECT_THAT(luks.RemoveToken(0), IsOk());
  EXPECT_THAT(Dump(luks.path()), Not(HasSubstr("seaworthy")));
}

TEST_F(LuksTest, RefusesWhatIsNoToken) {
  Luks luks = MakeVolume();
  const auto malformed = Fails(Code::kInvalidArgument, "TOKEN_MALFORMED");
  EXPECT_THAT(luks.SetToken("{"), malformed);
  EXPECT_THAT(luks.SetToken(R"({"keyslots":[]})"), malformed);
  EXPECT_THAT(luks.SetToken(R"({"type":"luks2-mine","keyslots":[]})"), malformed);
  EXPECT_THAT(luks.SetToken(R"({"type":"t","keyslots":["9"]})"), malformed);
  EXPECT_THAT(luks.SetToken(R"({"type":"t","keyslots":[]})", 32),
              Fails(Code::kInvalidArgument, "TOKEN_NUMBER"));
  const auto missing = Fails(Code::kNotFound, "TOKEN_NOT_FOUND");
  EXPECT_THAT(luks.TokenJson(3), missing);
  EXPECT_THAT(luks.TokenJson(-1), missing);
  EXPECT_THAT(luks.RemoveToken(3), missing);
  EXPECT_THAT(luks.AssignToken(3, 0), missing);
  EXPECT_THAT(luks.UnassignToken(3, 0), missing);
  EXPECT_THAT(luks.Tokens(), IsEmpty());
}

TEST_F(LuksTest, SaysWhenTheTokenAreaIsFull) {
  Luks luks = MakeVolume();
  const Result<int> full =
      luks.SetToken(R"({"type":"t","keyslots":[],"x":")" + std::string(12000, 'x') + R"("})");
  EXPECT_THAT(full, Fails(Code::kResourceExhausted, "TOKEN_AREA_FULL"));
  EXPECT_THAT(Message(full.status()), HasSubstr("12033 bytes"));
  EXPECT_THAT(luks.Tokens(), IsEmpty());
  EXPECT_THAT(luks.SetToken(R"({"type":"t","keyslots":[]})"), IsOk());
  // Of one that is there the old content stays.
  EXPECT_THAT(
      luks.SetToken(R"({"type":"t","keyslots":[],"x":")" + std::string(12000, 'x') + R"("})", 0),
      Fails(Code::kResourceExhausted, "TOKEN_AREA_FULL"));
  EXPECT_THAT(luks.SetToken(R"({"type":"u","keyslots":[]})"), IsOk());
  EXPECT_EQ(Luks::Open(luks.path())->Tokens().size(), 2U);
  EXPECT_TRUE(CryptsetupOpens(luks.path(), "first"));
}

TEST_F(LuksTest, BacksUpAndRestoresTheHeader) {
  Luks luks = MakeVolume();
  const std::string file = files_ / "backup";
  ASSERT_THAT(luks.BackUpHeader(file), IsOk());
  struct stat stat = {};
  ASSERT_EQ(::stat(file.c_str(), &stat), 0);
  EXPECT_EQ(stat.st_mode & 07777, 0600U);
  EXPECT_THAT(luks.BackUpHeader(file), Fails(Code::kAlreadyExists, "FILE_EXISTS"));
  EXPECT_THAT(luks.BackUpHeader(files_ / "no/backup"), Fails(Code::kNotFound, "FILE_NOT_FOUND"));
  EXPECT_TRUE(CryptsetupOpens(file, "first"));
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(files_.path()), {}), 3);

  ASSERT_THAT(luks.EraseKeyslots(), IsOk());
  EXPECT_FALSE(CryptsetupOpens(luks.path(), "first"));
  EXPECT_THAT(luks.Keyslots(), IsEmpty());
  ASSERT_THAT(Luks::RestoreHeader(luks.path(), file), IsOk());
  EXPECT_TRUE(CryptsetupOpens(luks.path(), "first"));
}

TEST_F(LuksTest, RestoresDamagedHeaders) {
  const Luks luks = MakeVolume();
  ASSERT_THAT(luks.BackUpHeader(files_ / "backup"), IsOk());
  WriteAt(luks.path(), 0x1000, "broken");
  WriteAt(luks.path(), 0x5000, "broken");
  ASSERT_THAT(Luks::RestoreHeader(luks.path(), files_ / "backup"), IsOk());
  EXPECT_TRUE(CryptsetupOpens(luks.path(), "first"));
}

TEST_F(LuksTest, RestoresNoOtherVolumesHeaderUnlessTold) {
  const Luks luks = MakeVolume();
  ASSERT_THAT(luks.BackUpHeader(files_ / "backup"), IsOk());
  Result<Luks> other = Luks::Format(MakeFile("other"), KeyOf(3), SmallHeader());
  ASSERT_THAT(other->AddKeyslot(KeyOf(3), Secret("theirs"), kRandom), IsOk());
  const std::string empty = MakeFile("empty");
  const auto refused = Fails(Code::kFailedPrecondition, "OTHER_VOLUME");
  EXPECT_THAT(Luks::RestoreHeader(other->path(), files_ / "backup"), refused);
  EXPECT_THAT(Luks::RestoreHeader(empty, files_ / "backup"), refused);
  EXPECT_TRUE(CryptsetupOpens(other->path(), "theirs"));
  EXPECT_EQ(ContentOf(empty), Bytes(16 << 20));
  EXPECT_THAT(Luks::RestoreHeader(empty, files_ / "empty"),
              Fails(Code::kFailedPrecondition, "NOT_LUKS"));
  EXPECT_THAT(Luks::RestoreHeader(other->path(), files_ / "backup", true), IsOk());
  EXPECT_TRUE(CryptsetupOpens(other->path(), "first"));
  EXPECT_THAT(Luks::RestoreHeader(empty, files_ / "backup", true), IsOk());
  EXPECT_TRUE(CryptsetupOpens(empty, "first"));
}

TEST_F(LuksTest, WipedHeaderLeavesNothing) {
  Luks luks = MakeVolume();
  WriteAt(luks.path(), 4 << 20, "data");
  ASSERT_THAT(luks.WipeHeader(), IsOk());
  EXPECT_THAT(Luks::Open(luks.path()), Fails(Code::kFailedPrecondition, "NOT_LUKS"));
  EXPECT_FALSE(Succeeds("cryptsetup isLuks " + luks.path()));
  const Bytes content = ContentOf(luks.path());
  EXPECT_EQ(AsText(content).find("keyslots"), std::string_view::npos);
  EXPECT_EQ(AsText(content).substr(4 << 20, 4), "data");
}

}  // namespace
}  // namespace seaworthy::testing
