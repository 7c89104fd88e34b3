// Volumes by name: made, tested, refused, refreshed.
#include "component/modules/volumes/volumes_fixture.h"

namespace seaworthy::volumes {
namespace {

using seaworthy::testing::Fails;
using seaworthy::testing::IsOk;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

// M-86.
TEST_F(VolumesModule, IsSealedToThePlatformsStateAndRefreshedWhenThatChanges) {
  const EnrolledVolume made = Format("data");
  EXPECT_EQ(made.volume.state, VolumeState::kClosed);
  EXPECT_EQ(made.volume.generation, Look().generation);
  EXPECT_GT(made.volume.generation, 0U);
  EXPECT_THAT(Kinds(), ElementsAre(WayInKind::kByTpm, WayInKind::kByRecoveryKey));
  EXPECT_EQ(Look().ways_in[0].policy.pcrs.mask, 1U << 7);
  EXPECT_EQ(Look().ways_in[0].fits, true);
  EXPECT_THAT(Test().status, IsOk());
  EXPECT_TRUE(Test().header_checked);
  EXPECT_THAT(Test().differences, IsEmpty());

  ExtendPcr(7);
  EXPECT_THAT(Test().status, Fails(Code::kFailedPrecondition, "PCR_POLICY_UNMET"));
  EXPECT_THAT(Test().differences, ElementsAre(HasSubstr("PCR 7")));
  EXPECT_EQ(Look().ways_in[0].fits, false);
  EXPECT_THAT(volumes_->Open(Soon(), "data", {}),
              Fails(Code::kFailedPrecondition, "PCR_POLICY_UNMET"));
  EXPECT_THAT(Test(RecoveryKey(made.recovery_key)).status, IsOk());

  const Bytes before = ReadFile(made.volume.entry.device, std::size_t{64} << 20).value();
  const auto refused =
      volumes_->RefreshPolicy(Soon(), "data", RecoveryKey(made.recovery_key), {}).status();
  EXPECT_THAT(refused, Fails(Code::kFailedPrecondition, "CHANGE_NOT_EXPLAINED"));
  EXPECT_THAT(Message(refused), HasSubstr("PCR 7"));
  EXPECT_EQ(ReadFile(made.volume.entry.device, std::size_t{64} << 20).value(), before);
  Volumes::RefreshOptions unexplained;
  unexplained.unexplained = true;
  EXPECT_THAT(volumes_->RefreshPolicy(Soon(), "data", {}, unexplained),
              Fails(Code::kFailedPrecondition, "PCR_POLICY_UNMET"));
  const auto refreshed =
      volumes_->RefreshPolicy(Soon(), "data", RecoveryKey(made.recovery_key), unexplained);
  ASSERT_THAT(refreshed, IsOk());
  EXPECT_EQ(refreshed->added.size(), 1U);
  EXPECT_THAT(refreshed->removed, ElementsAre(made.volume.ways_in[0].keyslot));
  EXPECT_THAT(Test().status, IsOk());
  EXPECT_THAT(Test().differences, IsEmpty());
  EXPECT_THAT(Kinds(), UnorderedElementsAre(WayInKind::kByTpm, WayInKind::kByRecoveryKey));
  // Once more there is nothing to do.
  const auto again = volumes_->RefreshPolicy(Soon(), "data", {}, {});
  ASSERT_THAT(again, IsOk());
  EXPECT_THAT(again->added, IsEmpty());
  EXPECT_THAT(again->removed, IsEmpty());
}

// M-87: what another TPM sealed is another node's: it is neither rotated nor taken for a state that
// is gone.
TEST_F(VolumesModule, LeavesTheWaysOfAnotherTpmAlone) {
  const EnrolledVolume made = Format("data");
  const testing::SwTpm other_tpm;
  tpm::Broker other({.tcti = other_tpm.tcti(), .state_dir = root_ / "other", .on_change = {}});
  auto copy = HeaderCopy::Take(made.volume.entry.device);
  ASSERT_THAT(copy, IsOk());
  const auto unlocked = Unlock(*broker_, Soon(), *copy, {});
  ASSERT_THAT(unlocked, IsOk());
  constexpr tpm::PcrSelection kPcr7 = {tpm::HashAlgorithm::kSha256, 1U << 7};
  const auto pcr7 = Run([&](tpm::Context& context) { return tpm::ReadPcrs(context, {kPcr7}); });
  const TpmWayIn way{.policy = {.pcrs = {kPcr7, tpm::PcrDigest(*pcr7)}}};
  ASSERT_THAT(
      ChangeHeader(*broker_, Soon(), *copy, *unlocked,
                   [&](Luks& luks, const SecretBytes& key) -> Result<std::vector<OpenWayIn>> {
                     std::vector<OpenWayIn> added;
                     ASSIGN_OR_RETURN(added.emplace_back(),
                                      AddTpmWayIn(other, Soon(), luks, key, way));
                     return added;
                   }),
      IsOk());
  EXPECT_EQ(Look().ways_in[2].fits, false);
  ASSERT_THAT(volumes_->Rotate(Soon(), "data", {}), IsOk());
  ExtendPcr(7);
  Volumes::RefreshOptions unexplained;
  unexplained.unexplained = true;
  const auto refreshed =
      volumes_->RefreshPolicy(Soon(), "data", RecoveryKey(made.recovery_key), unexplained);
  ASSERT_THAT(refreshed, IsOk());
  EXPECT_EQ(refreshed->removed.size(), 1U);
  const auto again = HeaderCopy::Take(made.volume.entry.device);
  ASSERT_THAT(again, IsOk());
  // The other one still gives the secret; it does not have the counter.
  EXPECT_THAT(Unlock(other, Soon(), *again, {}), Fails(Code::kNotFound, "COUNTER_UNDEFINED"));
}

// M-87: a way in for a state to come is not one of a state that is gone.
TEST_F(VolumesModule, RefreshKeepsWhatWasEnrolledAhead) {
  const EnrolledVolume made = Format("data");
  auto copy = HeaderCopy::Take(made.volume.entry.device);
  ASSERT_THAT(copy, IsOk());
  const auto unlocked = Unlock(*broker_, Soon(), *copy, {});
  ASSERT_THAT(unlocked, IsOk());
  const tpm::SealPolicy to_come{.pcrs = {{tpm::HashAlgorithm::kSha256, 1U << 7}, Bytes(32, 7)}};
  ASSERT_THAT(
      ChangeHeader(*broker_, Soon(), *copy, *unlocked, VolumeTest::AddWays({{.policy = to_come}})),
      IsOk());
  ExtendPcr(7);
  Volumes::RefreshOptions unexplained;
  unexplained.unexplained = true;
  const auto refreshed =
      volumes_->RefreshPolicy(Soon(), "data", RecoveryKey(made.recovery_key), unexplained);
  ASSERT_THAT(refreshed, IsOk());
  EXPECT_THAT(refreshed->removed, ElementsAre(made.volume.ways_in[0].keyslot));
  EXPECT_THAT(Kinds(), UnorderedElementsAre(WayInKind::kByTpm, WayInKind::kByRecoveryKey,
                                            WayInKind::kByTpm));
}

TEST_F(VolumesModule, RefusesWhatItCannotDoBeforeAnythingIsDestroyed) {
  NewVolume wanted = Wanted("data");
  const std::string disk = wanted.entry.device;
  std::ofstream(disk, std::ios::in | std::ios::out).seekp(1024 + 56).write("\x53\xef", 2);
  const Bytes before = ReadFile(disk, std::size_t{64} << 20).value();
  const auto refused = [&](std::string_view reason) {
    EXPECT_THAT(volumes_->Format(Soon(), wanted).status(), ::testing::ResultOf(Reason, reason));
    EXPECT_EQ(ReadFile(disk, std::size_t{64} << 20).value(), before);
  };
  wanted.destroy = true;
  for (const char* name : {"", "Data", "../data", "-data", "a.b"}) {
    wanted.entry.name = name;
    refused("INVALID_NAME");
  }
  wanted.entry.name = "data";
  wanted.entry.device = "disk.img";
  refused("INVALID_DEVICE");
  wanted.entry.device = disk;
  wanted.ways_in.emplace_back().policy.pcrs.mask = 0;
  refused("POLICY_EMPTY");
  wanted.ways_in[0].policy.pin = true;
  refused("PIN_MISSING");
  wanted.ways_in[0].pin = Secret("1234");
  wanted.ways_in[0].policy.signed_pcrs =
      tpm::SignedPcrs{"no key", {tpm::HashAlgorithm::kSha256, 1U << 11}};
  refused("INVALID_POLICY_KEY");
  wanted.ways_in.resize(9);
  refused("TOO_MANY_WAYS_IN");
  wanted.ways_in.clear();
  wanted.entry.device = root_ / "absent";
  EXPECT_THAT(volumes_->Format(Soon(), wanted), Fails(Code::kNotFound, "FILE_NOT_FOUND"));
  EXPECT_THAT(volumes_->List(Soon()).value(), IsEmpty());
}

TEST_F(VolumesModule, OneNameAndOneDeviceIsOneVolume) {
  const std::string device = Format("data").volume.entry.device;
  NewVolume other = Wanted("other");
  other.entry.name = "data";
  EXPECT_THAT(volumes_->Format(Soon(), other), Fails(Code::kAlreadyExists, "VOLUME_EXISTS"));
  other.entry = {"other", device, "", false, {}};
  EXPECT_THAT(volumes_->Format(Soon(), other), Fails(Code::kAlreadyExists, "DEVICE_ENROLLED"));
  EXPECT_THAT(Test().status, IsOk());
  EXPECT_THAT(volumes_->Get(Soon(), "other"), Fails(Code::kNotFound, "VOLUME_NOT_FOUND"));
  // What is on the device is not destroyed unasked.
  EXPECT_THAT(volumes_->Forget(Soon(), "data"), IsOk());
  EXPECT_THAT(volumes_->Format(Soon(), other), Fails(Code::kFailedPrecondition, "SIGNATURE_FOUND"));
}

TEST_F(VolumesModule, AsksForThePin) {
  NewVolume wanted = Wanted("data");
  NewTpmWayIn& way = wanted.ways_in.emplace_back();
  way.policy.pin = true;
  way.pin = Secret("correct horse");
  ASSERT_THAT(volumes_->Format(Soon(), wanted), IsOk());
  EXPECT_THAT(Test().status, Fails(Code::kInvalidArgument, "PIN_MISSING"));
  EXPECT_THAT(Test(Pin("wrong")).status, Fails(Code::kPermissionDenied, "PIN_WRONG"));
  EXPECT_THAT(Test(Pin("correct horse")).status, IsOk());
  EXPECT_THAT(volumes_->Rotate(Soon(), "data", {}),
              Fails(Code::kFailedPrecondition, "NOTHING_TO_ROTATE"));
  ASSERT_THAT(volumes_->Rotate(Soon(), "data", Pin("correct horse")), IsOk());
  EXPECT_THAT(Test(Pin("correct horse")).status, IsOk());
  EXPECT_TRUE(Look().ways_in[0].policy.pin || Look().ways_in[1].policy.pin);
}

TEST_F(VolumesModule, TakesInWhatOthersMade) {
  const std::string disk = Disk("old.img");
  ASSERT_TRUE(
      Shell("printf old >old.key && cryptsetup -q luksFormat --type luks2 --pbkdf pbkdf2 "
            "--pbkdf-force-iterations 1000 old.img old.key"));
  Volumes::Enrolment wanted;
  wanted.entry = {"data", disk, "", true, {}};
  wanted.ways_in.emplace_back();
  EXPECT_THAT(volumes_->Enrol(Soon(), wanted, Passphrase("new")),
              Fails(Code::kPermissionDenied, "PASSPHRASE_WRONG"));
  EXPECT_THAT(volumes_->List(Soon()).value(), IsEmpty());
  const auto made = volumes_->Enrol(Soon(), wanted, Passphrase("old"));
  ASSERT_THAT(made, IsOk());
  EXPECT_TRUE(made->recovery_key.empty());
  EXPECT_THAT(Kinds(), ElementsAre(WayInKind::kByPassphrase, WayInKind::kByTpm));
  EXPECT_THAT(Test().status, IsOk());
  EXPECT_TRUE(Test().header_checked);
  EXPECT_THAT(Test(Passphrase("old")).status,
              Fails(Code::kFailedPrecondition, "HEADER_NOT_CHECKED"));
  VolumeSecret unguarded = Passphrase("old");
  unguarded.unguarded = true;
  EXPECT_THAT(Test(unguarded).status, IsOk());
  EXPECT_FALSE(Test(unguarded).header_checked);
  // The old passphrase goes by the new way in.
  ASSERT_THAT(volumes_->Remove(Soon(), "data", {}, 0), IsOk());
  EXPECT_THAT(Kinds(), ElementsAre(WayInKind::kByTpm));
  EXPECT_THAT(volumes_->Remove(Soon(), "data", {}, Look().ways_in[0].keyslot),
              Fails(Code::kFailedPrecondition, "LAST_WAY_IN"));
  EXPECT_FALSE(Shell("cryptsetup open --test-passphrase --key-file old.key old.img"));
}

TEST_F(VolumesModule, RotatesAndLeavesOthersAlone) {
  const EnrolledVolume made = Format("data");
  const std::uint32_t old = made.volume.ways_in[0].keyslot;
  const auto rotated = volumes_->Rotate(Soon(), "data", {});
  ASSERT_THAT(rotated, IsOk());
  EXPECT_GT(rotated->generation, made.volume.generation);
  for (const WayInShown& way : rotated->ways_in) EXPECT_NE(way.keyslot, old);
  EXPECT_THAT(Test().status, IsOk());
  EXPECT_THAT(Test(RecoveryKey(made.recovery_key)).status, IsOk());
  const auto second = volumes_->AddRecovery(Soon(), "data", {});
  ASSERT_THAT(second, IsOk());
  EXPECT_THAT(Test(RecoveryKey(second->recovery_key)).status, IsOk());
  ASSERT_THAT(volumes_->Remove(Soon(), "data", {}, made.volume.ways_in[1].keyslot), IsOk());
  EXPECT_THAT(Test(RecoveryKey(made.recovery_key)).status,
              Fails(Code::kPermissionDenied, "PASSPHRASE_WRONG"));
  EXPECT_THAT(Test(RecoveryKey(second->recovery_key)).status, IsOk());
}

// M-85.
TEST_F(VolumesModule, AnotherVolumeOnTheDeviceIsRefused) {
  const std::string device = Format("data").volume.entry.device;
  const std::string other = Format("other").volume.entry.device;
  std::filesystem::copy_file(other, device, std::filesystem::copy_options::overwrite_existing);
  EXPECT_THAT(Test().status, Fails(Code::kFailedPrecondition, "OTHER_VOLUME"));
  EXPECT_EQ(Look().state, VolumeState::kUnusable);
  EXPECT_THAT(volumes_->Rotate(Soon(), "data", {}),
              Fails(Code::kFailedPrecondition, "OTHER_VOLUME"));
  std::filesystem::remove(device);
  EXPECT_THAT(Test().status, Fails(Code::kNotFound, "FILE_NOT_FOUND"));
  EXPECT_EQ(Look().state, VolumeState::kUnusable);
  EXPECT_THAT(volumes_->List(Soon()).value(), ::testing::SizeIs(2));
}

TEST_F(VolumesModule, ADamagedEntryIsShownAndCanBeForgotten) {
  Format("data");
  std::ofstream(root_ / "state/volumes/data.json", std::ios::trunc) << "{\"format\": 1";
  Restart();
  const auto listed = volumes_->List(Soon()).value();
  ASSERT_THAT(listed, ::testing::SizeIs(1));
  EXPECT_THAT(listed[0].problem, Fails(Code::kFailedPrecondition, "VOLUME_ENTRY_DAMAGED"));
  EXPECT_THAT(volumes_->Test(Soon(), "data", {}),
              Fails(Code::kFailedPrecondition, "VOLUME_ENTRY_DAMAGED"));
  EXPECT_THAT(volumes_->Forget(Soon(), "data"), IsOk());
  EXPECT_THAT(volumes_->List(Soon()).value(), IsEmpty());
}

TEST_F(VolumesModule, WhatCannotBeOpenedAtTheStartIsTold) {
  NewVolume wanted = Wanted("data");
  wanted.entry.open_at_start = true;
  ASSERT_THAT(volumes_->Format(Soon(), wanted), IsOk());
  EXPECT_THAT(volumes_->Open(Soon(), "data", {}),
              Fails(Code::kInvalidArgument, "DEVICE_PATH_INVALID"));
  ExtendPcr(7);
  Restart();
  const Deadline deadline = Soon();
  while (volumes_->Check().level == Health::Level::kHealthy && TimeLeft(deadline).count() > 0) {
    std::this_thread::yield();
  }
  EXPECT_EQ(volumes_->Check().level, Health::Level::kDegraded);
  EXPECT_THAT(volumes_->Check().detail, AllOf(HasSubstr("data"), HasSubstr("PCR 7")));
  EXPECT_THAT(Look().problem, Fails(Code::kFailedPrecondition, "PCR_POLICY_UNMET"));
}

}  // namespace
}  // namespace seaworthy::volumes
