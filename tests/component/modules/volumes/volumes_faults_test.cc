// What may go wrong around a volume: the TPM goes away, the header has no room, the device is
// another than it was. It is told with a name, and whatever opened the volume opens it afterwards.
#include "component/modules/volumes/volumes_faults.h"

#include <array>

#include "modules/volumes/metadata_write.h"

namespace seaworthy::volumes {
namespace {

using seaworthy::testing::Fails;
using seaworthy::testing::IsOk;
using ::testing::AllOf;
using ::testing::HasSubstr;

Volumes::RefreshOptions Unexplained() {
  Volumes::RefreshOptions options;
  options.unexplained = true;
  return options;
}

struct Call {
  const char* name;
  Status (*make)(Volumes& volumes, Deadline deadline, const SecretBytes& recovery_key);
  bool after_a_change = false;  // of a PCR
};

constexpr Call kCalls[] = {
    {"Open", [](Volumes& volumes, Deadline deadline,
                const SecretBytes&) { return volumes.Test(deadline, "data", {}).status(); }},
    {"AddTpm",
     [](Volumes& volumes, Deadline deadline, const SecretBytes&) {
       return volumes.AddTpm(deadline, "data", {}, {}).status();
     }},
    {"Rotate", [](Volumes& volumes, Deadline deadline,
                  const SecretBytes&) { return volumes.Rotate(deadline, "data", {}).status(); }},
    {"Refresh",
     [](Volumes& volumes, Deadline deadline, const SecretBytes& recovery_key) {
       return volumes.RefreshPolicy(deadline, "data", RecoveryKey(recovery_key), Unexplained())
           .status();
     },
     true},
};

class TpmGoes : public VolumesFaults, public ::testing::WithParamInterface<Call> {};

INSTANTIATE_TEST_SUITE_P(Calls, TpmGoes, ::testing::ValuesIn(kCalls),
                         [](const auto& test) { return std::string(test.param.name); });

// M-81.
TEST_P(TpmGoes, AtAnyCommandAndNothingIsLost) {
  const EnrolledVolume made = Format("data");
  if (GetParam().after_a_change) ExtendPcr(7);
  constexpr int kStride = 3;
  int command = 0;
  for (;; command += kStride) {
    SCOPED_TRACE("command " + std::to_string(command));
    LoseTpmFrom(command);
    const Status status = GetParam().make(*volumes_, Soon(), made.recovery_key);
    AllIsWell();
    FlushTpm();
    if (status.ok()) break;
    EXPECT_EQ(status.code(), Code::kUnavailable) << status.ToString();
    ExpectRecoverable(made.recovery_key);
    if (!GetParam().after_a_change) {
      EXPECT_THAT(Test().status, IsOk());
    }
    if (HasFailure()) return;
  }
  EXPECT_GT(command, 8);
  ExpectEachWayOpens(made.recovery_key);
}

TEST_F(VolumesFaults, ATpmThatDiesAndComesBackIsGoneOnWith) {
  const EnrolledVolume made = Format("data");
  for (const int command : {5, 20}) {
    At(command, [&] { swtpm_.Kill(); });
    EXPECT_EQ(volumes_->Rotate(Soon(), "data", {}).status().code(), Code::kUnavailable);
    AllIsWell();
    const auto away = volumes_->Test(Soon(), "data", {});
    EXPECT_EQ(away.status().code(), Code::kUnavailable) << away.status().ToString();
    EXPECT_EQ(Look().state, VolumeState::kClosed);
    swtpm_.Start();
    ExpectEachWayOpens(made.recovery_key);
    ASSERT_THAT(volumes_->Rotate(Soon(), "data", {}), IsOk());
    ExpectEachWayOpens(made.recovery_key);
  }
}

// M-87: what is not known of the TPM for a moment is not taken for what is not so, and what was
// measured is recorded for a refresh that was made alone.
TEST_F(VolumesFaults, ARefreshDoesNotPassOverATpmThatWasAwayForAMoment) {
  const EnrolledVolume made = Format("data");
  for (int command = 0; command < 8; ++command) {
    SCOPED_TRACE("command " + std::to_string(command));
    ExtendPcr(7);
    LoseTpmAt(command);
    const auto refreshed =
        volumes_->RefreshPolicy(Soon(), "data", RecoveryKey(made.recovery_key), Unexplained());
    AllIsWell();
    if (!refreshed.ok()) {
      ASSERT_THAT(
          volumes_->RefreshPolicy(Soon(), "data", RecoveryKey(made.recovery_key), Unexplained()),
          IsOk());
    }
    ASSERT_THAT(Test().status, IsOk());
  }
  ExpectEachWayOpens(made.recovery_key);
}

class HeaderFull : public VolumesFaults {
 protected:
  // Tokens of somebody else's, and the header as it is then believed.
  void Import(const EnrolledVolume& made, const std::string& content, int count) {
    auto luks = Luks::Open(made.volume.entry.device);
    ASSERT_THAT(luks, IsOk());
    for (int i = 0; i < count; ++i) {
      ASSERT_THAT(luks->SetToken(R"({"type":"x","keyslots":[],"x":")" + content + R"("})"), IsOk());
    }
    Believe(made);
  }
  void TakeAway(const EnrolledVolume& made, int token) {
    auto luks = Luks::Open(made.volume.entry.device);
    ASSERT_THAT(luks, IsOk());
    ASSERT_THAT(luks->RemoveToken(token), IsOk());
    Believe(made);
  }
  void Believe(const EnrolledVolume& made) {
    ASSERT_THAT(
        volumes_->Accept(Soon(), "data", RecoveryKey(made.recovery_key), SecretBytes()).status(),
        IsOk());
  }

