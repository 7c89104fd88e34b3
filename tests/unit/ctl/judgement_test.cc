#include "ctl/judgement.h"

#include <gmock/gmock.h>

#include <cstdio>
#include <string>

#include "ctl/arguments.h"
#include "support/program.h"
#include "support/status_matchers.h"

namespace seaworthy::ctl {
namespace {

using testing::Fails;
using testing::IsOk;

// What a command of the openssl program prints.
std::string Openssl(const std::string& arguments) {
  const testing::ProgramOutput output = testing::OutputOf("openssl " + arguments + " 2>/dev/null");
  EXPECT_EQ(output.status, 0) << arguments;
  return output.text;
}

std::string NewCsr() {
  return Openssl(
      "req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout /dev/null -subj /CN=x");
}

TEST(EnrolledKey, IsReadFromTheNameLine) {
  const std::string pem = "-----BEGIN PUBLIC KEY-----\nAA==\n-----END PUBLIC KEY-----\n";
  Result<verify::EnrolledKey> key = ParseEnrolledKey("TPM name: 000bff\n" + pem);
  ASSERT_THAT(key, IsOk());
  EXPECT_EQ(Hex(key->name), "000bff");
  key = ParseEnrolledKey("TPM name: 000bff\r\n");
  ASSERT_THAT(key, IsOk());
  EXPECT_EQ(Hex(key->name), "000bff");
  EXPECT_THAT(ParseEnrolledKey(pem), Fails(Code::kInvalidArgument, "USAGE"));
  EXPECT_THAT(ParseEnrolledKey(""), Fails(Code::kInvalidArgument, "USAGE"));
  EXPECT_THAT(ParseEnrolledKey("TPM name: 0x0b"), Fails(Code::kInvalidArgument, "INVALID_HEX"));
}

TEST(ExpectPcrs, TakesTrustAwayWhenAValueIsAnother) {
  verify::Evidence evidence;
  evidence.pcrs = {{0x000b, 16, Bytes(32, 0xaa)}};
  verify::Verdict trusted;
  trusted.trusted = true;
  const auto same = *ParsePcrValue("sha256:16=" + std::string(64, 'a'));
  const auto other = *ParsePcrValue("sha256:16=" + std::string(64, 'b'));
  const auto absent = *ParsePcrValue("sha384:16=" + std::string(96, 'a'));

  EXPECT_TRUE(ExpectPcrs(trusted, evidence, {}).trusted);
  verify::Verdict verdict = ExpectPcrs(trusted, evidence, {same});
  EXPECT_TRUE(verdict.trusted);
  EXPECT_EQ(verdict.findings.at(0).code, "PCR_AS_EXPECTED");

  verdict = ExpectPcrs(trusted, evidence, {same, other, absent});
  EXPECT_FALSE(verdict.trusted);
  EXPECT_EQ(verdict.findings.at(1).code, "PCR_UNEXPECTED");
  EXPECT_EQ(verdict.findings.at(1).expected, std::string(64, 'b'));
  EXPECT_EQ(verdict.findings.at(1).found, std::string(64, 'a'));
  EXPECT_EQ(verdict.findings.at(2).code, "PCR_MISSING");
}

TEST(ExpectPcrs, GivesNoTrustBack) {
  verify::Evidence evidence;
  evidence.pcrs = {{0x000b, 16, Bytes(32, 0xaa)}};
  const auto same = *ParsePcrValue("sha256:16=" + std::string(64, 'a'));
  const verify::Verdict verdict = ExpectPcrs(Distrust("MALFORMED", "x"), evidence, {same});
  EXPECT_FALSE(verdict.trusted);
  // Nor does it call a value good that nothing vouches for.
  EXPECT_EQ(verdict.findings.size(), 1U);
}

TEST(ExpectKeys, TakesTrustAwayWhenAKeyIsNotProven) {
  const Bytes proven = *PublicKeyOfCsr(NewCsr());
  const Bytes other = *PublicKeyOfCsr(NewCsr());
  verify::Verdict trusted;
  trusted.trusted = true;
  trusted.keys = {{{0, 11}, proven}};
  EXPECT_EQ(ExpectKeys(trusted, {}).findings.size(), 0U);
  verify::Verdict verdict = ExpectKeys(trusted, {{"a.csr", proven}});
  EXPECT_TRUE(verdict.trusted);
  EXPECT_EQ(verdict.findings.at(0).code, "KEY_MATCHES");
  verdict = ExpectKeys(trusted, {{"b.csr", other}, {"a.csr", proven}});
  EXPECT_FALSE(verdict.trusted);
  EXPECT_TRUE(verdict.keys.empty());
  EXPECT_EQ(verdict.findings.at(0).code, "KEY_NOT_CERTIFIED");
  EXPECT_THAT(verdict.findings.at(0).sentence, ::testing::HasSubstr("b.csr"));
  EXPECT_EQ(verdict.findings.at(1).code, "KEY_MATCHES");
  // What nothing vouches for is neither.
  EXPECT_EQ(ExpectKeys(Distrust("MALFORMED", "x"), {{"a.csr", proven}}).findings.size(), 1U);
}

TEST(PublicKeyOfCsr, TakesOnlyARequestThatItsKeySigned) {
  std::string csr = NewCsr();
  ASSERT_THAT(PublicKeyOfCsr(csr), IsOk());
  // Another signature of the same shape: the last bytes of the DER are the end of s.
  const std::size_t end = csr.find("\n-----END");
  const std::size_t place = csr.find_last_not_of("=\n", end) - 3;
  csr[place] = csr[place] == 'A' ? 'B' : 'A';
  EXPECT_THAT(PublicKeyOfCsr(csr), Fails(Code::kPermissionDenied, "CSR_SIGNATURE_INVALID"));
  EXPECT_THAT(PublicKeyOfCsr("nothing"), Fails(Code::kInvalidArgument, "MALFORMED"));
}

TEST(PublicKeyOf, IsTheSameDerAsOpensslWrites) {
  const std::string pem =
      Openssl("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 | openssl pkey -pubout");
  Result<Bytes> der = PublicKeyOf(pem);
  ASSERT_THAT(der, IsOk());
  // P-256's SubjectPublicKeyInfo: 26 bytes before the point, 65 bytes of it.
  EXPECT_EQ(der->size(), 91U);
  EXPECT_THAT(PublicKeyOf("nothing"), Fails(Code::kInvalidArgument, "MALFORMED"));
}

}  // namespace
}  // namespace seaworthy::ctl
