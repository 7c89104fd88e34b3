#include <gmock/gmock.h>

#include <algorithm>

#include "unit/verify/boot_log_builder.h"

namespace seaworthy::verify {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

BootFacts Facts(const BootLog& log, std::uint16_t bank = TPM2_ALG_SHA256) {
  return AnalyseBootLog(log, bank);
}
BootFacts Facts(const LogBuilder& log, std::uint16_t bank = TPM2_ALG_SHA256) {
  return AnalyseBootLog(log.Parse(), bank);
}

MATCHER_P2(Says, answer, part, "") {
  *result_listener << static_cast<int>(arg.answer) << ": " << arg.sentence;
  return arg.answer == answer && arg.sentence.find(part) != std::string::npos;
}

std::string TextOf(const std::string& folder, const std::string& file) {
  std::string text(AsText(ReadCapture(folder, file)));
  text.erase(text.find_last_not_of('\n') + 1);
  return text;
}

// The entry of db that verified the image in the capture, as an authority event's data.
Bytes SnakeoilAuthority() { return CapturedLog("ovmf-secureboot-uki").events.at(22).data; }

constexpr std::string_view kLoader = "\\EFI\\BOOT\\BOOTX64.EFI";

// Secure Boot on and one image from a boot device: a verified boot as firmware logs it.
class VerifiedBoot {
 public:
  Bytes secure_boot = Variable(kGlobal, "SecureBoot", {1});
  Bytes path = FilePath(kLoader);
  bool separators = true;
  bool authority = true;
  bool image = true;

