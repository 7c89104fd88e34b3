#include "seaworthy/modules/volumes/envelope.h"

#include <openssl/rand.h>

#include <algorithm>
#include <ctime>

#include "component/modules/volumes/luks_fixture.h"
#include "seaworthy/modules/volumes/recovery_key.h"
#include "support/own_memory.h"
#include "support/software_ca.h"

namespace seaworthy::volumes {
namespace {

using seaworthy::testing::ContentOf;
using seaworthy::testing::CopiesInMemory;
using seaworthy::testing::Fails;
using seaworthy::testing::IsOk;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr char kRsa[] = "rsa:2048";
constexpr char kEc[] = "ec -pkeyopt ec_paramgen_curve:P-256";

// Of others' making: certificates by openssl's command line, which also opens what comes out.
class EnvelopeTest : public testing::LuksTest {
 protected:
  // `name`.key and `name`.pem; the text of the latter.
  std::string MakeCertificate(const std::string& name, const std::string& key,
                              const std::string& options = "") const {
    const Output output =
        RunProgram("openssl req -x509 -nodes -newkey " + key + " -keyout " + files_ / name +
                   ".key -out " + files_ / name + ".pem -subj /CN=" + name + " " + options);
    EXPECT_EQ(output.status, 0) << output.text;
    return Text(name + ".pem");
  }

  std::string Text(const std::string& name) const {
    return std::string(AsText(ContentOf(files_ / name)));
  }

  // What the holder of the key reads.
  Result<Bytes> Decrypt(const std::string& envelope, const std::string& name) const {
    std::ofstream(files_ / "envelope", std::ios::binary) << envelope;
    const Output output = RunProgram("openssl cms -decrypt -inform PEM -in " + files_ / "envelope" +
                                     " -recip " + files_ / name + ".pem -inkey " + files_ / name +
                                     ".key -out " + files_ / "opened");
    if (output.status != 0) return Fail(Code::kPermissionDenied, "NOT_OPENED", output.text);
    return ContentOf(files_ / "opened");
  }

