// Secrets sealed to a software TPM.
#pragma once

#include <tss2/tss2_esys.h>

#include <algorithm>
#include <optional>
#include <string>

#include "component/tpm/fixture.h"
#include "seaworthy/tpm/key.h"
#include "seaworthy/tpm/seal.h"
#include "tpm/context.h"

namespace seaworthy::tpm {

inline constexpr PcrSelection kSealPcrs = {HashAlgorithm::kSha256, 1U << 7 | 1U << 14};
inline constexpr PcrSelection kSignedPcrs = {HashAlgorithm::kSha256, 1U << 11};

class SealTest : public TpmTest {
 protected:
  static SecretBytes Secret() {
    return SecretBytes::Copy(AsBytes("a secret of 32 bytes, as a key's"));
  }
  static SecretBytes Pin(std::string_view pin = "1234") {
    return *PinAuthValue252(SecretBytes::Copy(AsBytes(pin)));
  }

  PcrPolicy AsTheyAre(const PcrSelection& selection) {
    return {selection,
            PcrDigest(*Run([&](Context& context) { return ReadPcrs(context, {selection}); }))};
  }

  // A policy over PCRs as they are; its parts by what is asked for.
  SealPolicy Policy(bool is_signed, bool pcrs, bool pin) {
    SealPolicy policy;
    if (is_signed) policy.signed_pcrs = SignedPcrs{MakeSigningKey("signing"), kSignedPcrs};
    if (pcrs) policy.pcrs = AsTheyAre(kSealPcrs);
    policy.pin = pin;
    return policy;
  }

  // By openssl, in `name`.pem; the public half.
  std::string MakeSigningKey(const std::string& name) {
    if (!FileText(name + ".pub").empty()) return FileText(name + ".pub");
    EXPECT_TRUE(Shell("openssl genrsa -out " + name + ".pem 2048 && openssl rsa -in " + name +
                      ".pem -pubout -out " + name + ".pub"))
        << FileText("shell.log");
    return FileText(name + ".pub");
  }

  // What systemd-measure writes for PCRs as they are.
  PolicySignature SignPcrs(const PcrSelection& selection, const std::string& key = "signing") {
    PolicySignature signature{PcrPolicyDigest(AsTheyAre(selection)), {}};
    EXPECT_THAT(ReplaceFile(root_ / "pol.bin", signature.policy, 0600), testing::IsOk());
    EXPECT_TRUE(Shell("openssl dgst -sha256 -sign " + key + ".pem -out pol.sig pol.bin"))
        << FileText("shell.log");
    signature.signature = *ReadFile(root_ / "pol.sig", 1024);
    return signature;
  }

  Result<SealedObject> SealIt(const SealPolicy& policy,
                              SealParent parent = SealParent::kStorageRootKey) {
    return Run([&](Context& context) {
      return Seal(context, parent, policy, policy.pin ? Pin() : SecretBytes(), Secret());
    });
  }

  Result<SecretBytes> Open(const SealedObject& object, const SealPolicy& policy,
                           SealParent parent = SealParent::kStorageRootKey,
                           const std::optional<PolicySignature>& signature = std::nullopt,
                           const SecretBytes& pin = Pin()) {
    return Run([&](Context& context) {
      SaltedSession session(context);
      return Unseal(session, object, parent, policy, signature, pin);
    });
  }

  Status Extend(std::uint32_t pcr) {
    return Run([&](Context& context) {
      TPML_DIGEST_VALUES digests = {};
      digests.count = 1;
      digests.digests[0].hashAlg = TPM2_ALG_SHA256;
      return context.Check(Esys_PCR_Extend(context.esys(), ESYS_TR_PCR0 + pcr, ESYS_TR_PASSWORD,
                                           ESYS_TR_NONE, ESYS_TR_NONE, &digests),
                           "TPM2_PCR_Extend");
    });
  }

  HandleCounts Handles() {
    return *Run([](Context& context) { return CountHandles(context); });
  }

  // Nothing is left in the TPM but what was there.
  void ExpectNothingLeft(std::size_t transient = 0) {
    const HandleCounts now = Handles();
    EXPECT_EQ(now.transient, transient);
    EXPECT_EQ(now.sessions, 0U);
    EXPECT_EQ(now.persistent, 1U);
    EXPECT_EQ(now.nv_indices, 0U);
  }
};

MATCHER(IsTheSecret, "is the secret that was sealed") {
  *result_listener << arg.status().ToString();
  return arg.ok() && AsText(arg->view()) == "a secret of 32 bytes, as a key's";
}

}  // namespace seaworthy::tpm
