#include "seaworthy/modules/volumes/guarded_reencryption.h"

#include <nlohmann/json.hpp>

#include "component/modules/volumes/guarded_fixture.h"
#include "modules/volumes/metadata_write.h"

namespace seaworthy::volumes {
namespace {

using nlohmann::json;
using seaworthy::testing::Fails;
using seaworthy::testing::IsOk;
using seaworthy::testing::KeyOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr std::chrono::seconds kTpmWait(20);

class GuardedReencryption : public GuardedVolumeTest {
 protected:
  void SetUp() override {
    testing::UseLocksIfPossible();
    former_ = MakeVolume(AddWays({{.policy = PcrsAsTheyAre()}}, true));
    ASSERT_THAT(ChangeVolume(AddPassphrase("a word")), IsOk());
    Fill(20);
  }

  std::vector<OpenWayIn> Begin() {
    Open open = OpenNow();
    const std::vector<TpmWayIn> ways = {{.policy = PcrsAsTheyAre()}};
    auto begun = BeginReencryption(*broker_, Soon(), open.copy, open.unlocked, ways);
    EXPECT_THAT(begun, IsOk());
    return begun.ok() ? *std::move(begun) : std::vector<OpenWayIn>();
  }

  Status Continue(const ReencryptionProgress& progress = nullptr) {
    auto copy = HeaderCopy::Take(path_, Reencryption::kExpected);
    RETURN_IF_ERROR(copy.status());
    const auto unlocked = Unlock(*broker_, Soon(), *copy, {});
    RETURN_IF_ERROR(unlocked.status());
    return ContinueReencryption(*broker_, kTpmWait, *copy, *unlocked, progress);
  }

  // A part of the data alone.
  Status ContinueABit() {
    return Continue([](std::uint64_t done, std::uint64_t /*bytes*/) { return done == 0; });
  }

  // To the end, without the record.
  void EndWithoutRecord() {
    const Open open = OpenNow();
    auto luks = Luks::Open(path_);
    ASSERT_THAT(RunReencryption(*luks, open.unlocked.way.passphrase, nullptr), IsOk());
  }

  void ExpectDone(const std::vector<OpenWayIn>& begun) {
    ASSERT_EQ(begun.size(), 2);
    EXPECT_FALSE(IsReencrypting(HeaderNow().metadata));
    EXPECT_FALSE(AnnouncesReencryption(RecordNow()));
    EXPECT_THAT(TokenTypes(), ElementsAre(kGuard, kSystemdRecovery, kSystemdTpm2));
    EXPECT_EQ(Luks::Open(path_)->Keyslots().size(), 2);
    for (const OpenWayIn& way : begun) {
      EXPECT_THAT(Opens(way), IsOk());
      EXPECT_TRUE(RecordNow().keys.contains(way.keyslot));
      EXPECT_EQ(HeaderNow().metadata.tokens.at(way.token).keyslots, std::vector{way.keyslot});
    }
    EXPECT_EQ(RecordNow().keys.size(), 2);
    EXPECT_TRUE(HasData(begun[0]));
    EXPECT_THAT(Luks::Open(path_)->VerifyVolumeKey(KeyOf(1)),
                Fails(Code::kPermissionDenied, "VOLUME_KEY_WRONG"));
    ExpectFormerOut();
    const auto by_key = UnlockByKey(AsText(begun[1].passphrase.view()));
    ASSERT_THAT(by_key, IsOk());
    EXPECT_TRUE(by_key->guard.has_value());
    // The stock program's opinion.
    ASSERT_THAT(ReplaceFile(root_ / "key", begun[1].passphrase.view(), 0600), IsOk());
    EXPECT_TRUE(Shell("cryptsetup luksOpen --test-passphrase --key-file key volume"));
    EXPECT_TRUE(Shell("cryptsetup luksDump volume >dump && ! grep -i reencrypt dump"));
  }

  void ExpectFormerOut() const {
    for (const OpenWayIn& way : former_) {
      EXPECT_TRUE(OpensNothing(AsText(way.passphrase.view())));
    }
    EXPECT_TRUE(OpensNothing("a word"));
  }

