// tpm2-tools as the judge of policies and sealed objects.
#include "component/tpm/seal_fixture.h"

namespace seaworthy::tpm {
namespace {

using ::seaworthy::testing::IsOk;

class SealInteropTest : public SealTest {
 protected:
  std::string PolicyHex(const SealPolicy& policy) {
    const Result<Bytes> digest = PolicyDigest(policy);
    EXPECT_THAT(digest, IsOk());
    return digest.ok() ? Hex(*digest) : "";
  }

  // The digest that a trial session ends with.
  std::string TrialPolicy(const std::string& commands) {
    EXPECT_TRUE(Shell("tpm2_startauthsession -S s.ctx; " + commands + "; tpm2_flushcontext s.ctx"))
        << FileText("shell.log");
    return Hex(AsBytes(FileText("policy.bin")));
  }

  void Write(const SealedObject& object) {
    ASSERT_THAT(ReplaceFile(root_ / "o.pub", object.public_area, 0600), IsOk());
    ASSERT_THAT(ReplaceFile(root_ / "o.priv", object.private_area, 0600), IsOk());
  }

  SealedObject ReadObject() {
    Bytes blob = *ReadFile(root_ / "o.priv", 4096);
    const Bytes public_area = *ReadFile(root_ / "o.pub", 4096);
    blob.insert(blob.end(), public_area.begin(), public_area.end());
    const Result<SealedObject> object = ParseSealedObject(blob);
    EXPECT_THAT(object, IsOk());
    return object.value_or(SealedObject());
  }
};

TEST_F(SealInteropTest, PolicyDigestsAreThoseOfTpm2Tools) {
  for (const auto& [bank, name] :
       {std::pair{HashAlgorithm::kSha1, "sha1"}, std::pair{HashAlgorithm::kSha256, "sha256"},
        std::pair{HashAlgorithm::kSha384, "sha384"}, std::pair{HashAlgorithm::kSha512, "sha512"}}) {
    const SealPolicy policy{.pcrs = AsTheyAre({bank, 1U << 0 | 1U << 7 | 1U << 23})};
    EXPECT_EQ(PolicyHex(policy), TrialPolicy("tpm2_policypcr -S s.ctx -l " + std::string(name) +
                                             ":0,7,23 -L policy.bin"));
  }
  EXPECT_EQ(PolicyHex({.pin = true}), TrialPolicy("tpm2_policyauthvalue -S s.ctx -L policy.bin"));

  const SealPolicy all = Policy(true, true, true);
  (void)SignPcrs(kSignedPcrs);
  EXPECT_EQ(PolicyHex(all),
            TrialPolicy("tpm2_loadexternal -C o -G rsa -u signing.pub -c key.ctx -n key.name; "
                        "tpm2_policyauthorize -S s.ctx -i pol.bin -n key.name; "
                        "tpm2_policypcr -S s.ctx -l sha256:7,14; "
                        "tpm2_policyauthvalue -S s.ctx -L policy.bin"));
  EXPECT_EQ(Hex(*PolicyKeyName(all.signed_pcrs->public_key)), Hex(AsBytes(FileText("key.name"))));
}

TEST_F(SealInteropTest, Tpm2ToolsOpenWhatWeSeal) {
  const SealPolicy policy = Policy(false, true, false);
  for (const auto& [parent, make] :
       {std::pair{SealParent::kStorageRootKey, "tpm2_readpublic -c 0x81000001 -o p.pub -t p.ctx"},
        std::pair{SealParent::kLegacyEcc, "tpm2_createprimary -C o -g sha256 -G ecc -c p.ctx"},
        std::pair{SealParent::kLegacyRsa, "tpm2_createprimary -C o -g sha256 -G rsa -c p.ctx"}}) {
    const Result<SealedObject> object = SealIt(policy, parent);
    ASSERT_THAT(object, IsOk());
    Write(*object);
    ASSERT_TRUE(Shell(std::string(make) +
                      "; tpm2_flushcontext -t; tpm2_load -C p.ctx -u o.pub -r o.priv -c o.ctx; "
                      "tpm2_unseal -c o.ctx -p pcr:sha256:7,14 -o out"))
        << FileText("shell.log");
    EXPECT_EQ(FileText("out"), AsText(Secret().view()));
  }
}

TEST_F(SealInteropTest, Tpm2ToolsOpenWhatWeSealWithAPin) {
  const SealPolicy policy = Policy(false, true, true);
  const Result<SealedObject> object = SealIt(policy);
  ASSERT_THAT(object, IsOk());
  Write(*object);
  ASSERT_TRUE(
      Shell("tpm2_load -C 0x81000001 -u o.pub -r o.priv -c o.ctx; "
            "tpm2_startauthsession -S s.ctx --policy-session; "
            "tpm2_policypcr -S s.ctx -l sha256:7,14; tpm2_policyauthvalue -S s.ctx; "
            "tpm2_unseal -c o.ctx -p session:s.ctx+hex:" +
            Hex(Pin().view()) + " -o out; tpm2_flushcontext s.ctx"))
      << FileText("shell.log");
  EXPECT_EQ(FileText("out"), AsText(Secret().view()));
}

TEST_F(SealInteropTest, WeOpenWhatTpm2ToolsSeal) {
  const SealPolicy policy = Policy(false, true, false);
  ASSERT_THAT(ReplaceFile(root_ / "secret", Secret().view(), 0600), IsOk());
  for (const auto& [parent, make] :
       {std::pair{SealParent::kStorageRootKey, "tpm2_readpublic -c 0x81000001 -o p.pub -t p.ctx"},
        std::pair{SealParent::kLegacyEcc, "tpm2_createprimary -C o -g sha256 -G ecc -c p.ctx"},
        std::pair{SealParent::kLegacyRsa, "tpm2_createprimary -C o -g sha256 -G rsa -c p.ctx"}}) {
    ASSERT_TRUE(
        Shell(std::string(make) +
              "; tpm2_flushcontext -t; "
              "tpm2_createpolicy --policy-pcr -l sha256:7,14 -L policy.bin; tpm2_flushcontext -l; "
              "tpm2_create -C p.ctx -g sha256 -L policy.bin -i secret -u o.pub -r o.priv "
              "-a \"fixedtpm|fixedparent|adminwithpolicy|noda\""))
        << FileText("shell.log");
    EXPECT_THAT(Open(ReadObject(), policy, parent), IsTheSecret());
    ExpectNothingLeft();
  }
}

// As Clevis seals where it is given no PCRs.
TEST_F(SealInteropTest, WeOpenWhatWasSealedWithoutAPolicy) {
  ASSERT_THAT(Make({}), IsOk());
  ASSERT_THAT(ReplaceFile(root_ / "secret", Secret().view(), 0600), IsOk());
  ASSERT_TRUE(
      Shell("tpm2_createprimary -C o -g sha256 -G ecc -c p.ctx; tpm2_flushcontext -t; "
            "tpm2_create -C p.ctx -g sha256 -i secret -u o.pub -r o.priv -a "
            "\"fixedtpm|fixedparent|adminwithpolicy|noda|userwithauth\""))
      << FileText("shell.log");
  const SealedObject object = ReadObject();
  EXPECT_THAT(Open(object, {}, SealParent::kLegacyEcc), IsTheSecret());
  EXPECT_THAT(Open(object, Policy(false, true, false), SealParent::kLegacyEcc),
              testing::Fails(Code::kFailedPrecondition, "POLICY_MISMATCH"));
  ExpectNothingLeft();
}

TEST_F(SealInteropTest, TheStorageRootKeyIsSerializedAsTss2Does) {
  const Result<Bytes> srk = Run([](Context& context) { return SerializeSrk(context); });
  ASSERT_THAT(srk, IsOk());
  ASSERT_TRUE(Shell("tpm2_readpublic -c 0x81000001 -t srk.tr")) << FileText("shell.log");
  EXPECT_EQ(Hex(*srk), Hex(AsBytes(FileText("srk.tr"))));
}

}  // namespace
}  // namespace seaworthy::tpm
