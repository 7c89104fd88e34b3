#include "seaworthy/modules/volumes/policy_signature.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "unit/modules/volumes/header_image.h"

namespace seaworthy::volumes {
namespace {

using nlohmann::json;
using ::seaworthy::testing::Fails;
using ::seaworthy::testing::IsOk;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr char kFile[] = "tpm2-pcr-signature.json";
constexpr char kEcKey[] =
    "-----BEGIN PUBLIC KEY-----\n"
    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE6sqbEvTtv+Khb6BfuTYA+3jC6c+B\n"
    "Jbjinfdxcs9TVNUb92BRH3PyFWEkDzzUN+MdBmQg5kPLJwbs9UnWa7pquA==\n"
    "-----END PUBLIC KEY-----\n";

std::vector<SignedPolicy> OfSystemdMeasure() {
  const Result<std::vector<SignedPolicy>> signatures = ParsePolicySignatures(ReadData(kFile));
  EXPECT_THAT(signatures, IsOk());
  return signatures.ok() ? *signatures : std::vector<SignedPolicy>();
}

TEST(PolicySignature, OfSystemdMeasureIsFoundByItsKey) {
  const std::vector<SignedPolicy> signatures = OfSystemdMeasure();
  ASSERT_EQ(signatures.size(), 4);
  const Result<Bytes> key = PolicyKeyFingerprint(ReadData("policy_key.pub.pem"));
  ASSERT_THAT(key, IsOk());
  const Bytes policy = signatures[2].policy;
  EXPECT_EQ(FindPolicySignature(signatures, "sha256", {11}, *key, policy), &signatures[2]);
  EXPECT_EQ(FindPolicySignature(signatures, "sha1", {11}, *key, policy), nullptr);
  EXPECT_EQ(FindPolicySignature(signatures, "sha256", {11, 12}, *key, policy), nullptr);
  EXPECT_EQ(FindPolicySignature(signatures, "sha256", {11}, policy, policy), nullptr);
  EXPECT_EQ(FindPolicySignature(signatures, "sha256", {11}, *key, *key), nullptr);
}

TEST(PolicySignature, IsCheckedAgainstTheKey) {
  const std::string pem = ReadData("policy_key.pub.pem");
  for (const SignedPolicy& signature : OfSystemdMeasure()) {
    EXPECT_THAT(CheckPolicySignature(signature, pem), IsOk());
    const auto invalid = Fails(Code::kPermissionDenied, "POLICY_SIGNATURE_INVALID");
    SignedPolicy changed = signature;
    changed.policy[0] ^= 1;
    EXPECT_THAT(CheckPolicySignature(changed, pem), invalid);
    changed = signature;
    changed.signature[0] ^= 1;
    EXPECT_THAT(CheckPolicySignature(changed, pem), invalid);
    changed = signature;
    changed.key[0] ^= 1;
    EXPECT_THAT(CheckPolicySignature(changed, pem), invalid);
    EXPECT_THAT(CheckPolicySignature(signature, kEcKey), invalid);
    changed.key = *PolicyKeyFingerprint(kEcKey);
    EXPECT_THAT(CheckPolicySignature(changed, kEcKey),
                Fails(Code::kInvalidArgument, "POLICY_KEY_INVALID"));
  }
  EXPECT_THAT(PolicyKeyFingerprint("no key"), Fails(Code::kInvalidArgument, "POLICY_KEY_INVALID"));
}

TEST(PolicySignature, IsWrittenAsSystemdMeasureWritesIt) {
  EXPECT_EQ(json::parse(ToJson(OfSystemdMeasure())), json::parse(ReadData(kFile)));
  EXPECT_THAT(*ParsePolicySignatures(ToJson({})), ElementsAre());
}

TEST(PolicySignature, NewOnesTakeThePlaceOfTheSame) {
  const std::vector<SignedPolicy> all = OfSystemdMeasure();
  std::vector<SignedPolicy> present = {all[0], all[1]};
  SignedPolicy renewed = all[1];
  renewed.signature[5] ^= 1;
  ASSERT_THAT(MergePolicySignatures({renewed, all[2]}, present), IsOk());
  EXPECT_THAT(present, ElementsAre(all[0], renewed, all[2]));
  std::vector<SignedPolicy> many(5000, all[0]);
  for (std::size_t i = 0; i < many.size(); ++i) {
    many[i].policy[0] = static_cast<std::uint8_t>(i);
    many[i].policy[1] = static_cast<std::uint8_t>(i >> 8);
  }
  EXPECT_THAT(MergePolicySignatures(many, present),
              Fails(Code::kResourceExhausted, "POLICY_SIGNATURES_TOO_MANY"));
  EXPECT_EQ(present.size(), 3);
}

TEST(PolicySignature, NamesTheFieldThatIsWrong) {
  const json good = json::parse(ReadData(kFile));
  for (const auto& [pointer, value] :
       std::vector<std::pair<const char*, json>>{{"/sha256/1/pcrs", json::array()},
                                                 {"/sha256/1/pcrs", {24}},
                                                 {"/sha256/1/pcrs", {1, 1}},
                                                 {"/sha256/1/pkfp", "00"},
                                                 {"/sha256/1/pol", "zz"},
                                                 {"/sha256/1/sig", "AA"},
                                                 {"/sha256/1/sig", ""},
                                                 {"/sha256/1", 1},
                                                 {"/sha256", 1},
                                                 {"/md5", json::array()}}) {
    json root = good;
    root[json::json_pointer(pointer)] = value;
    const auto signatures = ParsePolicySignatures(root.dump());
    EXPECT_THAT(signatures, Fails(Code::kInvalidArgument, "POLICY_SIGNATURE_MALFORMED")) << pointer;
    EXPECT_THAT(Message(signatures.status()), HasSubstr(pointer));
  }
}

}  // namespace
}  // namespace seaworthy::volumes
