// What the node notes of a volume's guard key: one who knew a secret puts another header there.
#include <sys/wait.h>

#include <array>
#include <csignal>
#include <cstdlib>

#include "component/modules/volumes/volumes_fixture.h"
#include "modules/volumes/registry.h"
#include "seaworthy/modules/volumes/tokens.h"
#include "support/fault_points.h"

namespace seaworthy::volumes {
namespace {

using seaworthy::testing::Fails;
using seaworthy::testing::IsOk;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

const auto kChanged = Fails(Code::kPermissionDenied, "GUARD_KEY_CHANGED");
const auto kUnguarded = Fails(Code::kFailedPrecondition, "HEADER_UNGUARDED");
constexpr std::size_t kDisk = std::size_t{64} << 20;

class GuardKey : public VolumesModule {
 protected:
  GuardKey() : made_(Format("data")), device_(made_.volume.entry.device) {}

  VolumeSecret Recovery() const { return RecoveryKey(made_.recovery_key); }
  std::vector<std::string> Noted() { return Look().entry.guard_keys; }

  // As they are before a volume was opened by a daemon that notes them.
  void Note(const std::vector<std::string>& keys) const {
    const auto registry = Registry::Open(root_ / "state");
    ASSERT_THAT(registry, IsOk());
    auto entry = (*registry)->Read("data");
    ASSERT_THAT(entry, IsOk());
    entry->guard_keys = keys;
    ASSERT_THAT((*registry)->Write(*entry), IsOk());
  }

  void RekeyAll() {
    const auto show = [&](const SecretBytes& key) -> Status {
      shown_ = SecretBytes::Copy(key.view());
      return {};
    };
    ASSERT_THAT(volumes_->RekeyAll(Soon(), "data", {}, show), IsOk());
  }

  std::uint64_t Generation() const {
    return FindGuard(HeaderCopy::Take(device_)->header().metadata)->generation;
  }
  // The header's record replaced by one that the attacker makes.
  void Forge(
      const std::function<Result<GuardRecord>(const ReadHeader&, const GuardRecord&)>& make) {
    auto luks = Luks::Open(device_);
    ASSERT_THAT(luks, IsOk());
    const auto copy = HeaderCopy::Take(device_);
    ASSERT_THAT(copy, IsOk());
    const auto areas = DigestKeyslotAreas(copy->fd(), copy->header().metadata);
    const auto record = make({copy->header(), *areas}, *FindGuard(copy->header().metadata));
    ASSERT_THAT(record, IsOk());
    ASSERT_THAT(luks->SetToken(ToJson(*record), GuardToken(*luks)), IsOk());
  }
  static int GuardToken(const Luks& luks) {
    for (const Token& token : luks.Tokens()) {
      if (token.type == kGuard) return token.id;
    }
    ADD_FAILURE() << "no record";
    return -1;
  }
  WayIn Known() const { return {made_.volume.ways_in[1].keyslot, made_.recovery_key.view()}; }

  // One who knew the recovery key, and was put out, puts back the disk from before, with a record
  // that the counter does not tell from a new one.
  void PutBackForged() {
    const Bytes before = ReadFile(device_, kDisk).value();
    RekeyAll();
    const std::uint64_t generation = Generation();
    std::ofstream(device_, std::ios::binary | std::ios::trunc) << AsText(before);
    Forge([&](const ReadHeader& now, const GuardRecord& present) {
      return RenewGuard(present, now, {present.nv_index, generation}, Known(), {}, nullptr);
    });
  }

