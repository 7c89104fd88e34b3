#include "seaworthy/modules/volumes/header_change.h"

#include <algorithm>

#include "component/modules/volumes/volume_fixture.h"
#include "seaworthy/modules/volumes/tokens.h"
#include "tpm/context.h"

namespace seaworthy::volumes {
namespace {

using seaworthy::testing::Fails;
using seaworthy::testing::IsOk;
using ::testing::HasSubstr;

class HeaderChange : public VolumeTest {
 protected:
  Change Rotate(std::uint32_t keyslot) {
    return [keyslot, add = AddWays({{.policy = PcrsAsTheyAre()}})](
               Luks& luks, const SecretBytes& key) -> Result<std::vector<OpenWayIn>> {
      ASSIGN_OR_RETURN(std::vector<OpenWayIn> added, add(luks, key));
      RETURN_IF_ERROR(RemoveWayIn(luks, keyslot));
      return added;
    };
  }
};

TEST_F(HeaderChange, ARotationLeavesTheNewSecretAlone) {
  const auto made = MakeVolume(AddWays({{.policy = PcrsAsTheyAre()}}, true));
  const auto rotated = ChangeVolume(Rotate(made[0].keyslot));
  ASSERT_THAT(rotated, IsOk());
  const auto unlocked = UnlockVolume();
  ASSERT_THAT(unlocked, IsOk());
  EXPECT_EQ(unlocked->way.keyslot, rotated->front().keyslot);
  EXPECT_THAT(Opens(made[0]), Fails(Code::kNotFound, "KEYSLOT_NOT_FOUND"));
  EXPECT_THAT(Opens(made[1]), IsOk());
  EXPECT_THAT(UnlockByKey(AsText(made[1].passphrase.view())), IsOk());
}

// M-78.
TEST_F(HeaderChange, TheHeaderFromBeforeIsRefused) {
  const auto made = MakeVolume(AddWays({{.policy = PcrsAsTheyAre()}}, true));
  const Bytes before = Content();
  ASSERT_THAT(ChangeVolume(Rotate(made[0].keyslot)), IsOk());
  const Bytes after = Content();
  SetContent(before);
  EXPECT_THAT(UnlockVolume(), Fails(Code::kPermissionDenied, "HEADER_ROLLED_BACK"));
  EXPECT_THAT(UnlockByKey(AsText(made[1].passphrase.view())),
              Fails(Code::kPermissionDenied, "HEADER_ROLLED_BACK"));
  SetContent(after);
  EXPECT_THAT(UnlockVolume(), IsOk());
}

// M-78: the counter cannot be set back by who may define another.
TEST_F(HeaderChange, AnotherCounterInItsPlaceIsRefused) {
  const auto made = MakeVolume(AddWays({{.policy = PcrsAsTheyAre()}}));
  const Bytes before = Content();
  const auto old = UnlockVolume();
  ASSERT_THAT(old, IsOk());
  char index[16];
  std::snprintf(index, sizeof(index), "0x%08x", old->guard->nv_index);
  ASSERT_THAT(ChangeVolume(Rotate(made[0].keyslot)), IsOk());
  SetContent(before);
  const std::string attributes = "ownerread|ownerwrite|authread|authwrite|no_da";
  ASSERT_TRUE(Shell("tpm2_nvundefine " + std::string(index) + " && tpm2_nvdefine " + index +
                    " -s 8 -a \"" + attributes + "|nt=counter\" && tpm2_nvincrement " + index));
  EXPECT_THAT(UnlockVolume(), Fails(Code::kPermissionDenied, "HEADER_ROLLED_BACK"));
  // As an ordinary index it takes any value.
  ASSERT_THAT(ReplaceFile(root_ / "one", Bytes{0, 0, 0, 0, 0, 0, 0, 1}, 0600), IsOk());
  ASSERT_TRUE(Shell("tpm2_nvundefine " + std::string(index) + " && tpm2_nvdefine " + index +
                    " -s 8 -a \"" + attributes + "\" && tpm2_nvwrite -i one " + index));
  EXPECT_THAT(UnlockVolume(), Fails(Code::kFailedPrecondition, "COUNTER_REPLACED"));
  ASSERT_TRUE(Shell("tpm2_nvundefine " + std::string(index)));
  EXPECT_THAT(UnlockVolume(), Fails(Code::kNotFound, "COUNTER_UNDEFINED"));
}

TEST_F(HeaderChange, TheLastWayInStays) {
  const auto made = MakeVolume(AddWays({{.policy = PcrsAsTheyAre()}}));
  const Bytes before = Content();
  const auto removed =
      ChangeVolume([&](Luks& luks, const SecretBytes& /*key*/) -> Result<std::vector<OpenWayIn>> {
        RETURN_IF_ERROR(RemoveWayIn(luks, made[0].keyslot));
        return std::vector<OpenWayIn>();
      });
  EXPECT_THAT(removed, Fails(Code::kFailedPrecondition, "LAST_WAY_IN"));
  EXPECT_EQ(Content(), before);
}

// What stock tools enrolled gets its record with the first change of ours.
TEST_F(HeaderChange, AVolumeOfOthersIsGuardedFromTheFirstChangeOn) {
  MakeVolume(AddWays({{.policy = PcrsAsTheyAre()}}));
  auto luks = Luks::Open(path_);
  ASSERT_THAT(luks, IsOk());
  for (const Token& token : luks->Tokens()) {
    if (token.type != kGuard) continue;
    ASSERT_THAT(luks->RemoveToken(token.id), IsOk());
  }
  EXPECT_THAT(UnlockVolume(), Fails(Code::kFailedPrecondition, "HEADER_UNGUARDED"));
  UnlockOptions unguarded;
  unguarded.unguarded = true;
  auto copy = HeaderCopy::Take(path_);
  ASSERT_THAT(copy, IsOk());
  const auto unlocked = Unlock(*broker_, Soon(), *copy, unguarded);
  ASSERT_THAT(unlocked, IsOk());
  EXPECT_FALSE(unlocked->guard.has_value());
  ASSERT_THAT(ChangeHeader(*broker_, Soon(), *copy, *unlocked, AddWays({}, true)), IsOk());
  const auto guarded = UnlockVolume();
  ASSERT_THAT(guarded, IsOk());
  EXPECT_TRUE(guarded->guard.has_value());
}

TEST_F(HeaderChange, WhatStockToolsAddIsNamed) {
  const auto made = MakeVolume(AddWays({{.policy = PcrsAsTheyAre()}}));
  auto luks = Luks::Open(path_);
  ASSERT_THAT(luks, IsOk());
  const auto foreign = luks->AddKeyslot(testing::KeyOf(1), Secret("foreign"), {});
  ASSERT_THAT(foreign, IsOk());
  const auto refused = UnlockVolume();
  EXPECT_THAT(refused, Fails(Code::kPermissionDenied, "HEADER_TAMPERED"));
  EXPECT_THAT(Message(refused.status()), HasSubstr("keyslot " + std::to_string(*foreign)));
}

TEST_F(HeaderChange, SomebodyElsesChangeMeanwhileIsKept) {
  MakeVolume(AddWays({{.policy = PcrsAsTheyAre()}}));
  auto copy = HeaderCopy::Take(path_);
  ASSERT_THAT(copy, IsOk());
  const auto unlocked = Unlock(*broker_, Soon(), *copy, {});
  ASSERT_THAT(unlocked, IsOk());
  Bytes by_other;
  const auto change = [&](Luks& /*luks*/,
                          const SecretBytes& key) -> Result<std::vector<OpenWayIn>> {
    auto other = Luks::Open(path_);
    EXPECT_THAT(other->AddKeyslot(key, Secret("other"), {}), IsOk());
    by_other = Content();
    return std::vector<OpenWayIn>();
  };
  EXPECT_THAT(ChangeHeader(*broker_, Soon(), *copy, *unlocked, change),
              Fails(Code::kAborted, "HEADER_CHANGED"));
  EXPECT_EQ(Content(), by_other);
}

// Nothing of a destroyed keyslot may be found on the disk, whatever stopped whom before.
TEST_F(HeaderChange, LeftoversAreOverwritten) {
  const auto made = MakeVolume(AddWays({{.policy = PcrsAsTheyAre()}}, true));
  const auto copy = HeaderCopy::Take(path_);
  const auto area = copy->header().metadata.keyslots.at(made[0].keyslot).area;
  const auto bytes = [&] {
    const Bytes content = Content();
    const auto begin = content.begin() + static_cast<std::ptrdiff_t>(area.offset);
    return Bytes(begin, begin + 4096);
  };
  const Bytes old = bytes();
  ASSERT_THAT(ChangeVolume(Rotate(made[0].keyslot)), IsOk());
  EXPECT_NE(bytes(), old);
  Bytes content = Content();
  std::ranges::copy(old, content.begin() + static_cast<std::ptrdiff_t>(area.offset));
  SetContent(content);
  const auto unlocked = UnlockVolume();
  ASSERT_THAT(unlocked, IsOk());
  ASSERT_THAT(ChangeVolume(Rotate(unlocked->way.keyslot)), IsOk());
  EXPECT_NE(bytes(), old);
}

TEST_F(HeaderChange, WithoutRoomNothingIsChanged) {
  // 1 MiB has room for three keyslots and no more.
  const tpm::SealPolicy policy = PcrsAsTheyAre();
  MakeVolume(AddWays({{.policy = policy}, {.policy = policy}, {.policy = policy}}), 1);
  const Bytes before = Content();
  EXPECT_THAT(ChangeVolume(AddWays({{.policy = policy}, {.policy = policy}})),
              Fails(Code::kResourceExhausted, "KEYSLOTS_FULL"));
  EXPECT_EQ(Content(), before);
  EXPECT_THAT(UnlockVolume(), IsOk());
}

}  // namespace
}  // namespace seaworthy::volumes
