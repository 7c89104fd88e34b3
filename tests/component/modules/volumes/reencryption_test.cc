// Another volume key for a volume with data in it, through interruptions.
#include "seaworthy/modules/volumes/reencryption.h"

#include <gmock/gmock.h>

#include "component/modules/volumes/clear_data.h"
#include "component/modules/volumes/locks.h"

namespace seaworthy::testing {
namespace {

using ::testing::Not;
using volumes::KeyslotCost;
using volumes::Luks;
using volumes::ReencryptionState;

class ReencryptionTest : public LuksTest, public ::testing::WithParamInterface<std::size_t> {
 protected:
  void SetUp() override {
    lock_option_ = UseLocksIfPossible();
    volumes::FormatOptions options = SmallHeader();
    options.sector_size = static_cast<std::uint32_t>(GetParam());
    Result<Luks> luks = Luks::Format(MakeFile("v", 24), KeyOf(1), options);
    ASSERT_THAT(luks, IsOk());
    ASSERT_THAT(luks->AddKeyslot(KeyOf(1), Secret("first"), {}), IsOk());
    ASSERT_THAT(luks->AddKeyslot(KeyOf(1), Secret("lost"), {}), IsOk());
    luks_.emplace(*std::move(luks));
    for (std::size_t i = 0; i < data_.size(); ++i) {
      data_[i] = static_cast<std::uint8_t>(i * 7 + i / 4096);
    }
    WriteClear(luks_->path(), data_, KeyOf(1), GetParam());
  }

  ReencryptionState State() const {
    const Result<Luks> luks = Luks::Open(luks_->path());
    return volumes::GetReencryptionState(luks.value()).value();
  }

  void ExpectDone() const {
    const Result<Luks> after = Luks::Open(luks_->path());
    ASSERT_THAT(after, IsOk());
    EXPECT_EQ(State(), ReencryptionState::kNone);
    EXPECT_THAT(after->VerifyVolumeKey(KeyOf(9)), IsOk());
    EXPECT_THAT(after->VerifyVolumeKey(KeyOf(1)), Not(IsOk()));
    EXPECT_TRUE(ReadClear(luks_->path(), KeyOf(9), GetParam()) == data_);
    EXPECT_TRUE(CryptsetupOpens(luks_->path(), "first"));
    EXPECT_TRUE(CryptsetupOpens(luks_->path(), "second"));
    EXPECT_FALSE(CryptsetupOpens(luks_->path(), "lost"));
    EXPECT_EQ(after->Keyslots().size(), 2U);
  }

  Result<std::vector<int>> Start() {
    const SecretBytes second = Secret("second");
    const volumes::NextKeyslot further[] = {{second, KeyslotCost::Argon2id(1024, 4, 1)}};
    return volumes::StartReencryption(*luks_, Secret("first"), {}, KeyOf(9), further);
  }

  std::string lock_option_;
  std::optional<Luks> luks_;
  Bytes data_ = Bytes(20 << 20);
};

INSTANTIATE_TEST_SUITE_P(Sectors, ReencryptionTest, ::testing::Values(512, 4096));

TEST_P(ReencryptionTest, GivesTheVolumeItsNewKey) {
  EXPECT_EQ(State(), ReencryptionState::kNone);
  EXPECT_THAT(volumes::RunReencryption(*luks_, Secret("first"), nullptr),
              Fails(Code::kFailedPrecondition, "REENCRYPTION_NOT_STARTED"));
  const auto keyslots = Start();
  ASSERT_THAT(keyslots, IsOk());
  EXPECT_THAT(*keyslots, ::testing::ElementsAre(2, 3));
  EXPECT_EQ(State(), ReencryptionState::kPaused);
  EXPECT_TRUE(ReadClear(luks_->path(), KeyOf(1), GetParam()) == data_) << "data were touched";
  EXPECT_THAT(Start(), Fails(Code::kFailedPrecondition, "REENCRYPTION_UNDER_WAY"));
  ASSERT_THAT(volumes::RunReencryption(*luks_, Secret("first"), nullptr), IsOk());
  ExpectDone();
}

TEST_P(ReencryptionTest, PausesWhenTold) {
  ASSERT_THAT(Start(), IsOk());
  int pauses = 0;
  Status status;
  for (std::uint64_t before = 0; pauses < 100; ++pauses) {
    status = volumes::RunReencryption(*luks_, Secret("first"),
                                      [&](std::uint64_t done, std::uint64_t bytes) {
                                        EXPECT_EQ(bytes, data_.size());
                                        EXPECT_GE(done, before);
                                        return std::exchange(before, done) == done;
                                      });
    if (status.ok()) break;
    ASSERT_THAT(status, Fails(Code::kCancelled, "REENCRYPTION_PAUSED"));
    EXPECT_EQ(State(), ReencryptionState::kPaused);
    // Another process may be the one that goes on.
    luks_.emplace(*Luks::Open(luks_->path()));
  }
  EXPECT_GT(pauses, 0);
  ExpectDone();
}

TEST_P(ReencryptionTest, StockCryptsetupFinishes) {
  ASSERT_THAT(Start(), IsOk());
  const Output output =
      RunProgram("cryptsetup reencrypt -q --resume-only --force-offline-reencrypt" + lock_option_ +
                 " --key-file " + KeyFile("first") + " " + luks_->path());
  ASSERT_EQ(output.status, 0) << output.text;
  ExpectDone();
}

TEST_P(ReencryptionTest, RefusedStartLeavesNothing) {
  EXPECT_THAT(volumes::StartReencryption(*luks_, Secret("wrong"), {}, KeyOf(9)),
              Fails(Code::kPermissionDenied, "PASSPHRASE_WRONG"));
  EXPECT_THAT(volumes::StartReencryption(*luks_, Secret("first"), {}, KeyOf(1)),
              Fails(Code::kInvalidArgument, "VOLUME_KEY_SIZE"));
  EXPECT_THAT(volumes::StartReencryption(*luks_, Secret("first"), {}, Secret("short")),
              Fails(Code::kInvalidArgument, "VOLUME_KEY_SIZE"));
  const SecretBytes second = Secret("second");
  const volumes::NextKeyslot further[] = {{second, KeyslotCost{.iterations = 1}}};
  EXPECT_THAT(volumes::StartReencryption(*luks_, Secret("first"), {}, KeyOf(9), further),
              Fails(Code::kInvalidArgument, "LUKS_REFUSED"));
  EXPECT_EQ(luks_->Keyslots().size(), 2U);
  EXPECT_EQ(State(), ReencryptionState::kNone);
}

TEST_P(ReencryptionTest, WrongPassphraseResumesNothing) {
  ASSERT_THAT(Start(), IsOk());
  EXPECT_THAT(volumes::RunReencryption(*luks_, Secret("wrong"), nullptr),
              Fails(Code::kPermissionDenied, "PASSPHRASE_WRONG"));
  ASSERT_THAT(volumes::RunReencryption(*luks_, Secret("first"), nullptr), IsOk());
  ExpectDone();
}

}  // namespace
}  // namespace seaworthy::testing
