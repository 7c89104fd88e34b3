#include "modules/keys/validate.h"

#include <gtest/gtest.h>

#include <string>

#include "support/status_matchers.h"
#include "unit/modules/keys/wrapped_key.h"

namespace seaworthy::keys {
namespace {

using testing::Fails;
using testing::IsOk;

TEST(CheckName, TakesNames) {
  for (const char* name : {"a", "0", "tls-server", "a.b_c-9", "a..b"}) {
    EXPECT_THAT(CheckName(name), IsOk()) << name;
  }
  EXPECT_THAT(CheckName(std::string(64, 'x')), IsOk());
}

TEST(CheckName, RefusesWhatIsNoNameOrNoFileName) {
  for (const std::string& name :
       {std::string(), std::string(65, 'x'), std::string("."), std::string(".."),
        std::string(".new-1"), std::string("a/b"), std::string("../a"), std::string("A"),
        std::string("-a"), std::string("_a"), std::string("a b"), std::string("a\n"),
        std::string("a\0b", 3), std::string("sch\xc3\xb6n")}) {
    EXPECT_THAT(CheckName(name), Fails(Code::kInvalidArgument, "INVALID_NAME")) << name;
  }
}

TEST(CheckName, SaysFieldAndRule) {
  EXPECT_THAT(Message(CheckName("A")),
              ::testing::AllOf(::testing::StartsWith("name: "), ::testing::HasSubstr("1 to 64")));
}

TEST(CheckDigest, RefusesSha1AndOtherLengths) {
  EXPECT_THAT(CheckDigest(tpm::HashAlgorithm::kSha1, Bytes(20)),
              Fails(Code::kInvalidArgument, "WEAK_HASH"));
  EXPECT_THAT(CheckDigest(tpm::HashAlgorithm::kSha256, Bytes(31)),
              Fails(Code::kInvalidArgument, "INVALID_DIGEST"));
  EXPECT_THAT(CheckDigest(tpm::HashAlgorithm::kSha384, Bytes(32)),
              Fails(Code::kInvalidArgument, "INVALID_DIGEST"));
  EXPECT_THAT(CheckDigest(tpm::HashAlgorithm::kSha256, Bytes(32)), IsOk());
  EXPECT_THAT(CheckDigest(tpm::HashAlgorithm::kSha512, Bytes(64)), IsOk());
}

TEST(CheckNonce, IsSixteenToSixtyFourBytes) {
  EXPECT_THAT(CheckNonce(Bytes(15)), Fails(Code::kInvalidArgument, "INVALID_NONCE"));
  EXPECT_THAT(CheckNonce(Bytes(16)), IsOk());
  EXPECT_THAT(CheckNonce(Bytes(64)), IsOk());
  EXPECT_THAT(CheckNonce(Bytes(65)), Fails(Code::kInvalidArgument, "INVALID_NONCE"));
}

Status Check(std::uint32_t attributes) {
  return CheckSuitable(tpm::ReadPublicKey(MakeWrappedKey(kPointG, attributes)).value());
}

TEST(CheckSuitable, NeedsAKeyThatCannotLeaveItsTpm) {
  EXPECT_THAT(Check(kUsual), IsOk());
  EXPECT_THAT(Check(kUsual & ~kUserWithAuth), IsOk());
  for (const std::uint32_t attribute : {kFixedTpm, kFixedParent, kSensitiveDataOrigin, kSign}) {
    EXPECT_THAT(Check(kUsual & ~attribute), Fails(Code::kFailedPrecondition, "KEY_UNSUITABLE"))
        << attribute;
  }
  for (const std::uint32_t attribute : {kRestricted, kDecrypt}) {
    EXPECT_THAT(Check(kUsual | attribute), Fails(Code::kFailedPrecondition, "KEY_UNSUITABLE"))
        << attribute;
  }
}

}  // namespace
}  // namespace seaworthy::keys
