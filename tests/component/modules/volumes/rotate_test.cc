#include "seaworthy/modules/volumes/rotate.h"

#include "component/modules/volumes/guarded_fixture.h"

namespace seaworthy::volumes {
namespace {

using seaworthy::testing::Fails;
using seaworthy::testing::IsOk;
using ::testing::ElementsAre;
using ::testing::Not;

using Rotation = GuardedVolumeTest;

TEST_F(Rotation, GivesATpmWayInANewSecretAndLeavesTheOthers) {
  const auto made = MakeVolume(AddWays({{.policy = PcrsAsTheyAre()}}, true));
  const std::string key_id = KeyId(made[1]);
  Open open = OpenNow();
  const auto rotated = RotateTpmWayIn(*broker_, Soon(), open.copy, open.unlocked, made[0].keyslot,
                                      {.policy = PcrsAsTheyAre()});
  ASSERT_THAT(rotated, IsOk());
  EXPECT_THAT(Opens(*rotated), IsOk());
  EXPECT_THAT(Opens(made[0]), Fails(Code::kNotFound, "KEYSLOT_NOT_FOUND"));
  EXPECT_EQ(UnlockVolume()->way.keyslot, rotated->keyslot);
  EXPECT_THAT(UnlockByKey(AsText(made[1].passphrase.view())), IsOk());
  EXPECT_THAT(TokenTypes(), ElementsAre(kGuard, kSystemdRecovery, kSystemdTpm2));
  EXPECT_EQ(KeyId(made[1]), key_id);
  EXPECT_EQ(KeyId(*rotated), key_id);
}

TEST_F(Rotation, IsForWaysInOfTheTpm) {
  const auto made = MakeVolume(AddWays({{.policy = PcrsAsTheyAre()}}, true));
  const Bytes before = Content();
  Open open = OpenNow();
  const auto rotate = [&](std::uint32_t keyslot) {
    return RotateTpmWayIn(*broker_, Soon(), open.copy, open.unlocked, keyslot,
                          {.policy = PcrsAsTheyAre()});
  };
  EXPECT_THAT(rotate(made[1].keyslot), Fails(Code::kFailedPrecondition, "NOT_A_TPM_WAY_IN"));
  EXPECT_THAT(rotate(9), Fails(Code::kNotFound, "KEYSLOT_NOT_FOUND"));
  EXPECT_EQ(Content(), before);
}

// M-94.
TEST_F(Rotation, RekeyPutsEverybodyElseOut) {
  const tpm::SealPolicy policy = PcrsAsTheyAre();
  const auto made = MakeVolume(AddWays({{.policy = policy}, {.policy = policy}}, true));
  ASSERT_THAT(ChangeVolume(AddPassphrase("a word")), IsOk());
  const std::string key_id = KeyId(made[2]);
  const GuardRecord before = RecordNow();
  Open open = OpenNow();
  const std::vector<TpmWayIn> ways = {{.policy = policy},
                                      {.policy = policy, .legacy_parent = true}};
  const auto now = Rekey(*broker_, Soon(), open.copy, open.unlocked, ways);
  ASSERT_THAT(now, IsOk());
  ASSERT_EQ(now->size(), 3);
  for (const OpenWayIn& way : made) EXPECT_THAT(Opens(way), Not(IsOk()));
  EXPECT_TRUE(OpensNothing("a word"));
  EXPECT_EQ(Luks::Open(path_)->Keyslots().size(), 3);
  EXPECT_THAT(TokenTypes(), ElementsAre(kGuard, kSystemdRecovery, kSystemdTpm2, kSystemdTpm2));
  const auto copy = HeaderCopy::Take(path_);
  for (const OpenWayIn& way : *now) {
    EXPECT_THAT(Opens(way), IsOk());
    EXPECT_EQ(copy->header().metadata.tokens.at(way.token).keyslots, std::vector{way.keyslot});
  }
  EXPECT_THAT(UnlockVolume(), IsOk());
  EXPECT_THAT(UnlockByKey(AsText(now->back().passphrase.view())), IsOk());

  const GuardRecord after = RecordNow();
  EXPECT_EQ(after.nv_index, before.nv_index);
  EXPECT_EQ(after.generation, before.generation + 1);
  EXPECT_EQ(after.keys.size(), 3);
  EXPECT_NE(KeyId((*now)[0]), key_id);
  EXPECT_EQ(KeyId((*now)[0]), KeyId((*now)[2]));
}

// M-94, M-78: nor by the header from before.
TEST_F(Rotation, RekeyRefusesTheHeaderFromBefore) {
  const auto made = MakeVolume(AddWays({{.policy = PcrsAsTheyAre()}}, true));
  const Bytes before = Content();
  Open open = OpenNow();
  const std::vector<TpmWayIn> ways = {{.policy = PcrsAsTheyAre()}};
  ASSERT_THAT(Rekey(*broker_, Soon(), open.copy, open.unlocked, ways), IsOk());
  SetContent(before);
  EXPECT_THAT(UnlockVolume(), Fails(Code::kPermissionDenied, "HEADER_ROLLED_BACK"));
}

TEST_F(Rotation, RekeyTellsTheWaysInBeforeItWritesThem) {
  const auto made = MakeVolume(AddWays({{.policy = PcrsAsTheyAre()}}, true));
  const Bytes before = Content();
  Open open = OpenNow();
  const std::vector<TpmWayIn> ways = {{.policy = PcrsAsTheyAre()}};
  std::string told;
  const auto refused = Rekey(*broker_, Soon(), open.copy, open.unlocked, ways,
                             [&](const std::vector<OpenWayIn>& all) {
                               told = AsText(all.back().passphrase.view());
                               return Fail(Code::kUnavailable, "NOBODY_THERE", "");
                             });
  EXPECT_THAT(refused, Fails(Code::kUnavailable, "NOBODY_THERE"));
  EXPECT_EQ(told.size(), 71);
  EXPECT_EQ(Content(), before);
  Open again = OpenNow();
  EXPECT_THAT(Rekey(*broker_, Soon(), again.copy, again.unlocked, {}),
              Fails(Code::kInvalidArgument, "NO_TPM_WAY_IN"));
  EXPECT_EQ(Content(), before);
}

TEST_F(Rotation, WaysInThatAreLeftAreNotPassedOver) {
  const auto made = MakeVolume(AddWays({{.policy = PcrsAsTheyAre()}}, true));
  const Bytes before = Content();
  Open open = OpenNow();
  EXPECT_THAT(ReplaceWaysIn(*broker_, Soon(), open.copy, open.unlocked,
                            AddWays({{.policy = PcrsAsTheyAre()}})),
              Fails(Code::kInvalidArgument, "WAY_IN_LEFT"));
  EXPECT_EQ(Content(), before);
}

// What was unlocked has to be what is changed.
TEST_F(Rotation, RekeyChecksTheHeaderThatItBeginsWith) {
  const auto made = MakeVolume(AddWays({{.policy = PcrsAsTheyAre()}}, true));
  Open open = OpenNow();
  auto luks = Luks::Open(path_);
  ASSERT_THAT(luks->AddKeyslot(testing::KeyOf(1), Secret("foreign"), {}), IsOk());
  auto other = HeaderCopy::Take(path_);
  ASSERT_THAT(other, IsOk());
  const std::vector<TpmWayIn> ways = {{.policy = PcrsAsTheyAre()}};
  EXPECT_THAT(Rekey(*broker_, Soon(), *other, open.unlocked, ways),
              Fails(Code::kPermissionDenied, "HEADER_TAMPERED"));
}

// M-78: a new counter would leave the header before good for ever.
TEST_F(Rotation, ARecordThatNobodyCouldCheckKeepsItsCounter) {
  MakeVolume(AddWays({{.policy = PcrsAsTheyAre()}}, true));
  ASSERT_THAT(ChangeVolume(AddPassphrase("a word")), IsOk());
  const GuardRecord before = RecordNow();
  const Bytes content = Content();
  auto copy = HeaderCopy::Take(path_);
  ASSERT_THAT(copy, IsOk());
  UnlockOptions believed;
  believed.unguarded = true;
  const auto unlocked = UnlockByPassphrase(*copy, Secret("a word"), believed);
  ASSERT_THAT(unlocked, IsOk());
  const std::vector<TpmWayIn> ways = {{.policy = PcrsAsTheyAre()}};
  ASSERT_THAT(Rekey(*broker_, Soon(), *copy, *unlocked, ways), IsOk());
  EXPECT_EQ(RecordNow().nv_index, before.nv_index);
  EXPECT_THAT(UnlockVolume(), IsOk());
  SetContent(content);
  EXPECT_THAT(UnlockVolume(), Fails(Code::kPermissionDenied, "HEADER_ROLLED_BACK"));
}

}  // namespace
}  // namespace seaworthy::volumes
