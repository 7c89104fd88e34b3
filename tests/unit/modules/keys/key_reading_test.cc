#include "modules/keys/key_reading.h"

#include <gtest/gtest.h>

#include "support/status_matchers.h"
#include "unit/modules/keys/wrapped_key.h"

namespace seaworthy::keys {
namespace {

using testing::Fails;
using ::testing::HasSubstr;
using testing::IsOk;

// A certificate for an EC P-256 key that is not G.
constexpr char kForeignCertificate[] = R"(-----BEGIN CERTIFICATE-----
MIIBezCCASGgAwIBAgIUccTin5ifQUaWhVAOjtWk1t6OwsYwCgYIKoZIzj0EAwIw
EjEQMA4GA1UEAwwHZm9yZWlnbjAgFw0yNjExMjIwMzQ2MDJaGA8yMTI2MTAyOTAz
NDYwMlowEjEQMA4GA1UEAwwHZm9yZWlnbjBZMBMGByqGSM49AgEGCCqGSM49AwEH
A0IABAztjX1dq7KuWz4vSwIGhB4cE98jqItwsuQqmDUJLijzZcBLBEEAXJviXD00
b3IAEOuiJiQdKIE4Ldq0S8qZEY6jUzBRMB0GA1UdDgQWBBRoDJeemNfxUSHhtzDe
7nlFXRf7djAfBgNVHSMEGDAWgBRoDJeemNfxUSHhtzDe7nlFXRf7djAPBgNVHRMB
Af8EBTADAQH/MAoGCCqGSM49BAMCA0gAMEUCIQDHsZfAhZDDkN5qcqr51MvE2VYX
OjzVV4PltMyfsncJkQIgdscpwx6EW3noSNG4l0s+ScxOzH0im0z3aMpYM4w419c=
-----END CERTIFICATE-----
)";

Store::Files Sound() {
  Store::Files files;
  files.path = "/state/keys/web";
  files.metadata.name = "web";
  files.current = MakeWrappedKey();
  return files;
}

TEST(ReadKey, TakesASoundKey) {
  Store::Files files = Sound();
  files.next = MakeWrappedKey(kPoint2G);
  const Result<Key> key = ReadKey(files);
  ASSERT_THAT(key, IsOk());
  EXPECT_EQ(key->name, "web");
  EXPECT_TRUE(key->next.has_value());
  EXPECT_FALSE(key->certificate.has_value());
  EXPECT_THAT(key->problem, IsOk());
}

TEST(ReadKey, RefusesAKeyThatCanLeaveItsTpm) {
  Store::Files files = Sound();
  files.current = MakeWrappedKey(kPointG, kUsual & ~kFixedTpm);
  EXPECT_THAT(ReadKey(files), Fails(Code::kFailedPrecondition, "KEY_UNSUITABLE"));
  files = Sound();
  files.next = MakeWrappedKey(kPointG, kUsual | kDecrypt);
  const Result<Key> key = ReadKey(files);
  EXPECT_THAT(key, Fails(Code::kFailedPrecondition, "KEY_UNSUITABLE"));
  EXPECT_THAT(Message(key.status()), HasSubstr("/state/keys/web: next key"));
}

TEST(ReadKey, RefusesACertificateThatIsNotTheKeys) {
  Store::Files files = Sound();
  files.metadata.certificate_chain_pem = kForeignCertificate;
  const Result<Key> key = ReadKey(files);
  EXPECT_THAT(key, Fails(Code::kFailedPrecondition, "KEY_DAMAGED"));
  EXPECT_THAT(Message(key.status()), HasSubstr("for another key"));
}

TEST(ReadKey, RefusesAChainThatIsNone) {
  Store::Files files = Sound();
  files.metadata.certificate_chain_pem = "no PEM";
  const Result<Key> key = ReadKey(files);
  EXPECT_THAT(key, Fails(Code::kFailedPrecondition, "KEY_DAMAGED"));
  EXPECT_THAT(Message(key.status()), HasSubstr("certificate_chain"));
}

TEST(ReadKey, RefusesAPointThatIsNotOnTheCurve) {
  Store::Files files = Sound();
  files.current = MakeWrappedKey(std::string(128, '1'));
  EXPECT_THAT(ReadKey(files), Fails(Code::kFailedPrecondition, "KEY_DAMAGED"));
}

}  // namespace
}  // namespace seaworthy::keys
