#include "seaworthy/modules/volumes/header_accept.h"

#include <algorithm>

#include "component/modules/volumes/volume_fixture.h"
#include "seaworthy/modules/volumes/header_backup.h"

namespace seaworthy::volumes {
namespace {

using seaworthy::testing::Fails;
using seaworthy::testing::IsOk;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class HeaderAccept : public VolumeTest {
 protected:
  Result<Accepted> AcceptByKey(const OpenWayIn& recovery, const UnlockOptions& options = {}) {
    auto copy = HeaderCopy::Take(path_);
    if (!copy.ok()) return copy.status();
    return AcceptByRecoveryKey(*broker_, Soon(), *copy, recovery.passphrase, options);
  }

  Bytes Image() {
    const auto copy = HeaderCopy::Take(path_);
    EXPECT_THAT(copy, IsOk());
    return HeaderImage(*copy).value_or(Bytes());
  }

  Change Rotate(std::uint32_t keyslot) {
    return [keyslot, add = AddWays({{.policy = PcrsAsTheyAre()}})](
               Luks& luks, const SecretBytes& key) -> Result<std::vector<OpenWayIn>> {
      ASSIGN_OR_RETURN(std::vector<OpenWayIn> added, add(luks, key));
      RETURN_IF_ERROR(RemoveWayIn(luks, keyslot));
      return added;
    };
  }

  // Counters of ours in the TPM.
  int Counters() {
    EXPECT_TRUE(Shell("tpm2_getcap handles-nv-index | grep -ci 0x18157 >counters || true"));
    return std::atoi(FileText("counters").c_str());
  }
};

// M-78: the word of one who has a way in, and no other.
TEST_F(HeaderAccept, AnOlderHeaderIsRefusedUntilItIsAccepted) {
  const auto made = MakeVolume(AddWays({{.policy = PcrsAsTheyAre()}}, true));
  const Bytes image = Image();
  ASSERT_THAT(ChangeVolume(Rotate(made[0].keyslot)), IsOk());
  ASSERT_THAT(RestoreHeader(path_, image, false), IsOk());
  EXPECT_THAT(UnlockVolume(), Fails(Code::kPermissionDenied, "HEADER_ROLLED_BACK"));
  EXPECT_THAT(UnlockByKey(AsText(made[1].passphrase.view())),
              Fails(Code::kPermissionDenied, "HEADER_ROLLED_BACK"));

  const auto accepted = AcceptByKey(made[1]);
  ASSERT_THAT(accepted, IsOk());
  EXPECT_THAT(accepted->before, Fails(Code::kPermissionDenied, "HEADER_ROLLED_BACK"));
  EXPECT_THAT(accepted->guarded, ElementsAre(made[0].keyslot, made[1].keyslot));
  EXPECT_THAT(accepted->unguarded, ElementsAre());
  const auto unlocked = UnlockVolume();
  ASSERT_THAT(unlocked, IsOk());
  EXPECT_TRUE(unlocked->guard.has_value());
  EXPECT_THAT(UnlockByKey(AsText(made[1].passphrase.view())), IsOk());
  EXPECT_EQ(Counters(), 1);
}

// M-78: accepted once is not accepted again.
TEST_F(HeaderAccept, WhatWasAcceptedAndChangedSinceIsRefusedAgain) {
  const auto made = MakeVolume(AddWays({{.policy = PcrsAsTheyAre()}}, true));
  const Bytes first = Image();
  ASSERT_THAT(ChangeVolume(Rotate(made[0].keyslot)), IsOk());
  ASSERT_THAT(RestoreHeader(path_, first, false), IsOk());
  ASSERT_THAT(AcceptByKey(made[1]), IsOk());
  const Bytes second = Image();
  ASSERT_THAT(ChangeVolume(AddWays({}, true)), IsOk());
  ASSERT_THAT(RestoreHeader(path_, second, false), IsOk());
  EXPECT_THAT(UnlockVolume(), Fails(Code::kPermissionDenied, "HEADER_ROLLED_BACK"));
  ASSERT_THAT(RestoreHeader(path_, first, false), IsOk());
  EXPECT_THAT(UnlockVolume(), Fails(Code::kPermissionDenied, "HEADER_ROLLED_BACK"));
}

TEST_F(HeaderAccept, EachTokenWhoseSecretTheTpmGivesIsGuarded) {
  const SecretBytes pin = Secret("1234");
  tpm::SealPolicy with_pin = PcrsAsTheyAre();
  with_pin.pin = true;
  const auto made = MakeVolume(AddWays(
      {{.policy = PcrsAsTheyAre()}, {.policy = with_pin, .pin = &pin}, {.policy = PcrsAsTheyAre()}},
      true));
  auto accepted = AcceptByKey(made[3]);
  ASSERT_THAT(accepted, IsOk());
  EXPECT_THAT(accepted->before, IsOk());
  EXPECT_THAT(accepted->guarded, ElementsAre(made[0].keyslot, made[2].keyslot, made[3].keyslot));
  EXPECT_THAT(accepted->unguarded, ElementsAre(made[1].keyslot));

  UnlockOptions options;
  options.pin = &pin;
  accepted = AcceptByKey(made[3], options);
  ASSERT_THAT(accepted, IsOk());
  EXPECT_THAT(accepted->guarded,
              ElementsAre(made[0].keyslot, made[1].keyslot, made[2].keyslot, made[3].keyslot));
  const SecretBytes wrong = Secret("4321");
  options.pin = &wrong;
  EXPECT_THAT(AcceptByKey(made[3], options), Fails(Code::kPermissionDenied, "PIN_WRONG"));
  EXPECT_EQ(Counters(), 1);
}

// M-79: the secret of a planted token would open the guard key for who planted it.
TEST_F(HeaderAccept, ATokenThatDoesNotOpenItsKeyslotIsNotGuarded) {
  const auto made =
      MakeVolume(AddWays({{.policy = PcrsAsTheyAre()}, {.policy = PcrsAsTheyAre()}}, true));
  auto luks = Luks::Open(path_);
  const int planted = static_cast<int>(made[0].keyslot);
  const std::string json = luks->TokenJson(static_cast<int>(made[0].token)).value_or("");
  ASSERT_THAT(luks->DestroyKeyslot(planted), IsOk());
  ASSERT_EQ(luks->AddKeyslot(testing::KeyOf(1), Secret("foreign"), {}).value_or(-1), planted);
  ASSERT_THAT(luks->SetToken(json, static_cast<int>(made[0].token)), IsOk());
  const auto accepted = AcceptByKey(made[2]);
  ASSERT_THAT(accepted, IsOk());
  EXPECT_THAT(accepted->before, Fails(Code::kPermissionDenied, "HEADER_TAMPERED"));
  EXPECT_THAT(Message(accepted->before), HasSubstr("keyslot " + std::to_string(planted)));
  EXPECT_THAT(accepted->guarded, ElementsAre(made[1].keyslot, made[2].keyslot));
  EXPECT_THAT(accepted->unguarded, ElementsAre(made[0].keyslot));
}

TEST_F(HeaderAccept, APassphraseTakesTheTokensForIt) {
  MakeVolume(AddWays({{.policy = PcrsAsTheyAre()}}));
  auto luks = Luks::Open(path_);
  const auto foreign = luks->AddKeyslot(testing::KeyOf(1), Secret("foreign"), {});
  ASSERT_THAT(foreign, IsOk());
  auto copy = HeaderCopy::Take(path_);
  ASSERT_THAT(AcceptByPassphrase(*broker_, Soon(), *copy, Secret("wrong"), {}),
              Fails(Code::kPermissionDenied, "PASSPHRASE_WRONG"));
  const auto accepted = AcceptByPassphrase(*broker_, Soon(), *copy, Secret("foreign"), {});
  ASSERT_THAT(accepted, IsOk());
  EXPECT_THAT(accepted->unguarded, ElementsAre(static_cast<std::uint32_t>(*foreign)));
  EXPECT_THAT(UnlockVolume(), IsOk());

  ExtendPcr(7);
  const Bytes before = Content();
  copy = HeaderCopy::Take(path_);
  EXPECT_THAT(AcceptByPassphrase(*broker_, Soon(), *copy, Secret("foreign"), {}),
              Fails(Code::kInvalidArgument, "GUARD_WAY_IN"));
  EXPECT_EQ(Content(), before);
  EXPECT_EQ(Counters(), 1) << "a counter that nothing uses";
}

}  // namespace
}  // namespace seaworthy::volumes