  void ExpectRefused(const EnrolledVolume& made, std::string_view reason) {
    const Bytes before = Disk(made);
    for (const Status& status : {volumes_->AddTpm(Soon(), "data", {}, {}).status(),
                                 volumes_->Rotate(Soon(), "data", {}).status()}) {
      EXPECT_THAT(status, Fails(Code::kResourceExhausted, reason));
      EXPECT_THAT(Message(status), HasSubstr(made.volume.entry.device));
    }
    EXPECT_EQ(Disk(made), before);
    ExpectEachWayOpens(made.recovery_key);
  }
};

TEST_F(HeaderFull, NoRoomForATokenIsNamedAndNothingChanges) {
  const EnrolledVolume made = Format("data");
  Import(made, std::string(8500, 'x'), 1);
  ExpectRefused(made, "TOKEN_AREA_FULL");
  TakeAway(made, 3);
  EXPECT_THAT(volumes_->Rotate(Soon(), "data", {}).status(), IsOk());
  ExpectEachWayOpens(made.recovery_key);
}

TEST_F(HeaderFull, TokensThatAreAllInUseAreNamedAndNothingChanges) {
  const EnrolledVolume made = Format("data");
  Import(made, "", 29);
  ExpectRefused(made, "TOKENS_FULL");
  TakeAway(made, 9);
  EXPECT_THAT(volumes_->Rotate(Soon(), "data", {}).status(), IsOk());
  ExpectEachWayOpens(made.recovery_key);
}

TEST_F(HeaderFull, KeyslotsThatAreAllInUseAreNamedAndNothingChanges) {
  const std::string disk = Disk("old.img");
  ASSERT_TRUE(
      Shell("printf old >old.key; cryptsetup -q luksFormat --type luks2 --luks2-metadata-size "
            "64k --pbkdf pbkdf2 --pbkdf-force-iterations 1000 old.img old.key"))
      << FileText("shell.log");
  {
    auto luks = Luks::Open(disk);
    ASSERT_THAT(luks, IsOk());
    for (int i = 1; i < 32; ++i) {
      ASSERT_THAT(luks->AddKeyslotByPassphrase(Secret("old"), Secret("other"),
                                               KeyslotCost::ForRandomSecret()),
                  IsOk());
    }
  }
  const Bytes before = ContentOf(disk);
  Volumes::Enrolment wanted;
  wanted.entry = {"data", disk, "", false, {}};
  wanted.ways_in.emplace_back();
  const Status refused = volumes_->Enrol(Soon(), wanted, Passphrase("old")).status();
  EXPECT_THAT(refused, Fails(Code::kResourceExhausted, "KEYSLOTS_FULL"));
  EXPECT_THAT(Message(refused), HasSubstr(disk));
  EXPECT_EQ(ContentOf(disk), before);
  EXPECT_TRUE(StockOpens(Secret("old"), "old.img"));
  ASSERT_TRUE(Shell("cryptsetup -q luksKillSlot old.img 7"));
  ASSERT_THAT(volumes_->Enrol(Soon(), wanted, Passphrase("old")).status(), IsOk());
  EXPECT_THAT(Test().status, IsOk());
  EXPECT_TRUE(StockOpens(Secret("old"), "old.img"));
}

class Devices : public VolumesFaults {
 protected:
  void ExpectRefused(const std::string& device, std::string_view reason, const std::string& what) {
    const Bytes before = ContentOf(device);
    const Status tested = Test().status;
    for (const Status& status :
         {tested, volumes_->Open(Soon(), "data", {}).status(),
          volumes_->Rotate(Soon(), "data", {}).status(),
          volumes_->AddTpm(Soon(), "data", {}, {}).status(), Look().problem}) {
      EXPECT_EQ(Reason(status), reason) << status.ToString();
      EXPECT_THAT(Message(status), AllOf(HasSubstr(device), HasSubstr(what)));
    }
    EXPECT_EQ(ContentOf(device), before);
    EXPECT_EQ(Look().state, VolumeState::kUnusable);
  }

