// osslsigncode and sbsign, which share no code with us, as the judges of Authenticode digests.
#include "verify/pe_image.h"

#include <gmock/gmock.h>
#include <tss2/tss2_tpm2_types.h>

#include <algorithm>
#include <map>

#include "support/status_matchers.h"
#include "unit/verify/pe_maker.h"

namespace seaworthy::verify {
namespace {

using ::seaworthy::testing::Fails;
using ::seaworthy::testing::IsOk;
using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

std::string Lower(std::string text) {
  for (char& c : text) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return text;
}

std::string CalculatedDigest(const std::string& output) {
  static constexpr std::string_view kLine = "Calculated message digest : ";
  const std::size_t at = output.find(kLine);
  EXPECT_NE(at, output.npos) << output;
  const std::string rest = at == output.npos ? "" : output.substr(at + kLine.size());
  return Lower(rest.substr(0, rest.find_first_of(" \n")));
}

class AuthenticodeDigestOf : public ::testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(Images, AuthenticodeDigestOf, ::testing::Values("stub", "loader", "uki"),
                         [](const auto& image) { return image.param; });

Bytes ImageOf(const PeMaker& maker, const std::string& name) {
  if (name == "stub") return ReadAll(kStub);
  if (name == "loader") return ReadAll(kBootLoader);
  return maker.Uki({{".osrel", "ID=x\n"}, {".linux", std::string(5000, 'k')}, {".cmdline", "a"}});
}

TEST_P(AuthenticodeDigestOf, IsThatOfOsslsigncodeInEachHash) {
  const PeMaker maker;
  maker.MakeKey("a");
  std::ofstream(maker / "image", std::ios::binary) << AsText(ImageOf(maker, GetParam()));
  const std::map<std::string, std::uint16_t> hashes = {{"sha1", TPM2_ALG_SHA1},
                                                       {"sha256", TPM2_ALG_SHA256},
                                                       {"sha384", TPM2_ALG_SHA384},
                                                       {"sha512", TPM2_ALG_SHA512}};
  for (const auto& [name, bank] : hashes) {
    maker.Run("osslsigncode sign -h " + name + " -certs a.pem -key a.key -in image -out " + name);
    const std::string output = maker.Run("osslsigncode verify -CAfile a.pem -in " + name + " || :");
    const Bytes file = ReadAll(maker / name);
    const auto image = ParsePeImage(file);
    ASSERT_THAT(image, IsOk());
    EXPECT_EQ(Hex(AuthenticodeDigest(*image, bank)), CalculatedDigest(output)) << name;
  }
}

TEST_P(AuthenticodeDigestOf, IsThatOfWhatSbsignSigned) {
  const PeMaker maker;
  maker.MakeKey("a");
  const Bytes file = maker.Signed(ImageOf(maker, GetParam()), "a");
  const auto image = ParsePeImage(file);
  ASSERT_THAT(image, IsOk());
  // In the signature it is an OCTET STRING of 32 bytes.
  Bytes signed_digest = {0x04, 0x20};
  for (const std::uint8_t byte : AuthenticodeDigest(*image, TPM2_ALG_SHA256)) {
    signed_digest.push_back(byte);
  }
  EXPECT_FALSE(std::ranges::search(file, signed_digest).empty());
  maker.Run("sbverify --cert a.pem signed");
}

TEST_P(AuthenticodeDigestOf, IsNotChangedByTheSignature) {
  const PeMaker maker;
  maker.MakeKey("a");
  Bytes file = ImageOf(maker, GetParam());
  file.resize((file.size() + 7) / 8 * 8);  // as what signs pads it
  const Bytes with_signature = maker.Signed(file, "a");
  EXPECT_NE(with_signature, file);
  EXPECT_EQ(AuthenticodeDigest(ParsePeImage(with_signature).value(), TPM2_ALG_SHA256),
            AuthenticodeDigest(ParsePeImage(file).value(), TPM2_ALG_SHA256));
}

TEST(PeImage, HasTheSectionsThatWerePutIn) {
  const PeMaker maker;
  const std::string kernel(5000, 'k');
  const Bytes file = maker.Uki({{".linux", kernel}, {".cmdline", "quiet"}});
  const auto image = ParsePeImage(file);
  ASSERT_THAT(image, IsOk());
  EXPECT_EQ(AsText(SectionContent(*image, ".linux").value()), kernel);
  EXPECT_EQ(AsText(SectionContent(*image, ".cmdline").value()), "quiet");
  EXPECT_TRUE(SectionContent(*image, ".initrd").value().empty());
}

TEST(PeImage, LongNamesOfSectionsAreInTheStringTable) {
  const PeMaker maker;
  const Bytes file = maker.Uki({{".vendor_cert", "certificate"}});
  EXPECT_EQ(AsText(SectionContent(ParsePeImage(file).value(), ".vendor_cert").value()),
            "certificate");
}

TEST(PeImage, SignersAreEqualForOneKeyAndNotForTwo) {
  const PeMaker maker;
  maker.MakeKey("a");
  maker.MakeKey("b");
  const Bytes stub = ReadAll(kStub);
  const Bytes loader = ReadAll(kBootLoader);
  const auto signers = [&](const Bytes& image, const std::string& key) {
    const Bytes file = maker.Signed(image, key);
    return SignersOf(ParsePeImage(file).value()).value();
  };
  EXPECT_THAT(signers(stub, "a"), Not(IsEmpty()));
  EXPECT_EQ(signers(stub, "a"), signers(loader, "a"));
  EXPECT_NE(signers(stub, "a"), signers(stub, "b"));
  EXPECT_THAT(SignersOf(ParsePeImage(stub).value()).value(), IsEmpty());
}

std::string WhyNot(const Bytes& file) {
  const auto image = ParsePeImage(file);
  EXPECT_THAT(image, Fails(Code::kInvalidArgument, "MALFORMED"));
  return image.ok() ? "" : Message(image.status());
}

// In the image of systemd's stub.
constexpr std::size_t kPe = 0x80;
constexpr std::size_t kOptional = kPe + 24;
constexpr std::size_t kFirstSection = kOptional + 240;

void Put32(Bytes& file, std::size_t at, std::uint32_t value) {
  for (std::size_t i = 0; i < 4; ++i) file[at + i] = static_cast<std::uint8_t>(value >> 8 * i);
}

TEST(PeImage, CutAnywhereInItsHeadersIsMalformed) {
  const Bytes file = ReadAll(kStub);
  for (std::size_t size = 0; size < kFirstSection + 8 * 40; ++size) {
    WhyNot(Bytes(file.begin(), file.begin() + static_cast<std::ptrdiff_t>(size)));
  }
}

TEST(PeImage, WhatProgramsDoNotAgreeOnIsMalformed) {
  const Bytes file = ReadAll(kStub);
  Bytes other = file;
  Put32(other, kFirstSection + 20, 0x600);  // its bytes begin later
  EXPECT_THAT(WhyNot(other), HasSubstr("gap before a section or sections that overlap"));
  other = file;
  Put32(other, kFirstSection + 16, 0xc200);  // it is longer
  EXPECT_THAT(WhyNot(other), HasSubstr("gap before a section or sections that overlap"));
  other = file;
  Put32(other, kFirstSection + 16, 0x7fffffff);
  EXPECT_THAT(WhyNot(other), HasSubstr("section beyond its end"));
  other = file;
  Put32(other, kOptional + 112 + 32, 0x12000);  // signatures in the middle
  Put32(other, kOptional + 112 + 36, 8);
  EXPECT_THAT(WhyNot(other), HasSubstr("signatures elsewhere"));
  other = file;
  Put32(other, kOptional + 108, 17);
  EXPECT_THAT(WhyNot(other), HasSubstr("data directories"));
  other = file;
  other[kPe + 6] = 0;  // sections
  EXPECT_THAT(WhyNot(other), HasSubstr("0 sections"));
  other = file;
  other[kOptional] = 0;
  EXPECT_THAT(WhyNot(other), HasSubstr("optional header"));
}

TEST(PeImage, SectionsThatComeTwiceOrAreCutAreMalformed) {
  const PeMaker maker;
  const Bytes file = maker.Uki({{".linux", "kernel"}, {".osrel", "ID=x"}});
  PeImage image = ParsePeImage(file).value();
  const auto linux = std::ranges::find(image.sections, ".linux", &PeSection::name);
  linux->virtual_size = static_cast<std::uint32_t>(linux->raw.size()) + 1;
  EXPECT_THAT(SectionContent(image, ".linux"), Fails(Code::kInvalidArgument, "MALFORMED"));
  std::ranges::find(image.sections, ".osrel", &PeSection::name)->name = ".linux";
  EXPECT_THAT(SectionContent(image, ".linux"), Fails(Code::kInvalidArgument, "MALFORMED"));
}

TEST(PeImage, SignaturesThatCannotBeReadAreMalformed) {
  const PeMaker maker;
  maker.MakeKey("a");
  const Bytes file = maker.Signed(ReadAll(kStub), "a");
  const PeImage image = ParsePeImage(file).value();
  for (const std::size_t at : {0U, 4U, 6U, 8U, 12U}) {
    Bytes broken = file;
    broken[file.size() - image.certificates.size() + at] ^= 0x40;
    EXPECT_THAT(SignersOf(ParsePeImage(broken).value()), Fails(Code::kInvalidArgument, "MALFORMED"))
        << at;
  }
}

}  // namespace
}  // namespace seaworthy::verify
