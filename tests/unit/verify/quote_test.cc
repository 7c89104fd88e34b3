#include <gmock/gmock.h>
#include <openssl/err.h>

#include "unit/verify/captures.h"
#include "unit/verify/forger.h"
#include "unit/verify/verdict_matchers.h"

namespace seaworthy::verify {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

Verdict Judge(const Capture& capture) {
  return VerifyQuote(capture.evidence, capture.nonce, capture.ak);
}

const Finding& Failure(const Verdict& verdict) {
  static const Finding none;
  for (const Finding& finding : verdict.findings) {
    if (finding.severity == Severity::kFailure) return finding;
  }
  return none;
}

void ExpectHolds(const Verdict& verdict) {
  EXPECT_THAT(verdict, Trusted());
  EXPECT_THAT(Codes(verdict, Severity::kInfo),
              ElementsAre("AK_KNOWN", "AK_SUITABLE", "SIGNATURE_VALID", "TPM_GENERATED",
                          "NONCE_MATCHES", "PCRS_MATCH"));
}

class GuestQuote : public ::testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(Captures, GuestQuote, ::testing::ValuesIn(GuestFolders()), TestName);

TEST_P(GuestQuote, IsTrusted) { ExpectHolds(Judge(ReadQuote(GetParam()))); }

TEST_P(GuestQuote, EarlierOneIsTrusted) { ExpectHolds(Judge(ReadQuote(GetParam(), "q0"))); }

TEST_P(GuestQuote, WithPcrsOfAnotherGuestIsNot) {
  Capture capture = ReadQuote(GetParam());
  const std::string other = GetParam() == "ovmf-direct" ? "seabios-direct" : "ovmf-direct";
  capture.evidence.pcrs = ReadQuote(other).evidence.pcrs;
  EXPECT_THAT(Judge(capture), Untrusted("PCR_DIGEST_MISMATCH"));
}

class SwtpmQuote : public ::testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(Captures, SwtpmQuote, ::testing::ValuesIn(SwtpmFolders()), TestName);

TEST_P(SwtpmQuote, IsTrusted) { ExpectHolds(Judge(ReadQuote(GetParam()))); }

TEST_P(SwtpmQuote, IsUntrustedWithAnyByteOfTheStatementFlipped) {
  const Capture capture = ReadQuote(GetParam());
  for (std::size_t i = 0; i < capture.evidence.quoted.size(); ++i) {
    for (const std::uint8_t bit : {std::uint8_t{0x01}, std::uint8_t{0x80}}) {
      Capture flipped = capture;
      flipped.evidence.quoted[i] ^= bit;
      EXPECT_THAT(Judge(flipped), Untrusted("SIGNATURE_INVALID")) << "byte " << i;
    }
  }
}

TEST_P(SwtpmQuote, IsUntrustedWithAnyByteOfTheSignatureFlipped) {
  const Capture capture = ReadQuote(GetParam());
  for (std::size_t i = 0; i < capture.evidence.signature.size(); ++i) {
    for (const std::uint8_t bit : {std::uint8_t{0x01}, std::uint8_t{0x80}}) {
      Capture flipped = capture;
      flipped.evidence.signature[i] ^= bit;
      EXPECT_THAT(Judge(flipped), UntrustedForAReason()) << "byte " << i;
    }
  }
}

TEST_P(SwtpmQuote, IsUntrustedWithAnyByteOfTheKeyFlipped) {
  const Capture capture = ReadQuote(GetParam());
  for (std::size_t i = 0; i < capture.evidence.ak_public.size(); ++i) {
    Capture flipped = capture;
    flipped.evidence.ak_public[i] ^= 0x01;
    EXPECT_THAT(Judge(flipped), UntrustedForAReason()) << "byte " << i;
  }
}

TEST_P(SwtpmQuote, IsUntrustedWithAnyPcrFlipped) {
  const Capture capture = ReadQuote(GetParam());
  for (std::size_t i = 0; i < capture.evidence.pcrs.size(); ++i) {
    Capture flipped = capture;
    flipped.evidence.pcrs[i].digest.back() ^= 0x01;
    EXPECT_THAT(Judge(flipped), Untrusted("PCR_DIGEST_MISMATCH")) << "value " << i;
  }
}

TEST_P(SwtpmQuote, IsUntrustedWhenCutShortAnywhereOrLonger) {
  const Capture capture = ReadQuote(GetParam());
  for (const auto part : {&Evidence::ak_public, &Evidence::quoted, &Evidence::signature}) {
    const std::size_t whole = (capture.evidence.*part).size();
    for (std::size_t size = 0; size <= whole + 2; ++size) {
      if (size == whole) continue;
      Capture cut = capture;
      (cut.evidence.*part).resize(size);
      EXPECT_THAT(Judge(cut), UntrustedForAReason()) << size << " bytes of " << whole;
    }
  }
}

TEST(VerifyQuote, ClockAndFirmwareAreTold) {
  const Verdict verdict = Judge(ReadQuote("seabios-direct"));
  EXPECT_EQ(verdict.clock.clock_ms, 0x2f13u);
  EXPECT_EQ(verdict.clock.reset_count, 2u);
  EXPECT_EQ(verdict.clock.restart_count, 0u);
  EXPECT_TRUE(verdict.clock.safe);
  EXPECT_EQ(verdict.clock.firmware_version, 0x2019102300163636u);
}

TEST(VerifyQuote, PcrValuesInAnotherOrderAreTheSame) {
  Capture capture = ReadQuote("swtpm-ecdsa-p384");
  std::ranges::reverse(capture.evidence.pcrs);
  EXPECT_THAT(Judge(capture), Trusted());
}

TEST(VerifyQuote, EmptyEvidenceIsMalformed) {
  EXPECT_THAT(VerifyQuote({}, Bytes(16), {}), Untrusted("MALFORMED"));
}

TEST(VerifyQuote, WhatIsLongerThanAnyStructureIsNotRead) {
  for (const auto part : {&Evidence::ak_public, &Evidence::signature}) {
    Capture capture = ReadQuote("swtpm-ecdsa-p256");
    (capture.evidence.*part).resize(1 << 20);
    const Verdict verdict = Judge(capture);
    EXPECT_THAT(verdict, Untrusted("MALFORMED"));
    EXPECT_THAT(Failure(verdict).sentence, HasSubstr("too long: 1048576 bytes"));
  }
}

TEST(VerifyQuote, AnotherKeyIsUnknown) {
  Capture capture = ReadQuote("swtpm-ecdsa-p256");
  const Bytes found = capture.ak.name;
  capture.ak = ReadQuote("swtpm-rsassa-2048").ak;
  const Verdict verdict = Judge(capture);
  EXPECT_THAT(verdict, Untrusted("AK_UNKNOWN"));
  EXPECT_EQ(Failure(verdict).expected, Hex(capture.ak.name));
  EXPECT_EQ(Failure(verdict).found, Hex(found));
}

TEST(VerifyQuote, NothingEnrolledIsUnknown) {
  Capture capture = ReadQuote("swtpm-ecdsa-p256");
  capture.ak.name.clear();
  EXPECT_THAT(Judge(capture), Untrusted("AK_UNKNOWN"));
}

TEST(VerifyQuote, NonceAndPcrsAreBothTold) {
  Capture capture = ReadQuote("swtpm-ecdsa-p256");
  capture.nonce[0] ^= 1;
  capture.evidence.pcrs[0].digest[0] ^= 1;
  const Verdict verdict = Judge(capture);
  EXPECT_THAT(verdict, Untrusted("NONCE_MISMATCH", "PCR_DIGEST_MISMATCH"));
  EXPECT_EQ(Failure(verdict).expected, Hex(capture.nonce));
}

TEST(VerifyQuote, NonceThatBeginsAlikeIsAnother) {
  Capture capture = ReadQuote("swtpm-ecdsa-p256");
  capture.nonce.pop_back();
  EXPECT_THAT(Judge(capture), Untrusted("NONCE_MISMATCH"));
}

TEST(VerifyQuote, NoNonceProvesNoFreshness) {
  Forger forger;
  forger.nonce.clear();
  forger.attest.extraData.size = 0;
  EXPECT_THAT(forger.VerifyForged(), Untrusted("NONCE_MISSING"));
}

TEST(VerifyQuote, MissingPcrIsNamed) {
  Capture capture = ReadQuote("swtpm-ecdsa-p384");
  ASSERT_EQ(capture.evidence.pcrs[4].index, 7u);
  capture.evidence.pcrs.erase(capture.evidence.pcrs.begin() + 4);
  const Verdict verdict = Judge(capture);
  EXPECT_THAT(verdict, Untrusted("PCR_MISSING"));
  EXPECT_THAT(Failure(verdict).sentence, HasSubstr(": sha256:7."));
}

TEST(VerifyQuote, PcrThatIsNotQuotedIsNamed) {
  Capture capture = ReadQuote("swtpm-ecdsa-p384");
  capture.evidence.pcrs.push_back({TPM2_ALG_SHA256, 11, Bytes(32)});
  const Verdict verdict = Judge(capture);
  EXPECT_THAT(verdict, Untrusted("PCR_NOT_QUOTED"));
  EXPECT_EQ(Failure(verdict).found, "sha256:11");
}

TEST(VerifyQuote, PcrOfAnotherBankIsNoSubstitute) {
  Forger forger;
  forger.pcrs[0].bank = TPM2_ALG_SHA1;
  forger.pcrs[0].digest.resize(20);
  EXPECT_THAT(forger.VerifyForged(), Untrusted("PCR_NOT_QUOTED", "PCR_MISSING"));
}

TEST(VerifyQuote, PcrGivenTwiceIsMalformed) {
  Capture capture = ReadQuote("swtpm-ecdsa-p256");
  capture.evidence.pcrs.push_back(capture.evidence.pcrs[3]);
  const Verdict verdict = Judge(capture);
  EXPECT_THAT(verdict, Untrusted("MALFORMED"));
  EXPECT_THAT(Failure(verdict).sentence, HasSubstr("PCR 3 of bank sha256 comes twice"));
}

// Without a check of lengths, bytes could move from one PCR to the next under the same digest.
TEST(VerifyQuote, PcrOfWrongLengthIsMalformed) {
  Capture capture = ReadQuote("swtpm-ecdsa-p256");
  Bytes& first = capture.evidence.pcrs[0].digest;
  Bytes& second = capture.evidence.pcrs[1].digest;
  second.insert(second.begin(), first.back());
  first.pop_back();
  const Verdict verdict = Judge(capture);
  EXPECT_THAT(verdict, Untrusted("MALFORMED"));
  EXPECT_THAT(Failure(verdict).sentence, HasSubstr("31 bytes instead of 32"));
}

TEST(VerifyQuote, PcrOfUnknownBankIsMalformed) {
  Capture capture = ReadQuote("swtpm-ecdsa-p256");
  capture.evidence.pcrs[0].bank = TPM2_ALG_SM3_256;
  const Verdict verdict = Judge(capture);
  EXPECT_THAT(verdict, Untrusted("MALFORMED"));
  EXPECT_THAT(Failure(verdict).sentence, HasSubstr("bank 0x0012"));
  capture.evidence.pcrs[0].digest.clear();
  EXPECT_THAT(Failure(Judge(capture)).sentence, HasSubstr("of a bank that is not known"));
}

TEST(VerifyQuote, TooManyPcrsAreMalformed) {
  Capture capture = ReadQuote("swtpm-ecdsa-p256");
  for (std::uint32_t i = 24; i < 1000; ++i) {
    capture.evidence.pcrs.push_back({TPM2_ALG_SHA256, i, Bytes(32)});
  }
  EXPECT_THAT(Judge(capture), Untrusted("MALFORMED"));
}

// The forger's evidence is sound but for what each test below changes.
TEST(VerifyQuote, SoftwareKeyThatWasEnrolledIsTrusted) { ExpectHolds(Forger().VerifyForged()); }

TEST(VerifyQuote, EmptySelectionProvesNothing) {
  Forger forger;
  forger.pcrs.clear();
  forger.SetPcrDigest({});
  forger.attest.attested.quote.pcrSelect.pcrSelections[0].pcrSelect[0] = 0;
  EXPECT_THAT(forger.VerifyForged(), Untrusted("NO_PCRS"));
  forger.attest.attested.quote.pcrSelect.count = 0;
  EXPECT_THAT(forger.VerifyForged(), Untrusted("NO_PCRS"));
}

TEST(VerifyQuote, StatementThatNoTpmMadeIsSeen) {
  Forger forger;
  forger.attest.magic = 0x12345678;
  const Verdict verdict = forger.VerifyForged();
  EXPECT_THAT(verdict, Untrusted("NOT_TPM_GENERATED"));
  EXPECT_EQ(Failure(verdict).expected, "0xff544347");
  EXPECT_EQ(Failure(verdict).found, "0x12345678");
}

TEST(VerifyQuote, CertificationIsNoQuote) {
  Forger forger;
  forger.Certify(forger.area);
  EXPECT_THAT(forger.VerifyForged(), Untrusted("WRONG_TYPE"));
}

TEST(VerifyQuote, SignedStatementThatIsCutShortIsMalformed) {
  const Forger forger;
  Evidence evidence = forger.Quote();
  for (std::size_t size = 0; size < forger.Attested().size(); ++size) {
    evidence.quoted.resize(forger.Attested().size());
    evidence.quoted = forger.Attested();
    evidence.quoted.resize(size);
    evidence.signature = forger.Sign(evidence.quoted);
    EXPECT_THAT(VerifyQuote(evidence, forger.nonce, forger.Ak()), Untrusted("MALFORMED")) << size;
  }
  evidence.quoted = forger.Attested();
  evidence.quoted.push_back(0);
  evidence.signature = forger.Sign(evidence.quoted);
  EXPECT_THAT(VerifyQuote(evidence, forger.nonce, forger.Ak()), Untrusted("MALFORMED"));
}

TEST(VerifyQuote, KeyWithoutAnyOneAttributeIsUnsuitable) {
  for (const TPMA_OBJECT attribute :
       {TPMA_OBJECT_FIXEDTPM, TPMA_OBJECT_FIXEDPARENT, TPMA_OBJECT_SENSITIVEDATAORIGIN,
        TPMA_OBJECT_RESTRICTED, TPMA_OBJECT_SIGN_ENCRYPT}) {
    Forger forger;
    forger.area = EccArea(forger.key.get(), kAkAttributes & ~attribute);
    EXPECT_THAT(forger.VerifyForged(), Untrusted("AK_UNSUITABLE")) << attribute;
  }
}

TEST(VerifyQuote, KeyBoundToSha1IsUnsuitable) {
  Forger forger;
  forger.area.parameters.eccDetail.scheme.details.ecdsa.hashAlg = TPM2_ALG_SHA1;
  forger.signature_hash = TPM2_ALG_SHA1;
  EXPECT_THAT(forger.VerifyForged(), Untrusted("AK_UNSUITABLE", "SIGNATURE_INVALID"));
}

TEST(VerifyQuote, KeyNamedWithSha1IsUnsuitable) {
  Forger forger;
  forger.area.nameAlg = TPM2_ALG_SHA1;
  EXPECT_THAT(forger.VerifyForged(), Untrusted("AK_UNSUITABLE"));
}

TEST(VerifyQuote, KeyWithoutSchemeIsUnsuitable) {
  Forger forger;
  forger.area.parameters.eccDetail.scheme.scheme = TPM2_ALG_NULL;
  EXPECT_THAT(forger.VerifyForged(), Untrusted("AK_UNSUITABLE", "SIGNATURE_INVALID"));
}

TEST(VerifyQuote, SignatureInAnotherHashThanTheKeysIsRefused) {
  Forger forger;
  forger.signature_hash = TPM2_ALG_SHA384;
  EXPECT_THAT(forger.VerifyForged(), Untrusted("SIGNATURE_INVALID"));
}

TEST(VerifyQuote, SignatureOfAnotherKindOfKeyIsRefused) {
  Capture capture = ReadQuote("swtpm-ecdsa-p256");
  capture.evidence.signature = ReadQuote("swtpm-rsassa-2048").evidence.signature;
  EXPECT_THAT(Judge(capture), Untrusted("SIGNATURE_INVALID"));
}

TEST(VerifyQuote, SchemeOfAnotherKindOfKeyIsRefused) {
  Forger forger;
  forger.area.parameters.eccDetail.scheme.scheme = TPM2_ALG_RSASSA;
  Evidence evidence = forger.Quote();
  Forger rsa;
  rsa.UseKey(SoftwareKey(EVP_RSA_gen(2048)));
  evidence.signature = rsa.Sign(evidence.quoted);
  const Verdict verdict = VerifyQuote(evidence, forger.nonce, forger.Ak());
  EXPECT_THAT(verdict, Untrusted("SIGNATURE_INVALID"));
  EXPECT_THAT(Failure(verdict).sentence, HasSubstr("not one for a key of this type"));
}

TEST(VerifyQuote, SignatureByAnotherKeyIsRefused) {
  const Forger forger;
  Evidence evidence = forger.Quote();
  evidence.signature = Forger().Sign(evidence.quoted);
  EXPECT_THAT(VerifyQuote(evidence, forger.nonce, forger.Ak()), Untrusted("SIGNATURE_INVALID"));
}

TEST(VerifyQuote, ZeroSignatureIsRefused) {
  const Forger forger;
  Evidence evidence = forger.Quote();
  std::fill(evidence.signature.begin() + 6, evidence.signature.begin() + 6 + 32, 0);
  std::fill(evidence.signature.end() - 32, evidence.signature.end(), 0);
  EXPECT_THAT(VerifyQuote(evidence, forger.nonce, forger.Ak()), Untrusted("SIGNATURE_INVALID"));
}

TEST(VerifyQuote, ShortRsaKeyIsUnsuitable) {
  Forger forger;
  forger.UseKey(SoftwareKey(EVP_RSA_gen(1024)));
  EXPECT_THAT(forger.VerifyForged(), Untrusted("AK_UNSUITABLE"));
  forger.UseKey(SoftwareKey(EVP_RSA_gen(2048)));
  EXPECT_THAT(forger.VerifyForged(), Trusted());
}

TEST(VerifyQuote, RsaKeyThatLiesAboutItsSizeIsUnsuitable) {
  Forger forger;
  forger.UseKey(SoftwareKey(EVP_RSA_gen(1024)));
  forger.area.parameters.rsaDetail.keyBits = 2048;
  EXPECT_THAT(forger.VerifyForged(), Untrusted("AK_UNSUITABLE"));
}

TEST(VerifyQuote, RsaExponentOneIsUnsuitable) {
  Forger forger;
  forger.UseKey(SoftwareKey(EVP_RSA_gen(2048)));
  for (const UINT32 exponent : {1u, 3u, 65538u}) {
    forger.area.parameters.rsaDetail.exponent = exponent;
    EXPECT_THAT(forger.VerifyForged(), Untrusted("AK_UNSUITABLE")) << exponent;
  }
}

TEST(VerifyQuote, PointThatIsNotOnTheCurveIsUnsuitable) {
  Forger forger;
  forger.area.unique.ecc.y.buffer[31] ^= 1;
  EXPECT_THAT(forger.VerifyForged(), Untrusted("AK_UNSUITABLE"));
  forger.area.unique.ecc.x = forger.area.unique.ecc.y = {};
  EXPECT_THAT(forger.VerifyForged(), Untrusted("AK_UNSUITABLE"));
}

TEST(VerifyQuote, CurveThatIsNotAcceptedIsUnsuitable) {
  Forger forger;
  forger.area.parameters.eccDetail.curveID = TPM2_ECC_BN_P256;
  EXPECT_THAT(forger.VerifyForged(), Untrusted("AK_UNSUITABLE"));
}

// A TPM may leave off the leading zeros of a coordinate.
TEST(VerifyQuote, ShortCoordinateIsPadded) {
  Forger forger;
  do {
    forger.UseKey(SoftwareKey(EVP_EC_gen("P-256")));
  } while (forger.area.unique.ecc.x.buffer[0] != 0);
  TPM2B_ECC_PARAMETER& x = forger.area.unique.ecc.x;
  std::copy(x.buffer + 1, x.buffer + 32, x.buffer);
  x.size = 31;
  EXPECT_THAT(forger.VerifyForged(), Trusted());
}

TEST(VerifyQuote, LeavesNoErrorInOpensslsQueue) {
  ERR_clear_error();
  Forger forger;
  forger.area.unique.ecc.y.buffer[31] ^= 1;
  forger.VerifyForged();
  Capture capture = ReadQuote("swtpm-rsassa-2048");
  capture.evidence.signature.back() ^= 1;
  Judge(capture);
  EXPECT_EQ(ERR_peek_error(), 0u);
}

TEST(NameOf, IsTheTpms) {
  for (const auto& folders : {GuestFolders(), SwtpmFolders()}) {
    for (const std::string& folder : folders) {
      EXPECT_EQ(NameOf(ReadCapture(folder, "ak.pub.tpmt")).value(), ReadCapture(folder, "ak.name"));
    }
  }
}

}  // namespace
}  // namespace seaworthy::verify