  const EnrolledVolume made_;
  const std::string device_;
  SecretBytes shown_;
};

// M-99: the attack is one, as the library alone takes what was forged.
TEST_F(GuardKey, AForgedHeaderFromBeforeIsRefused) {
  PutBackForged();
  const auto copy = HeaderCopy::Take(device_);
  ASSERT_THAT(copy, IsOk());
  ASSERT_THAT(Unlock(*broker_, Soon(), *copy, {}), IsOk());
  EXPECT_THAT(Test().status, kChanged);
  EXPECT_THAT(Message(Test().status), AllOf(HasSubstr(Noted()[0]), HasSubstr("AcceptHeader")));
  EXPECT_THAT(Test(Recovery()).status, kChanged);
  EXPECT_THAT(volumes_->Open(Soon(), "data", {}), kChanged);
  EXPECT_THAT(volumes_->AddRecovery(Soon(), "data", {}), kChanged);
  EXPECT_THAT(volumes_->Rotate(Soon(), "data", {}), kChanged);
  EXPECT_THAT(volumes_->RefreshPolicy(Soon(), "data", {}, {}), kChanged);
  EXPECT_THAT(volumes_->Remove(Soon(), "data", {}, 0), kChanged);
  const auto show = [](const SecretBytes&) -> Status { return {}; };
  EXPECT_THAT(volumes_->RekeyAll(Soon(), "data", {}, show), kChanged);
  EXPECT_THAT(volumes_->Reencrypt(Soon(), "data", {}, show, nullptr), kChanged);
  Restart();
  EXPECT_THAT(Test().status, kChanged);
}

// M-99: a record of his own for the way in that he has.
TEST_F(GuardKey, ARecordUnderAnotherGuardKeyIsRefused) {
  Forge([&](const ReadHeader& now, const GuardRecord& present) {
    return MakeGuard(now, {present.nv_index, present.generation}, std::vector{Known()});
  });
  EXPECT_THAT(Test(Recovery()).status, kChanged);
}

// M-99: the volume replaced as a whole, with a secret that this TPM has sealed for somebody.
TEST_F(GuardKey, AnotherVolumeOfThatUuidIsRefused) {
  Volumes elsewhere(*broker_, events_, {root_ / "elsewhere", "", root_ / "no-mapper"});
  ASSERT_THAT(elsewhere.Start(), IsOk());
  Disk("his.img");
  ASSERT_TRUE(
      Shell("printf his >his.key && cryptsetup -q luksFormat --type luks2 --pbkdf pbkdf2 "
            "--pbkdf-force-iterations 1000 --uuid " +
            made_.volume.entry.uuid + " his.img his.key"));
  Volumes::Enrolment his;
  his.entry = {"his", root_ / "his.img", "", false, {}};
  his.ways_in.emplace_back();
  ASSERT_THAT(elsewhere.Enrol(Soon(), his, Passphrase("his")), IsOk());
  std::filesystem::copy_file(root_ / "his.img", device_,
                             std::filesystem::copy_options::overwrite_existing);
  EXPECT_EQ(Look().problem.ok(), true);
  EXPECT_THAT(Test().status, kChanged);
}

// O-04.
TEST_F(GuardKey, ARecordThatWasTakenOffIsMissed) {
  auto luks = Luks::Open(device_);
  ASSERT_THAT(luks, IsOk());
  ASSERT_THAT(luks->AddKeyslotByPassphrase(made_.recovery_key, Secret("a word"), {}), IsOk());
  ASSERT_THAT(luks->RemoveToken(GuardToken(*luks)), IsOk());
  std::array<VolumeSecret, 3> secrets = {VolumeSecret(), Recovery(), Passphrase("a word")};
  for (VolumeSecret& secret : secrets) {
    EXPECT_THAT(Test(secret).status, kUnguarded);
    secret.unguarded = true;
    EXPECT_THAT(Test(secret).status, kUnguarded);
  }
  EXPECT_THAT(Message(Test().status), HasSubstr(Noted()[0]));
  const auto accepted = volumes_->Accept(Soon(), "data", Recovery(), SecretBytes());
  ASSERT_THAT(accepted, IsOk());
  EXPECT_THAT(accepted->accepted.before, kUnguarded);
  EXPECT_THAT(Test().status, IsOk());
}

TEST_F(GuardKey, IsNotedAnewWhereItIsAnother) {
  const auto first = Noted();
  ASSERT_THAT(first, SizeIs(1));
  ASSERT_THAT(volumes_->Rotate(Soon(), "data", {}), IsOk());
  ASSERT_THAT(volumes_->AddRecovery(Soon(), "data", {}), IsOk());
  EXPECT_EQ(Noted(), first);
  RekeyAll();
  const auto rekeyed = Noted();
  ASSERT_THAT(rekeyed, SizeIs(1));
  EXPECT_NE(rekeyed, first);
  EXPECT_THAT(Test().status, IsOk());
  const auto show = [&](const SecretBytes& key) -> Status {
    shown_ = SecretBytes::Copy(key.view());
    return {};
  };
  const auto pause = [](std::uint64_t, std::uint64_t) { return false; };
  EXPECT_THAT(volumes_->Reencrypt(Soon(), "data", {}, show, pause),
              Fails(Code::kCancelled, "REENCRYPTION_PAUSED"));
  const auto begun = Noted();
  ASSERT_THAT(begun, SizeIs(1));
  EXPECT_NE(begun, rekeyed);
  ASSERT_THAT(volumes_->Reencrypt(Soon(), "data", {}, show, nullptr), IsOk());
  EXPECT_EQ(Noted(), begun);
  EXPECT_THAT(Test().status, IsOk());
  EXPECT_EQ(Noted(), begun);
}

// An operator who knows why.
TEST_F(GuardKey, AcceptingTheHeaderNotesItsKey) {
  PutBackForged();
  const auto noted = Noted();
  const auto accepted = volumes_->Accept(Soon(), "data", Recovery(), SecretBytes());
  ASSERT_THAT(accepted, IsOk());
  EXPECT_THAT(accepted->accepted.before, kChanged);
  EXPECT_THAT(Noted(), AllOf(SizeIs(1), Not(noted)));
  EXPECT_THAT(Test().status, IsOk());
}

// A passphrase tells nothing of the record, and a change by it makes another.
TEST_F(GuardKey, AChangeByAPassphraseNotesItsKey) {
  auto luks = Luks::Open(device_);
  ASSERT_THAT(luks, IsOk());
  ASSERT_THAT(luks->AddKeyslotByPassphrase(made_.recovery_key, Secret("a word"), {}), IsOk());
  VolumeSecret word = Passphrase("a word");
  word.unguarded = true;
  const auto noted = Noted();
  const auto added = volumes_->AddRecovery(Soon(), "data", word);
  ASSERT_THAT(added, IsOk());
  EXPECT_THAT(Noted(), AllOf(SizeIs(1), Not(noted)));
  EXPECT_THAT(Test(RecoveryKey(added->recovery_key)).status, IsOk());
}

TEST_F(GuardKey, AVolumeFromBeforeLearnsItAtItsNextOpening) {
  const auto first = Noted();
  Note({});
  EXPECT_THAT(FileText("state/volumes/data.json"), Not(HasSubstr("guard_keys")));
  Restart();
  EXPECT_THAT(Noted(), IsEmpty());
  EXPECT_THAT(Test().status, IsOk());
  EXPECT_EQ(Noted(), first);
  // Nothing is learned of what does not open.
  Note({});
  ExtendPcr(7);
  EXPECT_THAT(Test().status, Fails(Code::kFailedPrecondition, "PCR_POLICY_UNMET"));
  EXPECT_THAT(Noted(), IsEmpty());
  EXPECT_THAT(Test(Recovery()).status, IsOk());
  EXPECT_EQ(Noted(), first);
}

// M-99: broken off before the header was put back, or after.
TEST_F(GuardKey, AChangeThatWasBrokenOffIsSettledAtTheNextOpening) {
  const std::string first = Noted()[0];
  const std::string other(64, 'a');
  Note({first, other});
  EXPECT_THAT(Noted(), ElementsAre(first, other));
  EXPECT_THAT(Test().status, IsOk());
  EXPECT_THAT(Noted(), ElementsAre(first));
  Note({other, first});
  EXPECT_THAT(Test().status, IsOk());
  EXPECT_THAT(Noted(), ElementsAre(first));
  Note({other});
  EXPECT_THAT(Test().status, kChanged);
  EXPECT_THAT(Noted(), ElementsAre(other));
}

// M-99, M-81: wherever a daemon is killed that replaces all ways in.
TEST_F(GuardKey, ANodeThatIsKilledAmidARekeyOpensTheVolume) {
  SecretBytes key = SecretBytes::Copy(made_.recovery_key.view());
  int nth = 1;
  for (bool killed = true; killed && !HasFailure(); nth += 3) {
    SCOPED_TRACE("point " + std::to_string(nth));
    volumes_.reset();
    broker_->Close();
    std::filesystem::remove(root_ / "shown");
    const int status =
        std::system(("exec " LUKS_FAULT_DRIVER " " + device_ + " rekey " +
                     std::to_string(static_cast<int>(testing::Fault::kKillAfter)) + " " +
                     std::to_string(nth) + " " + root_ / "shown" + " '" + swtpm_.tcti() + "' " +
                     root_ / "tpm" + " " + root_ / "state" + " 2>" + root_ / "log")
                        .c_str());
    killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
    ASSERT_TRUE(killed || (WIFEXITED(status) && WEXITSTATUS(status) == 0)) << FileText("log");
    Restart();
    EXPECT_THAT(Test().status, IsOk());
    EXPECT_THAT(Noted(), SizeIs(1));
    const SecretBytes shown = Secret(FileText("shown"));
    const bool former = Test(RecoveryKey(key)).status.ok();
    const bool next = !shown.empty() && Test(RecoveryKey(shown)).status.ok();
    EXPECT_NE(former, next) << "a part of the change";
    EXPECT_TRUE(killed || next);
    if (next) key = SecretBytes::Copy(shown.view());
  }
  EXPECT_GT(nth, 60);
}

TEST_F(GuardKey, WhatIsNoNameOfOneIsADamagedEntry) {
  for (const char* keys : {R"(["12"])", R"(["XY"])", R"("text")", R"([1])"}) {
    const std::string text = R"({"format": 1, "name": "data", "device": "/d", "uuid": "u",
        "open_at_start": false, "read_only": false, "allow_discards": false,
        "no_read_workqueue": false, "no_write_workqueue": false, "guard_keys": )" +
                             std::string(keys) + "}";
    const auto parsed = ParseVolumeEntry(text);
    EXPECT_THAT(parsed, Fails(Code::kInvalidArgument, "VOLUME_ENTRY_DAMAGED"));
    EXPECT_THAT(Message(parsed.status()), HasSubstr("guard_keys"));
  }
}

}  // namespace
}  // namespace seaworthy::volumes
