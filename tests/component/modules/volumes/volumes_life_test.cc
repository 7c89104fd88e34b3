// A volume taken over from others, put out of reach of others, backed up, ended.
#include "component/modules/volumes/volumes_fixture.h"

namespace seaworthy::volumes {
namespace {

using seaworthy::testing::Fails;
using seaworthy::testing::IsOk;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST_F(VolumesModule, PutsEverybodyElseOut) {
  const EnrolledVolume made = Format("data");
  SecretBytes shown;
  const auto refuse = [](const SecretBytes&) {
    return Fail(Code::kCancelled, "CLIENT_GONE", "nobody has seen it");
  };
  const auto show = [&](const SecretBytes& key) -> Status {
    shown = SecretBytes::Copy(key.view());
    return {};
  };
  EXPECT_THAT(volumes_->RekeyAll(Soon(), "data", {}, refuse),
              Fails(Code::kCancelled, "CLIENT_GONE"));
  EXPECT_THAT(Test(RecoveryKey(made.recovery_key)).status, IsOk());
  ASSERT_THAT(volumes_->RekeyAll(Soon(), "data", {}, show), IsOk());
  EXPECT_THAT(Test().status, IsOk());
  EXPECT_THAT(Test(RecoveryKey(shown)).status, IsOk());
  EXPECT_THAT(Test(RecoveryKey(made.recovery_key)).status,
              Fails(Code::kPermissionDenied, "PASSPHRASE_WRONG"));
}

TEST_F(VolumesModule, ReencryptsAndGoesOnWhereItWasInterrupted) {
  const EnrolledVolume made = Format("data");
  const std::string digest = "cryptsetup luksDump data.img | sed -n /Digests/,/Digest:/p";
  ASSERT_TRUE(Shell(digest + " >before"));
  SecretBytes shown;
  const auto show = [&](const SecretBytes& key) -> Status {
    shown = SecretBytes::Copy(key.view());
    return {};
  };
  const auto pause = [](std::uint64_t, std::uint64_t) { return false; };
  EXPECT_THAT(volumes_->Reencrypt(Soon(), "data", {}, show, pause),
              Fails(Code::kCancelled, "REENCRYPTION_PAUSED"));
  EXPECT_EQ(Look().state, VolumeState::kReencrypting);
  EXPECT_THAT(volumes_->Rotate(Soon(), "data", {}),
              Fails(Code::kPermissionDenied, "HEADER_REENCRYPTION_UNEXPECTED"));
  EXPECT_THAT(volumes_->Open(Soon(), "data", {}).status(),
              Fails(Code::kPermissionDenied, "HEADER_REENCRYPTION_UNEXPECTED"));
  Restart();
  std::uint64_t last = 0;
  const auto go_on = [&](std::uint64_t done, std::uint64_t) {
    last = done;
    return true;
  };
  const auto not_again = [](const SecretBytes&) {
    return Fail(Code::kInternal, "SHOWN_TWICE", "the recovery key was made already");
  };
  ASSERT_THAT(volumes_->Reencrypt(Soon(), "data", {}, not_again, go_on), IsOk());
  EXPECT_GT(last, 0U);
  EXPECT_EQ(Look().state, VolumeState::kClosed);
  EXPECT_THAT(Test().status, IsOk());
  EXPECT_TRUE(Test().header_checked);
  EXPECT_THAT(Test(RecoveryKey(shown)).status, IsOk());
  EXPECT_THAT(Test(RecoveryKey(made.recovery_key)).status,
              Fails(Code::kPermissionDenied, "PASSPHRASE_WRONG"));
  ASSERT_TRUE(Shell(digest + " >after"));
  EXPECT_NE(FileText("before"), FileText("after"));
}

TEST_F(VolumesModule, TakesClevisPlace) {
  const std::string disk = Disk("old.img");
  ASSERT_TRUE(
      Shell("printf old >old.key && cryptsetup -q luksFormat --type luks2 --pbkdf pbkdf2 "
            "--pbkdf-force-iterations 1000 old.img old.key && clevis luks bind -y -k "
            "old.key -d old.img tpm2 \"{\\\"pcr_bank\\\":\\\"sha256\\\",\\\"pcr_ids\\\":"
            "\\\"7,14\\\"}\""));
  Volumes::Enrolment wanted;
  wanted.entry = {"data", disk, "", false, {}};
  wanted.replace_clevis = true;
  ASSERT_THAT(volumes_->Enrol(Soon(), wanted, {}), IsOk());
  EXPECT_THAT(Kinds(), ElementsAre(WayInKind::kByPassphrase, WayInKind::kByTpm));
  EXPECT_EQ(Look().ways_in[1].policy.pcrs.mask, 1U << 7 | 1U << 14);
  EXPECT_THAT(Test().status, IsOk());
  ExtendPcr(14);
  EXPECT_THAT(Test().status, Fails(Code::kFailedPrecondition, "PCR_POLICY_UNMET"));
}

TEST_F(VolumesModule, TakesOnlySignaturesOfItsPolicyKey) {
  ASSERT_TRUE(
      Shell("openssl genrsa -out key.pem 2048 && openssl rsa -in key.pem -pubout -out "
            "key.pub && openssl genrsa -out other.pem 2048"));
  NewVolume wanted = Wanted("data");
  NewTpmWayIn& way = wanted.ways_in.emplace_back();
  const tpm::PcrSelection pcr11 = {tpm::HashAlgorithm::kSha256, 1U << 11};
  way.policy.pcrs.mask = 0;
  way.policy.signed_pcrs = tpm::SignedPcrs{FileText("key.pub"), pcr11};
  ASSERT_THAT(volumes_->Format(Soon(), wanted), IsOk());
  EXPECT_THAT(Test().status, Fails(Code::kFailedPrecondition, "POLICY_SIGNATURE_MISSING"));
  const auto values = Run([&](tpm::Context& context) { return tpm::ReadPcrs(context, {pcr11}); });
  SignedPolicy approved{.bank = "sha256",
                        .pcrs = {11},
                        .key = *PolicyKeyFingerprint(FileText("key.pub")),
                        .policy = tpm::PcrPolicyDigest({pcr11, tpm::PcrDigest(*values)}),
                        .signature = {}};
  ASSERT_THAT(ReplaceFile(root_ / "policy", approved.policy, 0600), IsOk());
  ASSERT_TRUE(Shell("openssl dgst -sha256 -sign other.pem -out signature policy"));
  approved.signature = *ReadFile(root_ / "signature", 4096);
  EXPECT_THAT(volumes_->InstallSignatures(Soon(), "data", ToJson({approved})),
              Fails(Code::kPermissionDenied, "POLICY_SIGNATURE_INVALID"));
  ASSERT_TRUE(Shell("openssl dgst -sha256 -sign key.pem -out signature policy"));
  approved.signature = *ReadFile(root_ / "signature", 4096);
  EXPECT_THAT(volumes_->InstallSignatures(Soon(), "data", "{}[]"),
              Fails(Code::kInvalidArgument, "POLICY_SIGNATURE_MALFORMED"));
  EXPECT_THAT(Test().status, Fails(Code::kFailedPrecondition, "POLICY_SIGNATURE_MISSING"));
  EXPECT_EQ(volumes_->InstallSignatures(Soon(), "data", ToJson({approved})).value_or(0), 1U);
  EXPECT_THAT(Test().status, IsOk());
  // What is for the same takes the place of what was there; a new life has it, too.
  EXPECT_EQ(volumes_->InstallSignatures(Soon(), "data", ToJson({approved})).value_or(0), 1U);
  Restart();
  EXPECT_THAT(Test().status, IsOk());
  approved.key[0] ^= 1;
  EXPECT_THAT(volumes_->InstallSignatures(Soon(), "data", ToJson({approved})),
              Fails(Code::kInvalidArgument, "POLICY_KEY_UNKNOWN"));
}

TEST_F(VolumesModule, AHeaderIsBackedUpRestoredAndAccepted) {
  const EnrolledVolume made = Format("data");
  ASSERT_TRUE(
      Shell("openssl req -x509 -newkey rsa:2048 -nodes -keyout backup.pem -out backup.crt "
            "-days 2 -subj /CN=backup"));
  EXPECT_THAT(volumes_->BackUp(Soon(), "data", {}, "no certificate"),
              Fails(Code::kInvalidArgument, "CERTIFICATE_INVALID"));
  const auto backup = volumes_->BackUp(Soon(), "data", {}, FileText("backup.crt"));
  ASSERT_THAT(backup, IsOk());
  ASSERT_THAT(ReplaceFile(root_ / "backup.cms", AsBytes(*backup), 0600), IsOk());
  ASSERT_TRUE(
      Shell("openssl cms -decrypt -binary -inform PEM -in backup.cms -inkey backup.pem "
            "-out image"));
  const Bytes image = ReadFile(root_ / "image", std::size_t{64} << 20).value();
  ASSERT_THAT(volumes_->Rotate(Soon(), "data", {}), IsOk());
  EXPECT_THAT(volumes_->Restore(Soon(), "data", {}, image, false),
              Fails(Code::kInvalidArgument, "SECRET_MISSING"));
  EXPECT_THAT(Test().status, IsOk());
  const auto restored =
      volumes_->Restore(Soon(), "data", RecoveryKey(made.recovery_key), image, false);
  ASSERT_THAT(restored, IsOk());
  EXPECT_THAT(restored->accepted.before, Fails(Code::kPermissionDenied, "HEADER_ROLLED_BACK"));
  EXPECT_THAT(Test().status, IsOk());
  EXPECT_TRUE(Test().header_checked);
  // A change by stock tools, and what an operator says of it.
  ASSERT_TRUE(Shell("cryptsetup -q config --label mine data.img"));
  EXPECT_THAT(Test().status, IsOk());
  ASSERT_TRUE(Shell("cryptsetup -q token remove --token-id 1 data.img"));
  EXPECT_THAT(Test().status, Fails(Code::kPermissionDenied, "HEADER_TAMPERED"));
  const auto accepted =
      volumes_->Accept(Soon(), "data", RecoveryKey(made.recovery_key), SecretBytes());
  ASSERT_THAT(accepted, IsOk());
  EXPECT_THAT(accepted->accepted.before, Fails(Code::kPermissionDenied, "HEADER_TAMPERED"));
  EXPECT_THAT(Test().status, IsOk());
}

TEST_F(VolumesModule, ErasesTheVolumeThatIsNamed) {
  const EnrolledVolume made = Format("data");
  EXPECT_THAT(volumes_->Erase(Soon(), "data", "another"),
              Fails(Code::kFailedPrecondition, "OTHER_VOLUME"));
  EXPECT_THAT(Test().status, IsOk());
  EXPECT_THAT(volumes_->Erase(Soon(), "data", made.volume.entry.uuid), IsOk());
  EXPECT_THAT(volumes_->List(Soon()).value(), IsEmpty());
  EXPECT_FALSE(Shell("cryptsetup isLuks data.img"));
}

}  // namespace
}  // namespace seaworthy::volumes
