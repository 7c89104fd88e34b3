// systemd-measure as the judge of what systemd's stub measures.
#include "verify/unified_kernel.h"

#include <gmock/gmock.h>

#include "support/status_matchers.h"
#include "unit/verify/boot_log_builder.h"
#include "unit/verify/pe_maker.h"
#include "verify/efi_text.h"
#include "verify/measured_event.h"

namespace seaworthy::verify {
namespace {

using ::seaworthy::testing::Fails;
using ::seaworthy::testing::IsOk;
using ::testing::HasSubstr;

TEST(UnifiedKernel, SectionsAreMeasuredAsSystemdMeasureDoes) {
  const PeMaker maker;
  const PeMaker::Sections sections = {{".pcrpkey", "key"},     {".splash", "picture"},
                                      {".initrd", "initrd\n"}, {".cmdline", "quiet\n"},
                                      {".pcrsig", "{}"},       {".dtb", "tree"},
                                      {".osrel", "ID=x\n"},    {".linux", std::string(700, 'k')}};
  const Bytes file = maker.Uki(sections);
  const auto measured = MeasuredSections(ParsePeImage(file).value());
  ASSERT_THAT(measured, IsOk());
  LogBuilder builder(Banks({TPM2_ALG_SHA1, TPM2_ALG_SHA256, TPM2_ALG_SHA384, TPM2_ALG_SHA512}));
  for (const UkiSection& section : *measured) {
    const std::string name(section.name);
    builder.Add(11, kEvIpl, Utf16(name), ToBytes(name + '\0'));
    builder.Add(11, kEvIpl, Utf16(name), {section.content.begin(), section.content.end()});
  }
  const BootReplay replay = ReplayBootLog(builder.Parse());
  const std::string output = maker.Run(
      "/usr/lib/systemd/systemd-measure calculate --phase=: --linux=section.linux "
      "--osrel=section.osrel --cmdline=section.cmdline --initrd=section.initrd "
      "--splash=section.splash --dtb=section.dtb --pcrpkey=section.pcrpkey --bank=sha1 "
      "--bank=sha256 --bank=sha384 --bank=sha512");
  for (const auto& [name, bank] : {std::pair("sha1", TPM2_ALG_SHA1),
                                   {"sha256", TPM2_ALG_SHA256},
                                   {"sha384", TPM2_ALG_SHA384},
                                   {"sha512", TPM2_ALG_SHA512}}) {
    EXPECT_THAT(output, HasSubstr(std::string("11:") + name + "=" + Hex(PcrOf(replay, bank, 11))));
  }
}

TEST(UnifiedKernel, OfAnotherStubIsNotKnown) {
  const PeMaker maker;
  Bytes file = maker.Uki({{".linux", "kernel"}});
  EXPECT_THAT(MeasuredSections(ParsePeImage(file).value()), IsOk());
  static constexpr std::string_view kVersion = "systemd-stub 252";
  const auto at = std::ranges::search(file, kVersion).begin();
  ASSERT_NE(at, file.end());
  at[kVersion.size() - 1] = '7';
  EXPECT_THAT(MeasuredSections(ParsePeImage(file).value()),
              Fails(Code::kFailedPrecondition, "CANNOT_PREDICT"));
}

// What the kernel of a guest with Debian 12's stub measured.
TEST(UnifiedKernel, CommandLineIsMadePlainForTheKernel) {
  EXPECT_EQ(LoadOptionsOf(AsBytes("  a\tb  c\n d \n\n")), Utf16WithNul("  a b  c  d"));
  EXPECT_EQ(LoadOptionsOf(AsBytes("a")), Utf16WithNul("a"));
  EXPECT_EQ(LoadOptionsOf(AsBytes(" \n")), std::nullopt);
  EXPECT_EQ(LoadOptionsOf(AsBytes("\xc3\xa4")), std::nullopt);
  EXPECT_EQ(LoadOptionsOf(AsBytes(std::string_view("a\0b", 3))), std::nullopt);
}

TEST(UnifiedKernel, LoadOptionsAreThoseOfTheCapturedGuest) {
  Bytes command_line = ReadCapture("ovmf-secureboot-uki", "cmdline");
  const Bytes load_options = LoadOptionsOf(command_line).value();
  for (const BootEvent& event : CapturedLog("ovmf-secureboot-uki").events) {
    if (event.number != 33) continue;
    EXPECT_EQ(Hex(event.digests.at(TPM2_ALG_SHA256)),
              Hex(BankDigest(TPM2_ALG_SHA256, load_options)));
  }
}

}  // namespace
}  // namespace seaworthy::verify
