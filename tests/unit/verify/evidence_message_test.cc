#include "seaworthy/v1/attestation.pb.h"
#include "seaworthy/v1/key.pb.h"
#include "seaworthy/verify_message.h"
#include "support/status_matchers.h"
#include "unit/verify/captures.h"
#include "unit/verify/verdict_matchers.h"

namespace seaworthy::verify {
namespace {

using ::seaworthy::testing::Fails;
using ::seaworthy::testing::IsOk;

TEST(EvidenceMessage, CarriesEvidenceUnchanged) {
  Capture capture = ReadQuote("swtpm-ecdsa-p384");
  capture.evidence.keys = {{{1}, {2}, {3}, {4}}, {{5}, {6}, {7}, {8}}};
  v1::Evidence message;
  message.add_pcrs()->set_index(99);
  message.add_keys();
  ToMessage(capture.evidence, message);
  EXPECT_EQ(message.pcrs(0).bank(), v1::SHA1);
  EXPECT_EQ(message.pcrs(message.pcrs_size() - 1).bank(), v1::SHA384);
  const auto parsed = ParseEvidence(AsBytes(message.SerializeAsString()));
  ASSERT_THAT(parsed, IsOk());
  EXPECT_THAT(VerifyQuote(*parsed, capture.nonce, capture.ak), Trusted());
  ASSERT_EQ(parsed->pcrs.size(), capture.evidence.pcrs.size());
  ASSERT_EQ(parsed->keys.size(), 2U);
  EXPECT_EQ(parsed->keys[1].key_public, Bytes{5});
  EXPECT_EQ(parsed->keys[1].signature, Bytes{8});
}

TEST(EvidenceMessage, BankWithoutAWordIsRefusedInTheEnd) {
  const Capture capture = ReadQuote("swtpm-ecdsa-p256");
  v1::Evidence message;
  ToMessage(capture.evidence, message);
  message.mutable_pcrs(0)->set_bank(static_cast<v1::HashAlgorithm>(77));
  EXPECT_EQ(FromMessage(message).pcrs[0].bank, 0);
  EXPECT_THAT(VerifyQuote(FromMessage(message), capture.nonce, capture.ak), Untrusted("MALFORMED"));
}

TEST(EvidenceMessage, CarriesCertificationUnchanged) {
  const KeyCertification certification{
      .key_public = {1}, .ak_public = {2}, .attested = {3}, .signature = {4}};
  v1::KeyCertification message;
  ToMessage(certification, message);
  const auto parsed = ParseKeyCertification(AsBytes(message.SerializeAsString()));
  ASSERT_THAT(parsed, IsOk());
  EXPECT_EQ(parsed->key_public, certification.key_public);
  EXPECT_EQ(parsed->ak_public, certification.ak_public);
  EXPECT_EQ(parsed->attested, certification.attested);
  EXPECT_EQ(parsed->signature, certification.signature);
}

TEST(EvidenceMessage, WhatIsNoMessageIsRefused) {
  const Bytes noise(16, 0xff);
  EXPECT_THAT(ParseEvidence(noise), Fails(Code::kInvalidArgument, "MALFORMED"));
  EXPECT_THAT(ParseKeyCertification(noise), Fails(Code::kInvalidArgument, "MALFORMED"));
  const Bytes huge((std::size_t{64} << 20) + 1);
  EXPECT_THAT(ParseEvidence(huge), Fails(Code::kInvalidArgument, "MALFORMED"));
}

}  // namespace
}  // namespace seaworthy::verify
