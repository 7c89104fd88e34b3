#include "seaworthy/modules/volumes/unlock.h"

#include "component/modules/volumes/volume_fixture.h"
#include "seaworthy/modules/volumes/tokens.h"

namespace seaworthy::volumes {
namespace {

using seaworthy::testing::Fails;
using seaworthy::testing::IsOk;
using ::testing::HasSubstr;

using UnlockTest = VolumeTest;

TEST_F(UnlockTest, OpensInTheStateItIsSealedToAndInNoOther) {
  const auto made = MakeVolume(AddWays({{.policy = PcrsAsTheyAre()}}, true));
  ASSERT_EQ(made.size(), 2);
  const auto unlocked = UnlockVolume();
  ASSERT_THAT(unlocked, IsOk());
  EXPECT_EQ(unlocked->way.token, made[0].token);
  EXPECT_TRUE(unlocked->guard.has_value());
  EXPECT_THAT(Opens(unlocked->way), IsOk());

  ExtendPcr(14);
  EXPECT_THAT(UnlockVolume(), Fails(Code::kFailedPrecondition, "PCR_POLICY_UNMET"));
  const auto by_key = UnlockByKey(AsText(made[1].passphrase.view()));
  ASSERT_THAT(by_key, IsOk());
  EXPECT_EQ(by_key->way.token, made[1].token);
  EXPECT_THAT(Opens(by_key->way), IsOk());
}

// PBKDF2 with two hashes and keys of two sizes here, Argon2id by libcryptsetup; which is the judge.
TEST_F(UnlockTest, AKeyslotIsOpenedAsLibcryptsetupDoes) {
  const auto made = MakeVolume(AddWays({{.policy = PcrsAsTheyAre()}}));
  ASSERT_THAT(ReplaceFile(root_ / "key", testing::KeyOf(1).view(), 0600), IsOk());
  ASSERT_TRUE(Shell(
      "printf %s \"a passphrase\" > pass; P=\"--pbkdf pbkdf2 --pbkdf-force-iterations 1000\"; "
      "cryptsetup luksAddKey -q $P --hash sha256 --volume-key-file key volume pass; "
      "cryptsetup luksAddKey -q --pbkdf argon2id --pbkdf-force-iterations 4 "
      "  --pbkdf-memory 32 --pbkdf-parallel 1 --volume-key-file key volume pass; "
      "truncate -s 20M small; cryptsetup luksFormat -q $P --type luks2 --cipher "
      "  aes-xts-plain64 --key-size 256 --hash sha256 small pass"))
      << FileText("shell.log");
  const auto opened = [](const std::string& path, std::uint32_t keyslot, std::string_view secret) {
    const auto copy = HeaderCopy::Take(path);
    EXPECT_THAT(copy, IsOk());
    return OpenKeyslot(*copy, {keyslot, 0, Secret(secret)});
  };
  const std::string_view sealed = AsText(made[0].passphrase.view());
  const std::string key = Hex(testing::KeyOf(1).view());
  EXPECT_EQ(Hex(opened(path_, made[0].keyslot, sealed)->view()), key);
  EXPECT_EQ(Hex(opened(path_, 1, "a passphrase")->view()), key);
  EXPECT_EQ(Hex(opened(path_, 2, "a passphrase")->view()), key);
  const auto small = opened(root_ / "small", 0, "a passphrase");
  ASSERT_THAT(small, IsOk());
  EXPECT_EQ(Hex(small->view()),
            Hex(Luks::Open(root_ / "small")->VolumeKey(Secret("a passphrase"), 0)->view()));

  const auto refused = Fails(Code::kPermissionDenied, "PASSPHRASE_WRONG");
  for (const std::uint32_t keyslot : {0U, 1U, 2U}) {
    EXPECT_THAT(opened(path_, keyslot, "another"), refused) << keyslot;
  }
  Bytes content = Content();
  const auto area = HeaderCopy::Take(path_)->header().metadata.keyslots.at(0).area;
  content[area.offset + 200'000] ^= 1;
  SetContent(content);
  EXPECT_THAT(opened(path_, 0, sealed), refused);
  EXPECT_FALSE(opened(path_, 7, sealed).ok());
}

TEST_F(UnlockTest, ARecoveryKeyOpensAsAPersonTypesIt) {
  const auto made = MakeVolume(AddWays({{.policy = PcrsAsTheyAre()}}, true));
  std::string typed(AsText(made[1].passphrase.view()));
  std::erase(typed, '-');
  for (char& letter : typed) letter = static_cast<char>(std::toupper(letter));
  EXPECT_THAT(UnlockByKey(typed), IsOk());
  typed[0] = typed[0] == 'C' ? 'B' : 'C';
  EXPECT_THAT(UnlockByKey(typed), Fails(Code::kPermissionDenied, "PASSPHRASE_WRONG"));
  EXPECT_THAT(UnlockByKey("abc"), Fails(Code::kInvalidArgument, "RECOVERY_KEY_MALFORMED"));
}

TEST_F(UnlockTest, ATokenWhosePolicyDoesNotFitIsPassedOver) {
  tpm::SealPolicy stale = PcrsAsTheyAre();
  stale.pcrs.pcr_digest[0] ^= 1;
  const auto made = MakeVolume(AddWays({{.policy = stale}, {.policy = PcrsAsTheyAre()}}));
  const auto unlocked = UnlockVolume();
  ASSERT_THAT(unlocked, IsOk());
  EXPECT_EQ(unlocked->way.token, made[1].token);
  ASSERT_EQ(unlocked->tried.size(), 2);
  EXPECT_EQ(Reason(unlocked->tried[0].status), "PCR_POLICY_UNMET");
}

TEST_F(UnlockTest, LegacyTokensComeFirstForSystemdAndLastForUs) {
  const tpm::SealPolicy policy = PcrsAsTheyAre();
  const auto made =
      MakeVolume(AddWays({{.policy = policy}, {.policy = policy, .legacy_parent = true}}));
  const auto copy = HeaderCopy::Take(path_);
  ASSERT_THAT(copy, IsOk());
  const auto& tokens = copy->header().metadata.tokens;
  EXPECT_TRUE(ParseSystemdTpm2Token(tokens.at(0).json)->srk.empty());
  EXPECT_FALSE(ParseSystemdTpm2Token(tokens.at(1).json)->srk.empty());
  const auto unlocked = UnlockVolume();
  ASSERT_THAT(unlocked, IsOk());
  EXPECT_EQ(unlocked->way.token, 1);
}

TEST_F(UnlockTest, APinIsAskedForAndAWrongOneEndsIt) {
  tpm::SealPolicy policy = PcrsAsTheyAre();
  policy.pin = true;
  const SecretBytes pin = Secret("correct"), wrong = Secret("wrong");
  MakeVolume(AddWays(
      {{.policy = policy, .pin = &pin}, {.policy = policy, .pin = &pin, .legacy_parent = true}}));
  EXPECT_THAT(UnlockVolume(), Fails(Code::kInvalidArgument, "PIN_MISSING"));
  UnlockOptions options;
  options.pin = &wrong;
  const auto refused = UnlockVolume(options);
  EXPECT_THAT(refused, Fails(Code::kPermissionDenied, "PIN_WRONG"));
  // One guess is one guess for the TPM.
  EXPECT_THAT(Message(refused.status()), ::testing::Not(HasSubstr(";")));
  options.pin = &pin;
  EXPECT_THAT(UnlockVolume(options), IsOk());
}

TEST_F(UnlockTest, ASignedPolicyOpensWhatTheKeyApproved) {
  ASSERT_TRUE(
      Shell("openssl genrsa -out key.pem 2048 && openssl rsa -in key.pem -pubout -out key.pub"));
  constexpr tpm::PcrSelection kSigned = {tpm::HashAlgorithm::kSha256, 1U << 11};
  tpm::SealPolicy policy;
  policy.signed_pcrs = tpm::SignedPcrs{FileText("key.pub"), kSigned};
  MakeVolume(AddWays({{.policy = policy}}));
  EXPECT_THAT(UnlockVolume(), Fails(Code::kFailedPrecondition, "POLICY_SIGNATURE_MISSING"));

  UnlockOptions options;
  const auto approve_present = [&] {
    const auto values =
        Run([&](tpm::Context& context) { return tpm::ReadPcrs(context, {kSigned}); });
    SignedPolicy approved{.bank = "sha256",
                          .pcrs = {11},
                          .key = *PolicyKeyFingerprint(FileText("key.pub")),
                          .policy = tpm::PcrPolicyDigest({kSigned, tpm::PcrDigest(*values)}),
                          .signature = {}};
    ASSERT_THAT(ReplaceFile(root_ / "policy", approved.policy, 0600), IsOk());
    ASSERT_TRUE(Shell("openssl dgst -sha256 -sign key.pem -out signature policy"));
    approved.signature = *ReadFile(root_ / "signature", 4096);
    options.signatures = {approved};
  };
  approve_present();
  EXPECT_THAT(UnlockVolume(options), IsOk());
  ExtendPcr(11);
  EXPECT_THAT(UnlockVolume(options), Fails(Code::kFailedPrecondition, "POLICY_SIGNATURE_MISSING"));
  approve_present();
  EXPECT_THAT(UnlockVolume(options), IsOk());
  options.signatures[0].signature[5] ^= 1;
  EXPECT_THAT(UnlockVolume(options), Fails(Code::kInvalidArgument, "POLICY_SIGNATURE_INVALID"));
}

TEST_F(UnlockTest, AnotherTpmOpensNothing) {
  MakeVolume(AddWays({{.policy = PcrsAsTheyAre()}, {.policy = {}, .legacy_parent = true}}));
  const testing::SwTpm other;
  tpm::Broker broker({.tcti = other.tcti(), .state_dir = root_ / "other", .on_change = {}});
  const auto copy = HeaderCopy::Take(path_);
  ASSERT_THAT(copy, IsOk());
  const auto refused = Unlock(broker, Soon(), *copy, {});
  EXPECT_THAT(refused, Fails(Code::kFailedPrecondition, "SEALED_OBJECT_FOREIGN"));
  EXPECT_THAT(Message(refused.status()), HasSubstr("storage root key"));
}

// A guess at it would be checked by the record faster than by the keyslot.
TEST_F(UnlockTest, APersonsPassphraseDoesNotVouchForAHeader) {
  MakeVolume(AddWays({{.policy = PcrsAsTheyAre()}}, true));
  const auto added =
      ChangeVolume([](Luks& luks, const SecretBytes& key) -> Result<std::vector<OpenWayIn>> {
        RETURN_IF_ERROR(luks.AddKeyslot(key, Secret("a word"), {}).status());
        return std::vector<OpenWayIn>();
      });
  ASSERT_THAT(added, IsOk());
  auto copy = HeaderCopy::Take(path_);
  ASSERT_THAT(copy, IsOk());
  EXPECT_THAT(UnlockByPassphrase(*copy, Secret("a word"), {}),
              Fails(Code::kFailedPrecondition, "HEADER_NOT_CHECKED"));
  UnlockOptions believed;
  believed.unguarded = true;
  EXPECT_THAT(UnlockByPassphrase(*copy, Secret("word"), believed),
              Fails(Code::kPermissionDenied, "PASSPHRASE_WRONG"));
  const auto unlocked = UnlockByPassphrase(*copy, Secret("a word"), believed);
  ASSERT_THAT(unlocked, IsOk());
  // A record is made for random secrets alone.
  const auto way =
      ChangeHeader(*broker_, Soon(), *copy, *unlocked, AddWays({{.policy = PcrsAsTheyAre()}}));
  ASSERT_THAT(way, IsOk());
  copy = HeaderCopy::Take(path_);
  const auto record = FindGuard(copy->header().metadata);
  EXPECT_FALSE(record->keys.contains(unlocked->way.keyslot));
  EXPECT_TRUE(record->keys.contains(way->front().keyslot));
}

TEST_F(UnlockTest, AVolumeWithoutTokensSaysSo) {
  MakeVolume(AddWays({}, true));
  EXPECT_THAT(UnlockVolume(), Fails(Code::kFailedPrecondition, "NO_TPM_TOKEN"));
}

}  // namespace
}  // namespace seaworthy::volumes