  static void Put(const std::string& device, ByteView bytes) {
    std::ofstream(device, std::ios::binary | std::ios::trunc) << AsText(bytes);
  }
};

TEST_F(Devices, HeadersThatAreNotUnderstoodAreNamedAndLeftAlone) {
  const EnrolledVolume made = Format("data");
  const std::string device = made.volume.entry.device;
  const Bytes good = ContentOf(device);
  Bytes other = good;
  constexpr std::size_t kVersion = 7, kSecondVersion = 16384 + 7;
  other[kVersion] = other[kSecondVersion] = 3;
  Put(device, other);
  ExpectRefused(device, "LUKS_VERSION_UNKNOWN", "version 3");

  Put(device, good);
  ASSERT_TRUE(Shell("cryptsetup luksDump --dump-json-metadata data.img >json"));
  std::string json = FileText("json");
  const std::size_t config = json.find("\"config\":{");
  ASSERT_NE(config, std::string::npos);
  json.insert(config + 10, R"("requirements":{"mandatory":["from-tomorrow"]},)");
  ASSERT_THAT(ReplaceMetadata(device, json), IsOk());
  ExpectRefused(device, "HEADER_REQUIREMENT_REFUSED", "from-tomorrow");

  std::filesystem::copy_file(device, root_ / "one.img");
  ASSERT_TRUE(
      Shell("printf old >old.key; cryptsetup -q luksFormat --type luks1 "
            "--pbkdf-force-iterations 1000 one.img old.key"));
  Put(device, ContentOf(root_ / "one.img"));
  ExpectRefused(device, "LUKS1_HEADER", "LUKS1");
  Volumes::Enrolment wanted;
  wanted.entry = {"one", root_ / "one.img", "", false, {}};
  const Status refused = volumes_->Enrol(Soon(), wanted, Passphrase("old")).status();
  EXPECT_THAT(refused, Fails(Code::kFailedPrecondition, "LUKS1_HEADER"));
  EXPECT_THAT(Message(refused), HasSubstr("one.img"));

  Put(device, good);
  ExpectEachWayOpens(made.recovery_key);
}

TEST_F(Devices, OneThatGoesBetweenLookAndUseIsNamed) {
  const EnrolledVolume made = Format("data");
  const std::string device = made.volume.entry.device;
  ASSERT_EQ(Look().state, VolumeState::kClosed);
  std::filesystem::rename(device, root_ / "away");
  ExpectRefused(device, "FILE_NOT_FOUND", "");
  std::filesystem::rename(root_ / "away", device);
  const Bytes good = ContentOf(device);
  std::filesystem::resize_file(device, 0);
  ExpectRefused(device, "NOT_LUKS", "");
  // Both copies of the header, and no keyslots.
  Put(device, ByteView(good).first(std::size_t{32} * 1024));
  ExpectRefused(device, "LUKS_HEADER_DAMAGED", "ends within");
  Put(device, good);
  ExpectEachWayOpens(made.recovery_key);
}

TEST_F(Devices, OneThatGoesWhileItIsChangedIsNamed) {
  const EnrolledVolume made = Format("data");
  const std::string device = made.volume.entry.device;
  Bytes good = ContentOf(device);
  int refused = 0;
  bool done = false;
  for (int command = 1; !done; command += 5) {
    SCOPED_TRACE("command " + std::to_string(command));
    At(command, [&] { std::filesystem::rename(device, root_ / "away"); });
    const Status gone = volumes_->AddTpm(Soon(), "data", {}, {}).status();
    AllIsWell();
    if (std::filesystem::exists(device)) break;
    std::filesystem::rename(root_ / "away", device);
    done = gone.ok();
    if (done) continue;
    ++refused;
    EXPECT_THAT(gone, Fails(Code::kNotFound, "FILE_NOT_FOUND"));
    EXPECT_THAT(Message(gone), HasSubstr(device));
    EXPECT_EQ(ContentOf(device), good);
    At(command, [&] { std::filesystem::resize_file(device, 0); });
    const Status cut = volumes_->AddTpm(Soon(), "data", {}, {}).status();
    AllIsWell();
    EXPECT_FALSE(cut.ok());
    EXPECT_THAT(Message(cut), HasSubstr(device));
    EXPECT_EQ(std::filesystem::file_size(device), 0);
    Put(device, good);
  }
  EXPECT_GT(refused, 2);
  ExpectEachWayOpens(made.recovery_key);
}

TEST_F(Devices, OneThatGoesWhileItIsFormattedIsNamedAndFormattedAgain) {
  NewVolume wanted = Wanted("data");
  const std::string device = wanted.entry.device;
  int refused = 0;
  for (int command = 4;; command += 10) {
    SCOPED_TRACE("command " + std::to_string(command));
    wanted.destroy = true;
    At(command, [&] { std::filesystem::rename(device, root_ / "away"); });
    const auto gone = volumes_->Format(Soon(), wanted);
    AllIsWell();
    ASSERT_TRUE(std::filesystem::exists(root_ / "away"));
    std::filesystem::rename(root_ / "away", device);
    if (gone.ok()) break;
    ++refused;
    EXPECT_THAT(gone, Fails(Code::kNotFound, "FILE_NOT_FOUND"));
    EXPECT_THAT(Message(gone.status()), HasSubstr(device));
    EXPECT_THAT(volumes_->List(Soon()).value(), ::testing::IsEmpty());
    if (refused > 2) {
      const auto made = volumes_->Format(Soon(), wanted);
      ASSERT_THAT(made, IsOk());
      ExpectEachWayOpens(made->recovery_key);
      return;
    }
  }
  FAIL() << "it was not missed";
}

class ForeignTokens : public VolumesFaults {
 protected:
  void MakeOld() {
    disk_ = Disk("old.img");
    ASSERT_TRUE(
        Shell("printf old >old.key; chmod 600 old.key; cryptsetup -q luksFormat --type luks2 "
              "--pbkdf pbkdf2 --pbkdf-force-iterations 1000 old.img old.key"));
    wanted_.entry = {"data", disk_, "", false, {}};
    wanted_.ways_in.emplace_back();
    wanted_.add_recovery_key = true;
  }