  LogBuilder Log() const {
    LogBuilder log;
    log.Add(7, kEvEfiVariableDriverConfig, secure_boot);
    log.Add(7, kEvEfiVariableDriverConfig, Variable(kGlobal, "PK", {}));
    log.Add(4, kEvEfiAction, ToBytes("Calling EFI Application from Boot Option"));
    if (separators) log.Separators();
    if (authority) log.Add(7, kEvEfiVariableAuthority, SnakeoilAuthority());
    if (image) log.Add(4, kEvEfiBootServicesApplication, Image(path), ToBytes("PE image"));
    return log;
  }
};

TEST(CapturedFacts, SignedUkiIsAVerifiedBoot) {
  const BootFacts facts = Facts(CapturedLog("ovmf-secureboot-uki"));
  EXPECT_THAT(facts.secure_boot, Says(Answer::kYes, "on"));
  EXPECT_THAT(facts.secure_boot.events, ElementsAre(5, 10));
  EXPECT_THAT(facts.verified_boot, Says(Answer::kYes, "1 application"));
  EXPECT_THAT(facts.verified_boot.events, ElementsAre(5, 10, 23, 24));
  ASSERT_EQ(facts.authorities.size(), 1u);
  EXPECT_EQ(facts.authorities[0].variable, "db");
  EXPECT_THAT(facts.authorities[0].certificate.subject, HasSubstr("O=SnakeOil"));
  ASSERT_EQ(facts.images.size(), 1u);
  EXPECT_EQ(facts.images[0].authority, 23u);
  EXPECT_TRUE(facts.images[0].after_separator);
  EXPECT_EQ(Hex(facts.images[0].digest),
            "4a9ba73a8aed558e22c31acff8f69acba1cd8e1f1880558e2939a8bc71c43f1e");
  std::vector<std::string> sections;
  for (const MeasuredContent& section : facts.uki_sections) sections.push_back(section.name);
  EXPECT_THAT(sections, ElementsAre(".linux", ".osrel", ".cmdline", ".initrd"));
  // What the stub took out of the image is what Linux then measured.
  ASSERT_EQ(facts.contents.size(), 1u);
  EXPECT_EQ(facts.contents[0].name, "Linux initrd");
  EXPECT_EQ(facts.contents[0].digest, facts.uki_sections[3].digest);
}

TEST(CapturedFacts, CommandLineIsThatOfTheRunningKernel) {
  for (const std::string folder : {"ovmf-secureboot-uki", "ovmf-direct"}) {
    const std::string running = TextOf(folder, "cmdline");
    const BootFacts facts = Facts(CapturedLog(folder));
    EXPECT_THAT(facts.command_lines, Not(IsEmpty()));
    for (const BootCommandLine& line : facts.command_lines) {
      EXPECT_TRUE(IsCommandLine(line, TPM2_ALG_SHA256, running)) << folder << " " << line.source;
      EXPECT_FALSE(IsCommandLine(line, TPM2_ALG_SHA256, running + " init=/bin/sh"));
      EXPECT_FALSE(IsCommandLine(line, TPM2_ALG_SHA384, running));
      EXPECT_FALSE(line.text);
    }
  }
}

// The guest had Secure Boot on, Linux said so and had locked itself down; nothing had checked
// the kernel.
TEST(CapturedFacts, SecureBootWithTheKernelBesideTheFirmwareIsNoVerifiedBoot) {
  const BootLog log = CapturedLog("ovmf-secureboot-direct");
  for (const std::uint16_t bank : {TPM2_ALG_SHA256, TPM2_ALG_SHA384, TPM2_ALG_SHA512}) {
    const BootFacts facts = Facts(log, bank);
    EXPECT_THAT(facts.secure_boot, Says(Answer::kYes, "on"));
    EXPECT_THAT(facts.verified_boot, Says(Answer::kNo, "not a verified boot"));
    EXPECT_THAT(facts.images, IsEmpty());
    EXPECT_THAT(facts.authorities, IsEmpty());
  }
}

TEST(CapturedFacts, SecureBootOffIsSaid) {
  const BootFacts facts = Facts(CapturedLog("ovmf-direct"));
  EXPECT_THAT(facts.secure_boot, Says(Answer::kNo, "off"));
  EXPECT_THAT(facts.verified_boot, Says(Answer::kNo, "off"));
  ASSERT_EQ(facts.images.size(), 1u);
  EXPECT_FALSE(facts.images[0].after_separator);
  EXPECT_FALSE(facts.images[0].authority);
}

TEST(CapturedFacts, BiosHasNoSecureBoot) {
  const BootFacts facts = Facts(CapturedLog("seabios-direct"));
  EXPECT_THAT(facts.secure_boot, Says(Answer::kNotProven, "no event"));
  EXPECT_THAT(facts.verified_boot, Says(Answer::kNotProven, "Secure Boot is not proven"));
  ASSERT_EQ(facts.pre_boot.size(), 8u);
  for (const PreBoot& phase : facts.pre_boot) {
    EXPECT_EQ(phase.separator, 7 + phase.pcr);
    EXPECT_FALSE(phase.error);
    EXPECT_THAT(phase.events_after, IsEmpty());
  }
}

TEST(Facts, PreBootPhaseAndWhatCameAfter) {
  const BootFacts facts = Facts(CapturedLog("ovmf-secureboot-uki"));
  ASSERT_EQ(facts.pre_boot.size(), 8u);
  EXPECT_EQ(facts.pre_boot[7].separator, 10u);
  EXPECT_THAT(facts.pre_boot[7].events_after, ElementsAre(23));
  EXPECT_THAT(facts.pre_boot[4].events_after, ElementsAre(24));
  EXPECT_THAT(facts.pre_boot[5].events_after, ElementsAre(35, 36));
}

TEST(SecureBoot, IsProvenByAWholeLog) {
  const BootFacts facts = Facts(VerifiedBoot().Log());
  EXPECT_THAT(facts.secure_boot, Says(Answer::kYes, "on"));
  EXPECT_THAT(facts.verified_boot, Says(Answer::kYes, "1 application"));
}

TEST(SecureBoot, AbsentVariableIsOff) {
  VerifiedBoot boot;
  boot.secure_boot = Variable(kGlobal, "SecureBoot", {});
  EXPECT_THAT(Facts(boot.Log()).secure_boot, Says(Answer::kNo, "off"));
}

TEST(SecureBoot, IsNotProvenByDataThatItsDigestIsNotOver) {
  BootLog log = VerifiedBoot().Log().Parse();
  log.events.at(1).data = Variable(kGlobal, "SecureBoot", {0});
  BootFacts facts = Facts(log);
  EXPECT_THAT(facts.secure_boot, Says(Answer::kNotProven, "no event"));
  EXPECT_THAT(facts.notes, ElementsAre(HasSubstr("Event 2, EV_EFI_VARIABLE_DRIVER_CONFIG")));
  // Firmware that hashes the value alone leaves the name to whoever sends the log.
  const LogBuilder by_value =
      LogBuilder()
          .Add(7, kEvEfiVariableDriverConfig, Variable(kGlobal, "SecureBoot", {1}), {1})
          .Separators();
  EXPECT_THAT(Facts(by_value).secure_boot, Says(Answer::kNotProven, "no event"));
}

TEST(SecureBoot, IsNotProvenByAnotherPcrVariableOrPlace) {
  const Bytes on = Variable(kGlobal, "SecureBoot", {1});
  EXPECT_THAT(Facts(LogBuilder().Add(1, kEvEfiVariableDriverConfig, on).Separators()).secure_boot,
              Says(Answer::kNotProven, "no event"));
  EXPECT_THAT(
      Facts(LogBuilder()
                .Add(7, kEvEfiVariableDriverConfig, Variable(kSecurityDatabase, "SecureBoot", {1}))
                .Separators())
          .secure_boot,
      Says(Answer::kNotProven, "no event"));
  // Whatever runs after the separator can extend what it likes.
  EXPECT_THAT(Facts(LogBuilder().Separators().Add(7, kEvEfiVariableDriverConfig, on)).secure_boot,
              Says(Answer::kNotProven, "no event"));
}

// Off was measured; the log shows the event as something opaque, or as data of another type, and
// one that says on before the separator.
TEST(SecureBoot, IsNotProvenWhileAnEventMayHideThatItIsOff) {
  const Bytes on = Variable(kGlobal, "SecureBoot", {1});
  const Bytes off = Variable(kGlobal, "SecureBoot", {0});
  const auto with = [&](std::uint32_t type, const Bytes& data) {
    return Facts(LogBuilder()
                     .Add(7, type, data, off)
                     .Add(7, kEvEfiVariableDriverConfig, on)
                     .Separators())
        .secure_boot;
  };
  EXPECT_THAT(with(kEvPostCode, ToBytes("POST")), Says(Answer::kNotProven, "event 2"));
  EXPECT_THAT(with(kEvEfiAction, off), Says(Answer::kNotProven, "twice"));
  EXPECT_THAT(with(kEvEfiVariableDriverConfig, Variable(kSecurityDatabase, "db", off)),
              Says(Answer::kNotProven, "event 2"));
  EXPECT_THAT(with(kEvEfiVariableDriverConfig, off), Says(Answer::kNotProven, "twice"));
}

TEST(SecureBoot, IsNotProvenWithoutASeparatorOrWithAnError) {
  VerifiedBoot boot;
  boot.separators = false;
  EXPECT_THAT(Facts(boot.Log()).secure_boot, Says(Answer::kNotProven, "no separator"));
  boot.authority = boot.image = false;
  LogBuilder log = boot.Log();
  log.Separators({1, 0, 0, 0});
  EXPECT_THAT(Facts(log).secure_boot, Says(Answer::kNotProven, "failed"));
  log = boot.Log();
  log.Add(7, kEvEfiAction, ToBytes("UEFI Debug Mode")).Separators();
  EXPECT_THAT(Facts(log).secure_boot, Says(Answer::kNotProven, "debugger"));
}

TEST(Separator, ErrorIsSeenUnderAnyTypeAndWithItsReason) {
  LogBuilder log;
  log.Add(4, kEvSeparator, ToBytes("no device"), {1, 0, 0, 0})
      .Add(5, kEvEfiBootServicesApplication, Image(FilePath(kLoader)), {1, 0, 0, 0})
      .Add(6, kEvSeparator, Bytes(4), {9});
  const BootFacts facts = Facts(log);
  EXPECT_TRUE(facts.pre_boot[4].error);
  EXPECT_EQ(facts.pre_boot[4].separator, 2u);
  EXPECT_TRUE(facts.pre_boot[5].error);
  EXPECT_FALSE(facts.pre_boot[6].separator);
}

TEST(VerifiedBoot, NeedsAnImageFromABootDevice) {
  VerifiedBoot boot;
  boot.image = false;
  EXPECT_THAT(Facts(boot.Log()).verified_boot, Says(Answer::kNo, "beside the firmware"));
  boot.image = true;
  boot.path = Join({PathNode(4, 7, Bytes(16)), PathNode(4, 6, Bytes(16)), EndOfPath()});
  EXPECT_THAT(Facts(boot.Log()).verified_boot, Says(Answer::kNo, "beside the firmware"));
  boot.path = Join({PathNode(4, 3, Guid("1428f772-b64a-441e-b8c3-9ebdd7f893c7")),
                    PathNode(4, 4, Join({Utf16("kernel"), {0, 0}})), EndOfPath()});
  EXPECT_THAT(Facts(boot.Log()).verified_boot, Says(Answer::kNotProven, "QEMU"));
}

TEST(VerifiedBoot, ImageBeforeTheSeparatorIsNotWhatWasBooted) {
  LogBuilder log;
  log.Add(7, kEvEfiVariableDriverConfig, Variable(kGlobal, "SecureBoot", {1}))
      .Add(7, kEvEfiVariableAuthority, SnakeoilAuthority())
      .Add(4, kEvEfiBootServicesApplication, Image(FilePath(kLoader)), ToBytes("PE image"))
      .Separators();
  const BootFacts facts = Facts(log);
  EXPECT_EQ(facts.images.at(0).authority, 3u);
  EXPECT_THAT(facts.verified_boot, Says(Answer::kNo, "beside the firmware"));
}

TEST(VerifiedBoot, NeedsAnAuthorityBeforeEachImage) {
  VerifiedBoot boot;
  boot.authority = false;
  LogBuilder log = boot.Log();
  log.Add(7, kEvEfiVariableAuthority, SnakeoilAuthority());
  const BootFacts facts = Facts(log);
  EXPECT_EQ(facts.authorities.size(), 1u);
  EXPECT_FALSE(facts.images.at(0).authority);
  EXPECT_THAT(facts.verified_boot, Says(Answer::kNo, "before the log has any authority"));
}

TEST(VerifiedBoot, AuthorityCountsOnlyAsTheDigestSaysAndInPcr7) {
  const auto with = [](std::uint32_t pcr, const Bytes& data, const Bytes& measured) {
    VerifiedBoot boot;
    boot.authority = boot.image = false;
    LogBuilder log = boot.Log();
    log.Add(pcr, kEvEfiVariableAuthority, data, measured)
        .Add(4, kEvEfiBootServicesApplication, Image(FilePath(kLoader)), ToBytes("PE image"));
    return Facts(log);
  };
  const Bytes good = SnakeoilAuthority();
  EXPECT_THAT(with(7, good, good).verified_boot, Says(Answer::kYes, ""));
  EXPECT_THAT(with(7, good, {1}).authorities, IsEmpty());
  EXPECT_THAT(with(6, good, good).authorities, IsEmpty());
  // Neither allows an image.
  for (const Bytes& data : {Variable(kGlobal, "SbatLevel", ToBytes("sbat,1,2021")),
                            Variable(kGlobal, "MokListTrusted", {1})}) {
    EXPECT_THAT(with(7, data, data).authorities, IsEmpty());
  }
}

// M-53: the event of an authority is shown as another, so that a rule about authorities misses it.
TEST(Authorities, AreToldByTheirDataWhateverTheLogCallsThem) {
  const Bytes hash = Variable(kSecurityDatabase, "db", Bytes(48, 3));
  for (const std::uint32_t type :
       {kEvEfiVariableAuthority, kEvEfiVariableDriverConfig, kEvEfiSpdmDeviceAuthority}) {
    const BootFacts facts =
        Facts(LogBuilder().Separators().Add(7, type, SnakeoilAuthority()).Add(7, type, hash));
    EXPECT_THAT(facts.all_authorities, Says(Answer::kYes, ""));
    ASSERT_EQ(facts.authorities.size(), 2u) << type;
    EXPECT_THAT(facts.authorities[0].certificate.subject, HasSubstr("O=SnakeOil"));
    EXPECT_EQ(facts.authorities[1].sha256_hash, Bytes(32, 3));
  }
}

TEST(Authorities, AreNotProvenToBeAllWhileAnEventMayHideOne) {
  const Bytes authority = SnakeoilAuthority();
  const auto with = [](std::uint32_t type, const Bytes& data, const Bytes& measured) {
    LogBuilder log = VerifiedBoot().Log();
    return Facts(log.Add(7, type, data, measured)).all_authorities;
  };
  const auto hides = Says(Answer::kNotProven, "event 15");
  for (const std::uint32_t type : {kEvIpl, kEvEfiAction, kEvSeparator, kEvEventTag}) {
    EXPECT_THAT(with(type, authority, authority), hides) << type;
    EXPECT_THAT(with(type, Join({authority, {0}}), authority), hides) << type;
  }
  EXPECT_THAT(with(kEvEfiVariableAuthority, Variable(kGlobal, "SbatLevel", {1}), authority), hides);
  EXPECT_THAT(with(kEvEfiAction, ToBytes("Calling"), authority), hides);
  // A certificate that cannot be read, shown as what it is and as a database.
  const Bytes odd = Variable(kSecurityDatabase, "db", Bytes(300, 0x30));
  EXPECT_THAT(with(kEvEfiVariableAuthority, odd, odd), hides);
  EXPECT_THAT(with(kEvEfiVariableDriverConfig, odd, odd), hides);
  // What hides none.
  const Bytes sbat = Variable(kGlobal, "SbatLevel", ToBytes("sbat,1,2021030218\n"));
  const Bytes trusted = Variable(kGlobal, "MokListTrusted", {1});
  const Bytes devices = Variable(kSecurityDatabase, "devdb",
                                 Join({Bytes(16), Le(76, 4), Le(0, 4), Le(48, 4), Bytes(48)}));
  for (const Bytes& data : {sbat, trusted, devices, authority}) {
    EXPECT_THAT(with(kEvEfiVariableAuthority, data, data), Says(Answer::kYes, "")) << Hex(data);
  }
  const Bytes action = ToBytes("DMA Protection Disabled");
  EXPECT_THAT(with(kEvEfiAction, action, action), Says(Answer::kYes, ""));
  EXPECT_THAT(Facts(VerifiedBoot().Log(), TPM2_ALG_SHA384).all_authorities,
              Says(Answer::kNotProven, "no digests of the bank"));
}

TEST(Authorities, OfRealBootsAreAllShown) {
  for (const std::string& folder : BootLogFolders()) {
    const BootFacts facts = Facts(CapturedLog(folder));
    EXPECT_THAT(facts.all_authorities, Says(Answer::kYes, "")) << folder;
    EXPECT_EQ(facts.authorities.size(), folder == "ovmf-secureboot-uki" ? 1u : 0u) << folder;
  }
}

TEST(VerifiedBoot, HashInDbAllowsThisImageAlone) {
  const auto with = [](const Bytes& measured) {
    VerifiedBoot boot;
    boot.authority = boot.image = false;
    LogBuilder log = boot.Log();
    const Bytes hash = HashIn({TPM2_ALG_SHA256, 32}, ToBytes("PE image"));
    log.Add(7, kEvEfiVariableAuthority, Variable(kSecurityDatabase, "db", Join({Bytes(16), hash})))
        .Add(4, kEvEfiBootServicesApplication, Image(FilePath(kLoader)), measured);
    return Facts(log);
  };
  EXPECT_THAT(with(ToBytes("PE image")).verified_boot, Says(Answer::kYes, ""));
  EXPECT_THAT(with(ToBytes("another")).verified_boot, Says(Answer::kNo, "authority"));
}

TEST(VerifiedBoot, IsNotProvenWhilePcr4MayHideAnImage) {
  const Bytes pe = ToBytes({"MZ\0\1", 4});
  for (const std::uint32_t type : {kEvIpl, kEvEfiAction, kEvCompactHash, kEvPostCode}) {
    LogBuilder log = VerifiedBoot().Log();
    log.Add(4, type, pe);  // the digest is over it, as it is over what Authenticode hashes
    EXPECT_THAT(Facts(log).verified_boot, Says(Answer::kNotProven, "may be an image")) << type;
  }
  LogBuilder log = VerifiedBoot().Log();
  log.Add(4, kEvEfiAction, ToBytes("Returning from EFI Application"));
  EXPECT_THAT(Facts(log).verified_boot, Says(Answer::kYes, ""));
}

TEST(VerifiedBoot, IsNotProvenWhenBootDevicesAreLeftOut) {
  for (const std::uint32_t type : {kEvOmitBootDeviceEvents, kEvEfiAction}) {
    LogBuilder log = VerifiedBoot().Log();
    log.Add(4, type, ToBytes("BOOT ATTEMPTS OMITTED"));
    EXPECT_THAT(Facts(log).verified_boot, Says(Answer::kNotProven, "out of the log")) << type;
  }
}

TEST(Banks, WeakOneIsEnoughOnlyWhereThereIsNoOther) {
  const BootFacts weak = Facts(CapturedLog("ovmf-secureboot-uki"), TPM2_ALG_SHA1);
  EXPECT_THAT(weak.secure_boot, Says(Answer::kNotProven, "SHA-1"));
  EXPECT_THAT(weak.verified_boot, Says(Answer::kNotProven, "SHA-1"));
  EXPECT_THAT(weak.images, IsEmpty());
  LogBuilder old = LogBuilder::Old();
  old.Add(7, kEvEfiVariableDriverConfig, Variable(kGlobal, "SecureBoot", {1})).Separators();
  const BootFacts alone = Facts(old, TPM2_ALG_SHA1);
  EXPECT_THAT(alone.secure_boot, Says(Answer::kYes, "on"));
  EXPECT_THAT(alone.notes, ElementsAre(HasSubstr("SHA-1")));
}

TEST(Banks, OneThatIsNotThereOrCannotBeComputedStatesNothing) {
  EXPECT_THAT(Facts(VerifiedBoot().Log(), TPM2_ALG_SHA384).secure_boot,
              Says(Answer::kNotProven, "no digests of the bank sha384"));
  LogBuilder log(Banks({TPM2_ALG_SM3_256}));
  log.Add(7, kEvEfiVariableDriverConfig, Variable(kGlobal, "SecureBoot", {1})).Separators();
  EXPECT_THAT(Facts(log, TPM2_ALG_SM3_256).secure_boot,
              Says(Answer::kNotProven, "cannot be computed"));
}

TEST(CommandLines, AreTakenFromGrubAndTheStubWhereTheDigestIsOverThem) {
  LogBuilder log;
  const Bytes utf16 = Join({Utf16("quiet"), {0, 0}});
  log.Add(8, kEvIpl, ToBytes({"kernel_cmdline: /vmlinuz ro\0", 28}), ToBytes("/vmlinuz ro"))
      .Add(8, kEvIpl, ToBytes({"kernel_cmdline: /vmlinuz ro\0", 28}), ToBytes("/vmlinuz evil"))
      .Add(12, kEvIpl, utf16)
      .Add(9, kEvIpl, ToBytes({"(hd0)/initrd\0", 13}), {1});
  const BootFacts facts = Facts(log);
  ASSERT_EQ(facts.command_lines.size(), 3u);
  EXPECT_EQ(facts.command_lines[0].text, "/vmlinuz ro");
  EXPECT_TRUE(IsCommandLine(facts.command_lines[0], TPM2_ALG_SHA256, "/vmlinuz ro"));
  EXPECT_FALSE(facts.command_lines[1].text);
  EXPECT_TRUE(IsCommandLine(facts.command_lines[1], TPM2_ALG_SHA256, "/vmlinuz evil"));
  EXPECT_EQ(facts.command_lines[2].text, "quiet");
  EXPECT_TRUE(IsCommandLine(facts.command_lines[2], TPM2_ALG_SHA256, "quiet"));
  ASSERT_EQ(facts.contents.size(), 1u);
  EXPECT_EQ(facts.contents[0].name, "(hd0)/initrd");
}

TEST(UkiSections, CountOnlyAfterTheirMeasuredName) {
  const Bytes name = Join({Utf16(".linux"), {0, 0}});
  const Bytes measured_name = ToBytes({".linux\0", 7});
  LogBuilder good;
  good.Add(11, kEvIpl, name, measured_name).Add(11, kEvIpl, name, {1});
  EXPECT_EQ(Facts(good).uki_sections.size(), 1u);
  LogBuilder nameless;
  nameless.Add(11, kEvIpl, name, {2}).Add(11, kEvIpl, name, {1});
  EXPECT_THAT(Facts(nameless).uki_sections, IsEmpty());
  LogBuilder apart;
  apart.Add(11, kEvIpl, name, measured_name).Add(11, kEvAction, {3}).Add(11, kEvIpl, name, {1});
  EXPECT_THAT(Facts(apart).uki_sections, IsEmpty());
}

TEST(Facts, UnextendedEventsSayNothing) {
  LogBuilder log;
  log.Add(7, kEvNoAction, Variable(kGlobal, "SecureBoot", {1})).Separators();
  const BootFacts facts = Facts(log);
  EXPECT_THAT(facts.secure_boot, Says(Answer::kNotProven, "no event"));
  EXPECT_THAT(facts.notes, IsEmpty());
}

}  // namespace
}  // namespace seaworthy::verify
