#include <gtest/gtest.h>

#include "seaworthy/tpm/key.h"
#include "seaworthy/tpm/tss2_pem.h"
#include "support/status_matchers.h"

namespace seaworthy::tpm {
namespace {

using ::seaworthy::testing::Fails;

Bytes FromHex(std::string_view hex) { return *ParseHex(hex); }

// Golden: tpm2_createpolicy --policy-pcr -l sha256:0 over a PCR 0 of 32 zero bytes, and
// sha256:7,11 over PCRs of 32 zero bytes each, with tpm2-tools 5.4.
TEST(PcrPolicyDigest, EqualsTpm2Tools) {
  const PcrPolicy one{{HashAlgorithm::kSha256, 1U << 0},
                      FromHex("66687aadf862bd776c8fc18b8e9f8e20089714856ee233b3902a591d0d5f2925")};
  EXPECT_EQ(Hex(PcrPolicyDigest(one)),
            "093ceb41181d47808862d7946268ee6a17a10e3d1b79b32351bc56e4beaceff0");
  const PcrPolicy two{{HashAlgorithm::kSha256, 1U << 7 | 1U << 11},
                      FromHex("f5a5fd42d16a20302798ef6ed309979b43003d2320d9f0e8ea9831a92759fb4b")};
  EXPECT_EQ(Hex(PcrPolicyDigest(two)),
            "384378caeddc9690b2ac9589827a756a5c46c8b33178b2fe468c80531b97a53e");
}

TEST(ParseTss2Pem, RefusesWhatIsNoKey) {
  EXPECT_THAT(ParseTss2Pem(""), Fails(Code::kInvalidArgument, "INVALID_TSS2_PEM"));
  EXPECT_THAT(ParseTss2Pem("-----BEGIN TSS2 PRIVATE KEY-----\nAAAA\n"
                           "-----END TSS2 PRIVATE KEY-----\n"),
              Fails(Code::kInvalidArgument, "INVALID_TSS2_PEM"));
  EXPECT_THAT(ParseTss2Pem(std::string(kMaxTss2Pem + 1, '-')),
              Fails(Code::kInvalidArgument, "INVALID_TSS2_PEM"));
}

TEST(ReadPublicKey, RefusesWhatIsNoPublicArea) {
  EXPECT_THAT(ReadPublicKey({}), Fails(Code::kInvalidArgument, "INVALID_TPM_PUBLIC"));
  EXPECT_THAT(ReadPublicKey({.public_area = Bytes(90), .private_area = {}, .policy = {}}),
              Fails(Code::kInvalidArgument, "INVALID_TPM_PUBLIC"));
}

}  // namespace
}  // namespace seaworthy::tpm