  // As whoever can write to the disk.
  void Edit(const std::function<void(json&)>& edit) {
    ASSERT_TRUE(Shell("cryptsetup luksDump --dump-json-metadata volume >metadata"));
    json metadata = json::parse(FileText("metadata"));
    edit(metadata);
    ASSERT_THAT(ReplaceMetadata(path_, metadata.dump()), IsOk());
  }

  std::vector<OpenWayIn> former_;
};

TEST_F(GuardedReencryption, GivesTheVolumeAnotherKeyAndKeepsTheRecordInStep) {
  const GuardRecord before = RecordNow();
  const auto begun = Begin();
  EXPECT_TRUE(IsReencrypting(HeaderNow().metadata));
  EXPECT_TRUE(HasData(KeyOf(1))) << "data were touched";
  ExpectFormerOut();
  EXPECT_THAT(UnlockVolume(), Fails(Code::kPermissionDenied, "HEADER_REENCRYPTION_UNEXPECTED"));
  EXPECT_TRUE(AnnouncesReencryption(RecordNow()));
  ASSERT_THAT(Continue(), IsOk());
  ExpectDone(begun);
  EXPECT_THAT(UnlockVolume(), IsOk());
  EXPECT_EQ(RecordNow().nv_index, before.nv_index);
  EXPECT_EQ(RecordNow().generation, before.generation + 2);
  EXPECT_THAT(Continue(), Fails(Code::kFailedPrecondition, "REENCRYPTION_NOT_STARTED"));
}

TEST_F(GuardedReencryption, IsPausedAndResumedByTheTpmOrTheRecoveryKey) {
  const auto begun = Begin();
  ASSERT_THAT(ContinueABit(), Fails(Code::kCancelled, "REENCRYPTION_PAUSED"));
  ASSERT_THAT(ContinueABit(), Fails(Code::kCancelled, "REENCRYPTION_PAUSED"));
  EXPECT_FALSE(HasData(KeyOf(1)));
  ExtendPcr(14);
  EXPECT_THAT(Continue(), Fails(Code::kFailedPrecondition, "PCR_POLICY_UNMET"));
  auto copy = HeaderCopy::Take(path_, Reencryption::kExpected);
  ASSERT_THAT(copy, IsOk());
  const auto unlocked = UnlockByRecoveryKey(*broker_, Soon(), *copy,
                                            SecretBytes::Copy(begun[1].passphrase.view()), {});
  ASSERT_THAT(unlocked, IsOk());
  ASSERT_THAT(ContinueReencryption(*broker_, kTpmWait, *copy, *unlocked, nullptr), IsOk());
  ExpectDone(begun);
}

// M-96: killed between the end of the data and the record.
TEST_F(GuardedReencryption, TheRecordAnnouncesTheEnd) {
  const auto begun = Begin();
  ASSERT_NO_FATAL_FAILURE(EndWithoutRecord());
  EXPECT_TRUE(AnnouncesReencryption(RecordNow()));
  const auto unlocked = UnlockVolume();
  ASSERT_THAT(unlocked, IsOk());
  EXPECT_EQ(unlocked->way.keyslot, begun[0].keyslot);
  EXPECT_THAT(UnlockByKey(AsText(begun[1].passphrase.view())), IsOk());
  ASSERT_THAT(Continue(), IsOk());
  ExpectDone(begun);
}

// Or another change renews it.
TEST_F(GuardedReencryption, AnyChangeAfterTheEndRenewsTheRecord) {
  const auto begun = Begin();
  ASSERT_NO_FATAL_FAILURE(EndWithoutRecord());
  ASSERT_THAT(ChangeVolume(AddPassphrase("another word")), IsOk());
  EXPECT_FALSE(AnnouncesReencryption(RecordNow()));
  EXPECT_THAT(UnlockVolume(), IsOk());
}

// M-95.
TEST_F(GuardedReencryption, WhatIsSmuggledInMeanwhileIsNamed) {
  const auto begun = Begin();
  ASSERT_THAT(ContinueABit(), Fails(Code::kCancelled, "REENCRYPTION_PAUSED"));
  const Bytes good = Content();
  const std::string keyslot = std::to_string(begun[0].keyslot);
  const struct {
    const char* told;
    std::function<void(json&)> edit;
  } all[] = {
      {"keyslot ", [&](json& root) { root["keyslots"][keyslot]["priority"] = 2; }},
      {"token 1 (changed)", [&](json& root) { root["tokens"]["1"]["keyslots"] = {keyslot}; }},
      {"config (changed)", [](json& root) { root["config"]["flags"] = {"allow-discards"}; }},
      {"token 9 (added)",
       [](json& root) { root["tokens"]["9"] = {{"type", "t"}, {"keyslots", json::array()}}; }},
  };
  for (const auto& one : all) {
    SetContent(good);
    ASSERT_NO_FATAL_FAILURE(Edit(one.edit));
    const Status refused = Continue();
    EXPECT_THAT(refused, Fails(Code::kPermissionDenied, "HEADER_TAMPERED"));
    EXPECT_THAT(Message(refused), HasSubstr(one.told));
  }
  SetContent(good);
  ASSERT_THAT(Continue(), IsOk());
  ExpectDone(begun);
}

// M-95: what was announced, and no more.
TEST_F(GuardedReencryption, WhatIsSmuggledInAtTheEndIsNamed) {
  const auto begun = Begin();
  ASSERT_NO_FATAL_FAILURE(EndWithoutRecord());
  const Bytes good = Content();
  auto luks = Luks::Open(path_);
  const auto key = luks->VolumeKey(begun[0].passphrase, static_cast<int>(begun[0].keyslot));
  ASSERT_THAT(luks->AddKeyslot(*key, Secret("foreign"), {}), IsOk());
  for (const Status& refused : {UnlockVolume().status(), Continue()}) {
    EXPECT_THAT(refused, Fails(Code::kPermissionDenied, "HEADER_TAMPERED"));
    EXPECT_THAT(Message(refused), HasSubstr("(added)"));
  }
  SetContent(good);
  ASSERT_NO_FATAL_FAILURE(
      Edit([](json& root) { root["segments"]["0"]["offset"] = std::to_string(5 << 20); }));
  EXPECT_THAT(Continue(), Fails(Code::kPermissionDenied, "HEADER_TAMPERED"));
  SetContent(good);
  ASSERT_THAT(Continue(), IsOk());
  ExpectDone(begun);
}

// M-96: it would be re-encrypted once more, with the key before.
TEST_F(GuardedReencryption, HeadersFromBeforeAndFromTheMidstAreRefusedAfterwards) {
  const Bytes before = Content();
  const auto begun = Begin();
  ASSERT_THAT(ContinueABit(), Fails(Code::kCancelled, "REENCRYPTION_PAUSED"));
  const Bytes midst = Content();
  ASSERT_THAT(Continue(), IsOk());
  SetContent(midst);
  EXPECT_THAT(Continue(), Fails(Code::kPermissionDenied, "HEADER_ROLLED_BACK"));
  SetContent(before);
  EXPECT_THAT(UnlockVolume(), Fails(Code::kPermissionDenied, "HEADER_ROLLED_BACK"));
}

TEST_F(GuardedReencryption, WithoutRoomNothingIsChanged) {
  const tpm::SealPolicy policy = PcrsAsTheyAre();
  const Bytes before = Content();
  Open open = OpenNow();
  const std::vector<TpmWayIn> ways(5, {.policy = policy});
  EXPECT_THAT(BeginReencryption(*broker_, Soon(), open.copy, open.unlocked, ways),
              Fails(Code::kResourceExhausted, "KEYSLOTS_FULL"));
  EXPECT_EQ(Content(), before);
  EXPECT_THAT(UnlockVolume(), IsOk());
}

}  // namespace
}  // namespace seaworthy::volumes