  std::string disk_;
  Volumes::Enrolment wanted_;
};

// One for another machine comes first: under another parent key, and not even our TPM's.
TEST_F(ForeignTokens, OneUnderAnotherParentComesFirstAndDoesNotHinder) {
  MakeOld();
  const testing::SwTpm other;
  ASSERT_TRUE(Shell("TPM2TOOLS_TCTI=" + other.tcti() +
                    " tpm2_pcrextend 7:sha256=" + std::string(64, '7') +
                    "; systemd-cryptenroll --unlock-key-file=old.key --tpm2-pcrs=7 "
                    "--tpm2-device=" +
                    other.tcti() + " old.img"))
      << FileText("shell.log");
  const auto made = volumes_->Enrol(Soon(), wanted_, Passphrase("old"));
  ASSERT_THAT(made, IsOk());
  const auto copy = HeaderCopy::Take(disk_);
  ASSERT_THAT(copy, IsOk());
  const auto& tokens = copy->header().metadata.tokens;
  EXPECT_TRUE(ParseSystemdTpm2Token(tokens.at(0).json)->srk.empty());
  EXPECT_THAT(Test().status, IsOk());
  EXPECT_TRUE(Test().header_checked);
  EXPECT_THAT(Test(RecoveryKey(made->recovery_key)).status, IsOk());
  EXPECT_TRUE(StockOpens(made->recovery_key, "old.img"));
  EXPECT_TRUE(StockOpens(Secret("old"), "old.img"));
}

TEST_F(ForeignTokens, AClevisTokenThatIsNotUnderstoodDoesNotHinder) {
  MakeOld();
  ASSERT_TRUE(
      Shell("printf %s \"{\\\"type\\\":\\\"clevis\\\",\\\"keyslots\\\":[\\\"0\\\"],\\\"jwe\\\":"
            "{\\\"pin\\\":\\\"of tomorrow\\\"}}\" >token; cryptsetup token import --json-file "
            "token old.img"))
      << FileText("shell.log");
  const Bytes before = ContentOf(disk_);
  Volumes::Enrolment moved;
  moved.entry = wanted_.entry;
  moved.replace_clevis = true;
  const Status refused = volumes_->Enrol(Soon(), moved, Passphrase("old")).status();
  EXPECT_EQ(refused.code(), Code::kInvalidArgument) << refused.ToString();
  EXPECT_THAT(Message(refused), HasSubstr("protected"));
  EXPECT_EQ(ContentOf(disk_), before);
  const auto made = volumes_->Enrol(Soon(), wanted_, Passphrase("old"));
  ASSERT_THAT(made, IsOk());
  EXPECT_THAT(Test().status, IsOk());
  EXPECT_THAT(Test(RecoveryKey(made->recovery_key)).status, IsOk());
  EXPECT_TRUE(StockOpens(made->recovery_key, "old.img"));
  EXPECT_TRUE(StockOpens(Secret("old"), "old.img"));
}

}  // namespace
}  // namespace seaworthy::volumes