  std::string Structure(const std::string& envelope) const {
    std::ofstream(files_ / "envelope", std::ios::binary) << envelope;
    return RunProgram("openssl cms -cmsout -print -inform PEM -in " + files_ / "envelope").text;
  }
};

// With line ends that a mail program would change, and of a size that is no multiple of anything.
Bytes SomeContent(std::size_t size) {
  Bytes content(size);
  for (std::size_t i = 0; i < size; ++i) {
    content[i] = static_cast<std::uint8_t>(i % 257 == 0 ? '\n' : i * 7 + i / 256);
  }
  return content;
}

// M-97.
TEST_F(EnvelopeTest, OpensslOpensItWithTheKeyOfEachCertificate) {
  const std::string both = MakeCertificate("rsa", kRsa) + MakeCertificate("ec", kEc);
  MakeCertificate("other", kEc);
  for (const std::size_t size : {std::size_t{0}, std::size_t{1}, (std::size_t{3} << 20) + 13}) {
    SCOPED_TRACE(size);
    const Bytes content = SomeContent(size);
    const auto envelope = Envelop(content, both);
    ASSERT_THAT(envelope, IsOk());
    EXPECT_THAT(*envelope, StartsWith("-----BEGIN CMS-----\n"));
    for (const char* name : {"rsa", "ec"}) {
      const auto opened = Decrypt(*envelope, name);
      ASSERT_THAT(opened, IsOk());
      EXPECT_TRUE(*opened == content);
    }
    EXPECT_THAT(Decrypt(*envelope, "other"), Fails(Code::kPermissionDenied, "NOT_OPENED"));
  }
}

TEST_F(EnvelopeTest, NoOldAlgorithmIsInIt) {
  const auto envelope =
      Envelop(SomeContent(100), MakeCertificate("rsa", kRsa) + MakeCertificate("ec", kEc));
  ASSERT_THAT(envelope, IsOk());
  const std::string structure = Structure(*envelope);
  EXPECT_THAT(structure, HasSubstr("aes-256-gcm"));
  EXPECT_THAT(structure, HasSubstr("rsaesOaep"));
  EXPECT_THAT(structure, HasSubstr("dhSinglePass-stdDH-sha256kdf-scheme"));
  EXPECT_THAT(structure, ::testing::Not(HasSubstr("sha1")));
}

// M-97.
TEST_F(EnvelopeTest, OneThatWasChangedDoesNotOpen) {
  const auto envelope = Envelop(SomeContent(4096), MakeCertificate("ec", kEc));
  ASSERT_THAT(envelope, IsOk());
  std::string changed = *envelope;
  char& letter = changed[changed.size() / 2];
  letter = letter == 'A' ? 'B' : 'A';
  EXPECT_THAT(Decrypt(changed, "ec"), Fails(Code::kPermissionDenied, "NOT_OPENED"));
  EXPECT_THAT(Decrypt(*envelope, "ec"), IsOk());
}

TEST_F(EnvelopeTest, CertificatesThatAreNotForItAreRefused) {
  const std::string good = MakeCertificate("good", kRsa);
  const std::string encipher = "-addext keyUsage=keyEncipherment";
  EXPECT_THAT(Envelop({}, MakeCertificate("rsa", kRsa, encipher)), IsOk());
  EXPECT_THAT(Envelop({}, MakeCertificate("ec", kEc, "-addext keyUsage=keyAgreement")), IsOk());

  testing::CertificateOptions expired;
  expired.not_before = std::time(nullptr) - 7200;
  expired.not_after = std::time(nullptr) - 3600;
  const auto key = testing::NewEcKey();
  const std::string sign = "-addext keyUsage=digitalSignature";
  const struct {
    std::string pem;
    std::string why;
  } cases[] = {
      {"", "no certificate"},
      {"none", "no certificate"},
      {good.substr(0, good.size() / 2), "certificate 1 cannot be read"},
      {good + "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
       "certificate 2 cannot be read"},
      {good + Text("good.key"), "private key"},
      {std::string(65 * 1024, 'a'), "64 KiB"},
      {testing::ToPem(testing::Issue(key.get(), nullptr, nullptr, expired).get()), "expired"},
      {good + MakeCertificate("signs", kRsa, sign), "certificate 2 has a key usage"},
      {MakeCertificate("agrees", kEc, sign), "without keyAgreement"},
      {MakeCertificate("enciphers", kEc, encipher), "without keyAgreement"},
      {MakeCertificate("short", "rsa:1024"), "1024 bits"},
      {MakeCertificate("p224", "ec -pkeyopt ec_paramgen_curve:secp224r1"), "224 bits"},
      {MakeCertificate("ed", "ed25519"), "neither RSA nor EC"},
  };
  for (const auto& one : cases) {
    const auto envelope = Envelop(SomeContent(10), one.pem);
    EXPECT_THAT(envelope, Fails(Code::kInvalidArgument, "CERTIFICATE_INVALID"));
    EXPECT_THAT(Message(envelope.status()), HasSubstr(one.why));
  }
  std::string many;
  for (std::size_t i = 0; i <= kMaxEnvelopeCertificates; ++i) many += good;
  EXPECT_THAT(Envelop({}, many), Fails(Code::kInvalidArgument, "CERTIFICATE_INVALID"));
}

// M-83: OpenSSL passes what it encrypts through buffers of its own.
TEST_F(EnvelopeTest, NoCopyOfTheContentStaysInMemory) {
  const std::string certificate = MakeCertificate("ec", kEc);
  constexpr std::size_t kTimes = 256;
  Bytes inverted;
  {
    // Again and again: what is left of a buffer may be any part of it.
    SecretBytes secret(kTimes * 32);
    ASSERT_EQ(RAND_bytes(secret.data(), 32), 1);
    for (std::size_t i = 32; i < secret.size(); ++i) secret.data()[i] = secret.data()[i - 32];
    for (const std::uint8_t byte : secret.view().first(32)) inverted.push_back(byte ^ 0xffU);
    ASSERT_EQ(CopiesInMemory(inverted), kTimes);
    ASSERT_THAT(Envelop(secret.view(), certificate), IsOk());
    EXPECT_EQ(CopiesInMemory(inverted), kTimes);
  }
  EXPECT_EQ(CopiesInMemory(inverted), 0U);
}

TEST_F(EnvelopeTest, ARecoveryKeyComesOutAsItOpensTheVolume) {
  const std::string certificate = MakeCertificate("rsa", kRsa);
  SecretBytes random(kRecoveryKeyBytes);
  ASSERT_EQ(RAND_bytes(random.data(), static_cast<int>(random.size())), 1);
  const auto key = MakeRecoveryKey(random);
  ASSERT_THAT(key, IsOk());
  std::string typed(AsText(key->view()));
  std::ranges::replace(typed, '-', ' ');
  const auto wrapped = WrapRecoveryKey(testing::Secret(typed), certificate);
  ASSERT_THAT(wrapped, IsOk());
  const auto opened = Decrypt(*wrapped, "rsa");
  ASSERT_THAT(opened, IsOk());
  EXPECT_EQ(AsText(*opened), AsText(key->view()));
  EXPECT_THAT(ParseRecoveryKey(SecretBytes::Copy(*opened)), IsOk());
  EXPECT_THAT(WrapRecoveryKey(testing::Secret("no key"), certificate),
              Fails(Code::kInvalidArgument, "RECOVERY_KEY_MALFORMED"));
}

}  // namespace
}  // namespace seaworthy::volumes
