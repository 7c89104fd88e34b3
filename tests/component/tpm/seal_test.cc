#include "component/tpm/seal_fixture.h"

namespace seaworthy::tpm {
namespace {

using ::seaworthy::testing::Fails;
using ::seaworthy::testing::IsOk;
using ::testing::Combine;
using ::testing::HasSubstr;
using ::testing::Values;

constexpr SealParent kSrk = SealParent::kStorageRootKey;

class EachPolicy : public SealTest,
                   public ::testing::WithParamInterface<std::tuple<SealParent, bool, bool, bool>> {
};

INSTANTIATE_TEST_SUITE_P(Seal, EachPolicy,
                         Combine(Values(kSrk, SealParent::kLegacyEcc, SealParent::kLegacyRsa),
                                 ::testing::Bool(), ::testing::Bool(), ::testing::Bool()));

TEST_P(EachPolicy, GivesTheSecretBackAndLeavesNothing) {
  const auto [parent, is_signed, pcrs, pin] = GetParam();
  const SealPolicy policy = Policy(is_signed, pcrs, pin);
  std::optional<PolicySignature> signature;
  if (is_signed) signature = SignPcrs(kSignedPcrs);
  const Result<SealedObject> object = SealIt(policy, parent);
  ASSERT_THAT(object, IsOk());
  // fixedTPM and fixedParent, as systemd 257 has them: noDA without a PIN, never userWithAuth.
  EXPECT_EQ(Hex(ByteView(object->public_area).subspan(6, 4)), pin ? "00000012" : "00000412");
  ExpectNothingLeft();
  EXPECT_THAT(Open(*object, policy, parent, signature), IsTheSecret());
  ExpectNothingLeft();
  const Result<SealedObject> again = ParseSealedObject(ToBlob(*object));
  ASSERT_THAT(again, IsOk());
  EXPECT_THAT(Open(*again, policy, parent, signature), IsTheSecret());
}

class EachBank : public SealTest, public ::testing::WithParamInterface<HashAlgorithm> {};

INSTANTIATE_TEST_SUITE_P(Seal, EachBank,
                         Values(HashAlgorithm::kSha1, HashAlgorithm::kSha256,
                                HashAlgorithm::kSha384, HashAlgorithm::kSha512));

TEST_P(EachBank, Holds) {
  const SealPolicy policy{.signed_pcrs = {},
                          .pcrs = AsTheyAre({GetParam(), 1U << 0 | 1U << 9 | 1U << 23})};
  const Result<SealedObject> object = SealIt(policy);
  ASSERT_THAT(object, IsOk());
  EXPECT_THAT(Open(*object, policy), IsTheSecret());
}

TEST_F(SealTest, PcrsOfOtherValuesKeepItShut) {
  const SealPolicy policy = Policy(false, true, false);
  SealPolicy untold = policy;  // as from a token, which does not tell the values
  untold.pcrs.pcr_digest.clear();
  const Result<SealedObject> object = SealIt(policy);
  ASSERT_THAT(object, IsOk());
  EXPECT_THAT(Open(*object, untold), IsTheSecret());
  ASSERT_THAT(Extend(14), IsOk());
  const Result<SecretBytes> refused = Open(*object, policy);
  EXPECT_THAT(refused, Fails(Code::kFailedPrecondition, "PCR_POLICY_UNMET"));
  EXPECT_THAT(Message(refused.status()), HasSubstr("sha256:7,14"));
  EXPECT_THAT(Open(*object, untold), Fails(Code::kFailedPrecondition, "PCR_POLICY_UNMET"));
  SealPolicy present = policy;
  present.pcrs = AsTheyAre(kSealPcrs);
  EXPECT_THAT(Open(*object, present), Fails(Code::kFailedPrecondition, "POLICY_MISMATCH"));
  ExpectNothingLeft();
}

TEST_F(SealTest, AskedWithAnotherPolicyTheTpmIsNotBothered) {
  const SealPolicy policy = Policy(false, true, true);
  const Result<SealedObject> object = SealIt(policy);
  ASSERT_THAT(object, IsOk());
  for (const SealPolicy& other : {Policy(false, true, false), Policy(false, false, true),
                                  Policy(true, true, true), SealPolicy()}) {
    EXPECT_THAT(Open(*object, other), Fails(Code::kFailedPrecondition, "POLICY_MISMATCH"));
  }
}

TEST_F(SealTest, AWrongPinCountsAsATry) {
  const SealPolicy policy = Policy(false, true, true);
  const Result<SealedObject> object = SealIt(policy);
  ASSERT_THAT(object, IsOk());
  EXPECT_THAT(Open(*object, policy, kSrk, {}, SecretBytes()),
              Fails(Code::kInvalidArgument, "PIN_MISSING"));
  EXPECT_THAT(Open(*object, policy, kSrk, {}, Pin("1235")),
              Fails(Code::kPermissionDenied, "PIN_WRONG"));
  const auto failures = [&] {
    return Run([](Context& context) { return ReadProperties(context); })->lockout_failures;
  };
  EXPECT_EQ(failures(), 1U);
  EXPECT_THAT(Open(*object, policy), IsTheSecret());
  // Where the PCRs are wrong already the PIN is not tried.
  ASSERT_THAT(Extend(14), IsOk());
  EXPECT_THAT(Open(*object, policy, kSrk, {}, Pin("1235")),
              Fails(Code::kFailedPrecondition, "PCR_POLICY_UNMET"));
  EXPECT_EQ(failures(), 1U);
  ExpectNothingLeft();
}

TEST_F(SealTest, ALockedTpmTakesNoPinAndOpensTheRest) {
  const SealPolicy with_pin = Policy(false, true, true);
  const SealPolicy without = Policy(false, true, false);
  const Result<SealedObject> guarded = SealIt(with_pin);
  const Result<SealedObject> free = SealIt(without);
  ASSERT_THAT(guarded, IsOk());
  ASSERT_THAT(free, IsOk());
  ASSERT_TRUE(Shell("tpm2_dictionarylockout -s -n 2 -t 1000 -l 1000")) << FileText("shell.log");
  for (int i = 0; i < 2; ++i) {
    EXPECT_THAT(Open(*guarded, with_pin, kSrk, {}, Pin("no")),
                Fails(Code::kPermissionDenied, "PIN_WRONG"));
  }
  EXPECT_THAT(Open(*guarded, with_pin), Fails(Code::kResourceExhausted, "TPM_LOCKOUT"));
  EXPECT_THAT(Open(*free, without), IsTheSecret());
  ExpectNothingLeft();
}

TEST_F(SealTest, ASignatureIsForTheValuesThatPcrsHave) {
  const SealPolicy policy = Policy(true, false, false);
  const Result<SealedObject> object = SealIt(policy);
  ASSERT_THAT(object, IsOk());
  EXPECT_THAT(Open(*object, policy), Fails(Code::kFailedPrecondition, "POLICY_SIGNATURE_MISSING"));
  const PolicySignature before = SignPcrs(kSignedPcrs);
  EXPECT_THAT(Open(*object, policy, kSrk, before), IsTheSecret());
  ASSERT_THAT(Extend(11), IsOk());
  EXPECT_THAT(Open(*object, policy, kSrk, before),
              Fails(Code::kFailedPrecondition, "PCR_POLICY_UNMET"));
  EXPECT_THAT(Open(*object, policy, kSrk, SignPcrs(kSignedPcrs)), IsTheSecret());
  ExpectNothingLeft();
}

TEST_F(SealTest, ASignatureServesNoOtherPcrsKeysOrPolicies) {
  const SealPolicy policy = Policy(true, false, false);
  const Result<SealedObject> object = SealIt(policy);
  ASSERT_THAT(object, IsOk());
  EXPECT_THAT(Open(*object, policy, kSrk, SignPcrs({HashAlgorithm::kSha256, 1U << 12})),
              Fails(Code::kFailedPrecondition, "PCR_POLICY_UNMET"));
  EXPECT_THAT(Open(*object, policy, kSrk, SignPcrs({HashAlgorithm::kSha384, 1U << 11})),
              Fails(Code::kFailedPrecondition, "PCR_POLICY_UNMET"));
  MakeSigningKey("foreign");
  EXPECT_THAT(Open(*object, policy, kSrk, SignPcrs(kSignedPcrs, "foreign")),
              Fails(Code::kInvalidArgument, "POLICY_SIGNATURE_INVALID"));
  PolicySignature claimed = SignPcrs({HashAlgorithm::kSha256, 1U << 12});
  claimed.policy = PcrPolicyDigest(AsTheyAre(kSignedPcrs));
  EXPECT_THAT(Open(*object, policy, kSrk, claimed),
              Fails(Code::kInvalidArgument, "POLICY_SIGNATURE_INVALID"));
  claimed.signature.resize(20);
  EXPECT_THAT(Open(*object, policy, kSrk, claimed),
              Fails(Code::kInvalidArgument, "POLICY_SIGNATURE_INVALID"));
  SealPolicy other_key = policy;
  other_key.signed_pcrs->public_key = MakeSigningKey("foreign");
  EXPECT_THAT(Open(*object, other_key, kSrk, SignPcrs(kSignedPcrs, "foreign")),
              Fails(Code::kFailedPrecondition, "POLICY_MISMATCH"));
  ExpectNothingLeft();
}

TEST_F(SealTest, AChangedObjectIsRefused) {
  const SealPolicy policy = Policy(false, true, false);
  SealPolicy untold = policy;
  untold.pcrs.pcr_digest.clear();
  const Result<SealedObject> object = SealIt(policy);
  ASSERT_THAT(object, IsOk());
  for (std::size_t at = 2; at < object->private_area.size(); at += 13) {
    SealedObject changed = *object;
    changed.private_area[at] ^= 0x20;
    EXPECT_THAT(Open(changed, policy), Fails(Code::kFailedPrecondition, "SEALED_OBJECT_FOREIGN"))
        << at;
  }
  for (const std::size_t at : {8U, 9U, 14U, 43U, 60U}) {  // attributes, policy, unique
    SealedObject changed = *object;
    changed.public_area[at] ^= 0x40;
    const Result<SecretBytes> opened = Open(changed, untold);
    EXPECT_THAT(opened, Fails(Code::kFailedPrecondition, "SEALED_OBJECT_FOREIGN")) << at;
  }
  ExpectNothingLeft();
}

// M-02: of another node, or of another parent.
TEST_F(SealTest, AForeignObjectIsRefused) {
  const SealPolicy policy = Policy(false, true, false);
  const Result<SealedObject> object = SealIt(policy);
  ASSERT_THAT(object, IsOk());
  EXPECT_THAT(Open(*object, policy, SealParent::kLegacyEcc),
              Fails(Code::kFailedPrecondition, "SEALED_OBJECT_FOREIGN"));
  EXPECT_THAT(Open(*object, policy, SealParent::kLegacyRsa),
              Fails(Code::kFailedPrecondition, "SEALED_OBJECT_FOREIGN"));
  const Result<SealedObject> legacy = SealIt(policy, SealParent::kLegacyEcc);
  ASSERT_THAT(legacy, IsOk());
  const Result<Bytes> srk = Run([](Context& context) { return SerializeSrk(context); });
  ASSERT_THAT(srk, IsOk());
  const auto check = [&](Context& context) { return CheckSrk(context, *srk); };
  EXPECT_THAT(Run(check), IsOk());

  broker_->Close();
  swtpm_.Replace();
  std::filesystem::remove(root_ / "tpm/srk.name");
  EXPECT_THAT(Run(check), Fails(Code::kFailedPrecondition, "SRK_MISMATCH"));
  EXPECT_THAT(Open(*object, policy), Fails(Code::kFailedPrecondition, "SEALED_OBJECT_FOREIGN"));
  EXPECT_THAT(Open(*legacy, policy, SealParent::kLegacyEcc),
              Fails(Code::kFailedPrecondition, "SEALED_OBJECT_FOREIGN"));
  ExpectNothingLeft();
}

// A bare TPM has three slots for objects, and a key of ours keeps one of them.
TEST_F(SealTest, FitsInTheSlotsBesideAKeptKey) {
  const Result<WrappedKey> key = Make({});
  ASSERT_THAT(key, IsOk());
  ASSERT_THAT(Run([&](Context& context) {
                return Sign(context, *key, SignatureScheme::kEcdsa, HashAlgorithm::kSha256,
                            Bytes(32));
              }),
              IsOk());
  SealPolicy policy = Policy(true, true, true);
  const PolicySignature signature = SignPcrs(kSignedPcrs);
  for (const SealParent parent : {kSrk, SealParent::kLegacyEcc}) {
    ASSERT_THAT(Run([&](Context& context) { return context.LoadKept(*key); }), IsOk());
    const Result<SealedObject> object = SealIt(policy, parent);
    ASSERT_THAT(object, IsOk());
    EXPECT_THAT(Open(*object, policy, parent, signature), IsTheSecret());
    ExpectNothingLeft(1);
  }
}

TEST_F(SealTest, SaysWhatIsWrongWithARequest) {
  const auto seal = [&](const SealPolicy& policy, const SecretBytes& pin, std::size_t size) {
    return Run([&](Context& context) {
             return Seal(context, kSrk, policy, pin, SecretBytes(size));
           })
        .status();
  };
  EXPECT_THAT(seal({.pin = true}, {}, 32), Fails(Code::kInvalidArgument, "PIN_MISSING"));
  EXPECT_THAT(seal({}, Pin(), 32), Fails(Code::kInvalidArgument, "PIN_UNEXPECTED"));
  EXPECT_THAT(seal({.pin = true}, SecretBytes(33), 32), Fails(Code::kInvalidArgument, "PIN_SIZE"));
  EXPECT_THAT(seal({}, {}, 0), Fails(Code::kInvalidArgument, "SECRET_SIZE"));
  EXPECT_THAT(seal({}, {}, 129), Fails(Code::kInvalidArgument, "SECRET_SIZE"));
  EXPECT_THAT(seal({}, {}, 128), IsOk());
  EXPECT_THAT(seal({.pcrs = {kSealPcrs, {}}}, {}, 32),
              Fails(Code::kInvalidArgument, "INVALID_SEAL_POLICY"));
}

TEST_F(SealTest, SaysThatTheOwnerHasAnAuthorizationValue) {
  const SealPolicy policy = Policy(false, true, false);
  const Result<SealedObject> object = SealIt(policy, SealParent::kLegacyEcc);
  ASSERT_THAT(object, IsOk());
  ASSERT_TRUE(Shell("tpm2_changeauth -c owner secret")) << FileText("shell.log");
  EXPECT_THAT(Open(*object, policy, SealParent::kLegacyEcc),
              Fails(Code::kPermissionDenied, "OWNER_AUTH_SET"));
  EXPECT_THAT(SealIt(policy, SealParent::kLegacyEcc),
              Fails(Code::kPermissionDenied, "OWNER_AUTH_SET"));
  EXPECT_THAT(SealIt(policy), IsOk());
  ExpectNothingLeft();
}

}  // namespace
}  // namespace seaworthy::tpm
