#include <gmock/gmock.h>
#include <openssl/err.h>

#include <chrono>

#include "unit/verify/captures.h"
#include "unit/verify/ek_maker.h"
#include "unit/verify/verdict_matchers.h"

namespace seaworthy::verify {
namespace {

using std::chrono::hours;
using std::chrono::system_clock;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

Verdict ToVerdict(const EndorsementVerdict& verdict) {
  return {verdict.trusted, verdict.findings, {}};
}

Verdict Judge(const Endorsement& offer, const VendorCertificates& vendors,
              system_clock::time_point time = system_clock::now()) {
  return ToVerdict(VerifyEndorsement(offer, vendors, time));
}

Verdict Judge(const EkMaker& maker) { return Judge(maker.Offer(), {maker.root.der()}); }

VendorCertificates CapturedVendors() {
  VendorCertificates vendors;
  for (const std::string file : {"root.pem", "issuer.pem"}) {
    const std::vector<Bytes> read = ParseCertificates(ReadCapture("tpm-vendor", file)).value();
    vendors.insert(vendors.end(), read.begin(), read.end());
  }
  return vendors;
}

Endorsement Captured(const std::string& folder) {
  return {{{ReadCapture(folder, "ek.pub.tpmt"), ReadCapture(folder, "ek.cert.der")}},
          {},
          ReadCapture(folder, "ak.pub.tpmt")};
}

// The captured certificates are valid from 2026-11-22 on.
const system_clock::time_point kThen = system_clock::from_time_t(1'795'737'600);  // 2026-11-27

TEST(CapturedEndorsement, IsTrustedAndTellsItsTpm) {
  for (const std::string folder : {"ovmf-direct", "seabios-direct"}) {
    const EndorsementVerdict verdict =
        VerifyEndorsement(Captured(folder), CapturedVendors(), kThen);
    EXPECT_THAT(ToVerdict(verdict), Trusted());
    EXPECT_THAT(Codes(ToVerdict(verdict), Severity::kInfo),
                ElementsAre("EK_SUITABLE", "EK_CERTIFICATE_MATCHES", "EK_CERTIFICATE_FOR_TPM",
                            "EK_CERTIFICATE_TRUSTED", "AK_SUITABLE"));
    EXPECT_EQ(verdict.tpm.manufacturer, "id:00001014");  // no text
    EXPECT_EQ(verdict.tpm.model, "swtpm");
    EXPECT_EQ(verdict.tpm.firmware, "20191023");
    EXPECT_EQ(verdict.ak.name, ReadCapture(folder, "ak.name"));
  }
}

TEST(CapturedEndorsement, WithAnotherGuestsCertificateIsNot) {
  Endorsement offer = Captured("ovmf-direct");
  offer.keys[0].certificate = Captured("seabios-direct").keys[0].certificate;
  EXPECT_THAT(Judge(offer, CapturedVendors(), kThen), Untrusted("EK_CERTIFICATE_OF_ANOTHER_KEY"));
}

TEST(CapturedEndorsement, IsNotYetValidBeforeItsTime) {
  EXPECT_THAT(Judge(Captured("ovmf-direct"), CapturedVendors(), kThen - hours(24 * 365)),
              Untrusted("EK_CERTIFICATE_NOT_YET_VALID"));
}

TEST(CapturedEndorsement, NeedsRootAndIntermediate) {
  const VendorCertificates all = CapturedVendors();
  EXPECT_THAT(Judge(Captured("ovmf-direct"), {all[0]}, kThen), Untrusted("EK_ROOT_UNKNOWN"));
  EXPECT_THAT(Judge(Captured("ovmf-direct"), {all[1]}, kThen), Untrusted("EK_ROOT_UNKNOWN"));
  EXPECT_THAT(Judge(Captured("ovmf-direct"), {}, kThen), Untrusted("EK_ROOT_UNKNOWN"));
  // The TPM may keep the intermediate itself; a root that it brings is worth nothing.
  Endorsement offer = Captured("ovmf-direct");
  offer.chain = {all[1]};
  EXPECT_THAT(Judge(offer, {all[0]}, kThen), Trusted());
  offer.chain = {all[0], all[1]};
  EXPECT_THAT(Judge(offer, {}, kThen), Untrusted("EK_ROOT_UNKNOWN"));
}

TEST(CapturedEndorsement, IsUntrustedWithAnyByteOfTheCertificateFlipped) {
  const VendorCertificates vendors = CapturedVendors();
  const Endorsement whole = Captured("ovmf-direct");
  for (std::size_t i = 0; i < whole.keys[0].certificate.size(); i += 3) {
    Endorsement flipped = whole;
    flipped.keys[0].certificate[i] ^= 0x01;
    EXPECT_THAT(Judge(flipped, vendors, kThen), UntrustedForAReason()) << "byte " << i;
    flipped.keys[0].certificate.resize(i);
    EXPECT_THAT(Judge(flipped, vendors, kThen), UntrustedForAReason()) << "cut at " << i;
  }
  EXPECT_EQ(ERR_peek_error(), 0U);
}

TEST(VerifyEndorsement, TakesPaddingAfterTheCertificateAndNothingElse) {
  for (const std::uint8_t padding : {std::uint8_t{0x00}, std::uint8_t{0xff}}) {
    Endorsement offer = Captured("ovmf-direct");
    offer.keys[0].certificate.resize(1600, padding);
    EXPECT_THAT(Judge(offer, CapturedVendors(), kThen), Trusted());
  }
  Endorsement offer = Captured("ovmf-direct");
  offer.keys[0].certificate.push_back(0x17);
  EXPECT_THAT(Judge(offer, CapturedVendors(), kThen), Untrusted("EK_CERTIFICATE_MALFORMED"));
  offer.keys[0].certificate.assign(20'000, 0x30);
  EXPECT_THAT(Judge(offer, CapturedVendors(), kThen), Untrusted("EK_CERTIFICATE_MALFORMED"));
  offer.keys[0].certificate.clear();
  EXPECT_THAT(Judge(offer, CapturedVendors(), kThen), Untrusted("EK_CERTIFICATE_MISSING"));
}

TEST(VerifyEndorsement, DecodesTheManufacturer) {
  const EkMaker maker;
  const EndorsementVerdict verdict =
      VerifyEndorsement(maker.Offer(), {maker.root.der()}, system_clock::now());
  EXPECT_THAT(ToVerdict(verdict), Trusted());
  EXPECT_EQ(verdict.tpm.manufacturer, "IFX");
  EXPECT_EQ(verdict.tpm.model, "SLB9670");
  EXPECT_EQ(verdict.tpm.firmware, "0D0B");
  EXPECT_THAT(verdict.findings[2].sentence, HasSubstr("manufacturer IFX, model SLB9670"));
}

TEST(VerifyEndorsement, LooksAtTheDates) {
  EkMaker maker;
  maker.not_after = std::time(nullptr) - 30;
  EXPECT_THAT(Judge(maker), Untrusted("EK_CERTIFICATE_EXPIRED"));
  maker.not_before = std::time(nullptr) + 30;
  maker.not_after = std::time(nullptr) + 60;
  EXPECT_THAT(Judge(maker), Untrusted("EK_CERTIFICATE_NOT_YET_VALID"));
}

TEST(VerifyEndorsement, SaysWhoTheUnknownIssuerIs) {
  const EkMaker maker;
  const Ca other("Another Root");
  const Verdict verdict = Judge(maker.Offer(), {other.der()});
  EXPECT_THAT(verdict, Untrusted("EK_ROOT_UNKNOWN"));
  EXPECT_EQ(verdict.findings[3].found, "issuer CN=Vendor Root");
  // Of the same name, and another key.
  EXPECT_THAT(Judge(maker.Offer(), {Ca("Vendor Root").der()}), Untrusted("EK_CERTIFICATE_FORGED"));
}

TEST(VerifyEndorsement, RefusesACriticalExtensionThatItDoesNotKnow) {
  EkMaker maker;
  maker.unknown_extension = 0;
  EXPECT_THAT(Judge(maker), Trusted());
  maker.unknown_extension = 1;
  EXPECT_THAT(Judge(maker), Untrusted("EK_CERTIFICATE_EXTENSION_UNKNOWN"));
}

TEST(VerifyEndorsement, RefusesASignatureWithAWeakHash) {
  EkMaker maker;
  maker.md = EVP_sha1();
  EXPECT_THAT(Judge(maker), Untrusted("EK_CERTIFICATE_WEAK"));
}

// What the same CA issued for another purpose.
TEST(VerifyEndorsement, WantsACertificateForATpm) {
  const auto change = [](auto member, const char* value) {
    EkMaker maker;
    maker.*member = value;
    return Judge(maker);
  };
  EXPECT_THAT(change(&EkMaker::extended_key_usage, "serverAuth"),
              Untrusted("EK_CERTIFICATE_NOT_FOR_TPM"));
  EXPECT_THAT(change(&EkMaker::key_usage, "critical,digitalSignature"),
              Untrusted("EK_CERTIFICATE_NOT_FOR_TPM"));
  EXPECT_THAT(change(&EkMaker::basic_constraints, "critical,CA:TRUE"),
              Untrusted("EK_CERTIFICATE_NOT_FOR_TPM"));
  EXPECT_THAT(change(&EkMaker::key_usage, ""), Trusted());
  EXPECT_THAT(change(&EkMaker::extended_key_usage, ""), Trusted());  // the name of a TPM is there
  EXPECT_THAT(change(&EkMaker::manufacturer, ""), Trusted());
  EkMaker neither;
  neither.extended_key_usage = neither.manufacturer = "";
  EXPECT_THAT(Judge(neither), Untrusted("EK_CERTIFICATE_NOT_FOR_TPM"));
}

TEST(VerifyEndorsement, WantsAnEndorsementKey) {
  for (const TPMA_OBJECT lacking :
       {TPMA_OBJECT_FIXEDTPM, TPMA_OBJECT_FIXEDPARENT, TPMA_OBJECT_SENSITIVEDATAORIGIN,
        TPMA_OBJECT_RESTRICTED, TPMA_OBJECT_DECRYPT}) {
    EkMaker maker;
    maker.area.objectAttributes &= ~lacking;
    EXPECT_THAT(Judge(maker), Untrusted("EK_NOT_AN_EK"));
  }
  EkMaker signs;
  signs.area.objectAttributes |= TPMA_OBJECT_SIGN_ENCRYPT;
  EXPECT_THAT(Judge(signs), Untrusted("EK_NOT_AN_EK"));
  EkMaker weak;
  weak.area.nameAlg = TPM2_ALG_SHA1;
  EXPECT_THAT(Judge(weak), Untrusted("EK_UNSUPPORTED"));
  EkMaker plain;
  plain.area.parameters.eccDetail.symmetric.algorithm = TPM2_ALG_NULL;
  EXPECT_THAT(Judge(plain), Untrusted("EK_UNSUPPORTED"));
  EkMaker mode;  // as a trusted key must be one that a credential can be made for
  mode.area.parameters.eccDetail.symmetric.mode.aes = TPM2_ALG_CBC;
  EXPECT_THAT(Judge(mode), Untrusted("EK_UNSUPPORTED"));
  EXPECT_THAT(Judge({{}, {}, EkMaker().Offer().ak_public}, {}), Untrusted("EK_MISSING"));
}

TEST(VerifyEndorsement, WantsARestrictedAttestationKeyThatStaysInItsTpm) {
  for (const TPMA_OBJECT lacking :
       {TPMA_OBJECT_FIXEDTPM, TPMA_OBJECT_FIXEDPARENT, TPMA_OBJECT_SENSITIVEDATAORIGIN,
        TPMA_OBJECT_RESTRICTED, TPMA_OBJECT_SIGN_ENCRYPT}) {
    EkMaker maker;
    maker.ak.objectAttributes &= ~lacking;
    EXPECT_THAT(Judge(maker), Untrusted("AK_UNSUITABLE"));
  }
  const EkMaker maker;
  Endorsement offer = maker.Offer();
  offer.ak_public.pop_back();
  EXPECT_THAT(Judge(offer, {maker.root.der()}), Untrusted("MALFORMED"));
}

TEST(VerifyEndorsement, GoesThroughAnIntermediateAndOverlooksGarbageInTheChain) {
  EkMaker maker;
  const Ca middle("Vendor CA", &maker.root);
  maker.issuer = &middle;
  EXPECT_THAT(Judge(maker), Untrusted("EK_ROOT_UNKNOWN"));
  maker.chain = {Bytes(10, 0x30), middle.der()};
  EXPECT_THAT(Judge(maker), Trusted());
  maker.chain.pop_back();
  const Verdict verdict = Judge(maker);
  EXPECT_THAT(verdict.findings[3].sentence, HasSubstr("1 of the node's own chain"));
}

TEST(VerifyEndorsement, TakesTheKeyThatIsTrusted) {
  const EkMaker good;
  const EkMaker unknown;
  Endorsement offer = unknown.Offer();
  offer.keys.push_back({offer.keys[0].public_area, {}});
  offer.keys.push_back(good.Key());
  const EndorsementVerdict verdict =
      VerifyEndorsement(offer, {good.root.der()}, system_clock::now());
  EXPECT_THAT(ToVerdict(verdict), Trusted());
  EXPECT_EQ(verdict.ek_public, good.Key().public_area);
}

TEST(ParseCertificates, ReadsPemAndDerAndSaysNoToTheRest) {
  EXPECT_EQ(CapturedVendors().size(), 2U);
  const Bytes der = ReadCapture("ovmf-direct", "ek.cert.der");
  EXPECT_THAT(ParseCertificates(der).value(), ElementsAre(der));
  for (const std::string_view bad :
       {"", "hello", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        "-----BEGIN CERTIFICATE-----\n",
        "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"}) {
    EXPECT_EQ(Reason(ParseCertificates(AsBytes(bad)).status()), "MALFORMED") << bad;
  }
  EXPECT_EQ(ERR_peek_error(), 0U);
}

}  // namespace
}  // namespace seaworthy::verify
