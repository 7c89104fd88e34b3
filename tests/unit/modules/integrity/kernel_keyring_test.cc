// Certificates for the kernel, and the kernel's keyrings as this machine has them. That it finds a
// keyring at its first signature, and uses it for all, is shown by system/vm 83_appraisal.
#include "seaworthy/modules/integrity/kernel_keyring.h"

#include <gmock/gmock.h>
#include <linux/keyctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "support/status_matchers.h"
#include "unit/modules/integrity/signing_key.h"

namespace seaworthy::integrity {
namespace {

using testing::Fails;
using ::testing::HasSubstr;
using testing::IsOk;
using verify::ImaCertificate;

Result<ImaCertificate> Parse(const std::string& file) {
  return ImaCertificate::Parse(AsBytes(file));
}

TEST(ImaCertificate, IsTakenFromPemAndDer) {
  const SigningKey key(kRsa);
  const auto pem = Parse(key.certificate());
  ASSERT_THAT(pem, IsOk());
  EXPECT_EQ(AsText(pem->der), ReadText(key.certificate_file()));
  EXPECT_EQ(pem->subject, "CN=ima");
  EXPECT_TRUE(pem->rsa);
  const auto der = Parse(ReadText(key.certificate_file()));
  ASSERT_TRUE(der.ok());
  EXPECT_EQ(der->der, pem->der);
  // The end of it is the id in signatures.
  char id[9];
  std::snprintf(id, sizeof(id), "%08x", key.Keys().Ids().at(0));
  EXPECT_THAT(pem->key, ::testing::AllOf(::testing::StartsWith("id:"), ::testing::EndsWith(id)));
}

TEST(ImaCertificate, OfAChainIsTheFirst) {
  const SigningKey key(kEc);
  const SigningKey issuer(kRsa);
  const auto parsed = Parse(key.certificate() + issuer.certificate());
  ASSERT_TRUE(parsed.ok());
  EXPECT_EQ(AsText(parsed->der), ReadText(key.certificate_file()));
  EXPECT_FALSE(parsed->rsa);
}

TEST(ImaCertificate, RefusesWhatTheKernelDoesNotTake) {
  const auto refused = [](const SigningKey& key, const std::string& why) {
    const auto parsed = Parse(key.certificate());
    EXPECT_THAT(parsed.status(), Fails(Code::kInvalidArgument, "IMA_CERTIFICATE_UNSUITABLE"));
    EXPECT_THAT(Message(parsed.status()), HasSubstr(why));
  };
  refused(SigningKey(kRsa, "-addext subjectKeyIdentifier=none"), "subject key identifier");
  refused(SigningKey(kRsa, "-sigopt rsa_padding_mode:pss"), "PKCS#1 v1.5");
  refused(SigningKey(kRsa, "-sha1"), "SHA-256");
  refused(SigningKey("ec -pkeyopt ec_paramgen_curve:P-521"), "P-256 and P-384");
  EXPECT_THAT(Parse("").status(), Fails(Code::kInvalidArgument, "MALFORMED"));
  EXPECT_THAT(Parse("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").status(),
              Fails(Code::kInvalidArgument, "MALFORMED"));
}

TEST(KernelKeyring, UsageIsReadByTheWholeId) {
  const std::string keys =
      "01234567 I--Q---     1 perm 3f010000     0     0 keyring   _ima: 1\n"
      "1b8b7c42 I--Q---    12 perm 1b1b0000     0     0 keyring   _evm: 1\n"
      "2b8b7c42 I--Q---\n";
  EXPECT_EQ(UsageOf(keys, 0x1b8b7c42), 12U);
  EXPECT_EQ(UsageOf(keys, 0x01234567), 1U);
  EXPECT_EQ(UsageOf(keys, 0x2b8b7c42), 0U);
  EXPECT_EQ(UsageOf(keys, 0x1b8b7c4), 0U);
  EXPECT_EQ(UsageOf("", 1), 0U);
}

// M-69.
TEST(KernelKeyring, TakesNoKeyOnceItIsClosed) {
  const std::string name = "_seaworthy_" + std::to_string(getpid());
  const SigningKey key(kRsa);
  const SigningKey other(kRsa);
  if (const Status joined = JoinNewSession(); !joined.ok()) {
    // A container's filter leaves no keyrings.
    EXPECT_THAT(Reason(joined), ::testing::AnyOf("KEYRINGS_UNAVAILABLE", "PERMISSION_DENIED"));
    return;
  }
  auto keyring = KernelKeyring::Open(name);
  ASSERT_THAT(keyring, IsOk());
  const ImaCertificate certificate = Parse(key.certificate()).value();
  ASSERT_THAT(keyring->Add(certificate), IsOk());
  EXPECT_THAT(keyring->Close(), IsOk());
  EXPECT_EQ(keyring->InUse().value(), false);
  EXPECT_THAT(keyring->Leave(), IsOk());
  EXPECT_EQ(keyring->InUse().value(), false);
  // As a later call finds it.
  auto again = KernelKeyring::Open(name);
  ASSERT_THAT(again, IsOk());
  EXPECT_THAT(again->Add(certificate), IsOk());
  EXPECT_THAT(again->Add(Parse(other.certificate()).value()),
              Fails(Code::kFailedPrecondition, "KEYRING_CLOSED"));
  EXPECT_THAT(again->Close(), IsOk());
  EXPECT_EQ(again->InUse().value(), false);
  // Somebody has it besides us.
  const long id = syscall(SYS_keyctl, KEYCTL_SEARCH, KEY_SPEC_USER_KEYRING, "keyring", name.c_str(),
                          KEY_SPEC_PROCESS_KEYRING);
  ASSERT_GT(id, 0);
  EXPECT_EQ(again->InUse().value(), true);
  EXPECT_EQ(syscall(SYS_keyctl, KEYCTL_UNLINK, id, KEY_SPEC_USER_KEYRING), 0);
}

}  // namespace
}  // namespace seaworthy::integrity
