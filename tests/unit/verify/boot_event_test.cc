#include <gmock/gmock.h>

#include "unit/verify/boot_log_builder.h"
#include "verify/efi_device_path.h"
#include "verify/efi_text.h"

namespace seaworthy::verify {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;

BootEvent Event(std::uint32_t pcr, std::uint32_t type, const Bytes& data, const Bytes& measured) {
  return LogBuilder().Add(pcr, type, data, measured).Parse().events.back();
}

BootEvent Event(std::uint32_t pcr, std::uint32_t type, const Bytes& data) {
  return Event(pcr, type, data, data);
}

std::string Sentence(std::uint32_t pcr, std::uint32_t type, const Bytes& data) {
  return DecodeBootEvent(Event(pcr, type, data)).sentence;
}

template <class Detail>
Detail Decoded(const BootEvent& event) {
  const DecodedBootEvent decoded = DecodeBootEvent(event);
  const Detail* detail = std::get_if<Detail>(&decoded.detail);
  EXPECT_NE(detail, nullptr) << decoded.sentence;
  return detail == nullptr ? Detail() : *detail;
}

DigestCheck Check(const BootEvent& event) { return CheckEventDigest(event, TPM2_ALG_SHA256); }

const Bytes kOther = {9, 9, 9};

const BootEvent& InCapture(const BootLog& log, std::size_t number) {
  return log.events.at(number - 1);
}

TEST(DecodeCapture, SecureBootVariables) {
  const BootLog log = CapturedLog("ovmf-secureboot-uki");
  const auto secure_boot = Decoded<EfiVariable>(InCapture(log, 5));
  EXPECT_EQ(secure_boot.name, "SecureBoot");
  EXPECT_EQ(secure_boot.guid, kGlobal);
  EXPECT_EQ(secure_boot.value, Bytes{1});
  const auto db = Decoded<EfiVariable>(InCapture(log, 8));
  ASSERT_TRUE(db.signatures);
  ASSERT_EQ(db.signatures->certificates.size(), 1u);
  EXPECT_EQ(db.signatures->certificates[0].subject, "O=SnakeOil,L=Fort Collins,ST=Colorado,C=US");
  const auto dbx = Decoded<EfiVariable>(InCapture(log, 9));
  ASSERT_TRUE(dbx.signatures);
  ASSERT_EQ(dbx.signatures->sha256_hashes.size(), 1u);
  // OVMF's placeholder: the hash of nothing.
  EXPECT_EQ(dbx.signatures->sha256_hashes[0], HashIn({TPM2_ALG_SHA256, 32}, {}));
  const auto authority = DecodeBootEvent(InCapture(log, 23));
  EXPECT_THAT(authority.sentence,
              AllOf(HasSubstr("verified"), HasSubstr("entry of db"), HasSubstr("O=SnakeOil")));
}

TEST(DecodeCapture, BootOptionsAndImages) {
  const BootLog log = CapturedLog("ovmf-secureboot-uki");
  EXPECT_THAT(Decoded<EfiVariable>(InCapture(log, 11)).order, ElementsAre(1, 0, 2));
  const auto boot1 = Decoded<EfiVariable>(InCapture(log, 12));
  ASSERT_TRUE(boot1.load_option);
  EXPECT_TRUE(boot1.load_option->active);
  EXPECT_EQ(boot1.load_option->description, "UEFI Non-Block Boot Device");
  EXPECT_EQ(boot1.load_option->device_path, "PciRoot(0x0)/Pci(0x5,0x0)");
  const auto boot2 = Decoded<EfiVariable>(InCapture(log, 14));
  ASSERT_TRUE(boot2.load_option);
  EXPECT_EQ(boot2.load_option->description, "EFI Internal Shell");
  EXPECT_EQ(
      boot2.load_option->device_path,
      "Fv(7CB8BDC9-F8EB-4F34-AAEA-3EE4AF6516A1)/FvFile(7C04A583-9E3E-4F1C-AD65-E05268D0B4D1)");
  const auto image = Decoded<EfiImage>(InCapture(log, 24));
  EXPECT_EQ(image.device_path, "PciRoot(0x0)/Pci(0x5,0x0)/\\EFI\\BOOT\\BOOTX64.EFI");
  EXPECT_EQ(image.size, 10185232u);
  const BootLog direct = CapturedLog("ovmf-direct");
  EXPECT_EQ(Decoded<EfiImage>(InCapture(direct, 11)).device_path,
            "VenMedia(1428F772-B64A-441E-B8C3-9EBDD7F893C7)/kernel");
  const auto blob = Decoded<FirmwareBlob>(InCapture(log, 3));
  EXPECT_EQ(blob.base, 0x820000u);
  EXPECT_EQ(blob.size, 0xe0000u);
}

TEST(DecodeCapture, LoadersEvents) {
  const BootLog log = CapturedLog("ovmf-secureboot-uki");
  const auto section = Decoded<EventText>(InCapture(log, 25));
  EXPECT_EQ(section.kind, TextKind::kUkiSection);
  EXPECT_EQ(section.text, ".linux");
  EXPECT_EQ(Decoded<TaggedEvent>(InCapture(log, 33)).name, "LOADED_IMAGE::LoadOptions");
  EXPECT_EQ(Decoded<TaggedEvent>(InCapture(log, 34)).name, "Linux initrd");
  EXPECT_EQ(DecodeBootEvent(InCapture(log, 35)).sentence,
            "EV_EFI_ACTION: Exit Boot Services Invocation");
  const BootLog bios = CapturedLog("seabios-direct");
  EXPECT_EQ(Decoded<TaggedEvent>(InCapture(bios, 2)).name, "SMBIOS tables");
  EXPECT_EQ(Decoded<Separator>(InCapture(bios, 8)).value, 0xffffffffu);
}

TEST(DecodeCapture, DigestsAreOverWhatTheTypeSays) {
  const auto checks = [](const std::string& folder, std::uint16_t bank) {
    std::string text;
    for (const BootEvent& event : CapturedLog(folder).events) {
      switch (CheckEventDigest(event, bank)) {
        case DigestCheck::kMatches:
          text += 'm';
          break;
        case DigestCheck::kMatchesPart:
          text += 'p';
          break;
        case DigestCheck::kDiffers:
          text += 'D';
          break;
        case DigestCheck::kOfOther:
          text += 'o';
          break;
        case DigestCheck::kNotExtended:
          text += '-';
          break;
        case DigestCheck::kNoDigest:
          text += '?';
          break;
      }
    }
    return text;
  };
  for (const std::uint16_t bank : {TPM2_ALG_SHA1, TPM2_ALG_SHA256}) {
    EXPECT_EQ(checks("seabios-direct", bank), "-mmmmmmmmmmmmm");
    // Firmware blobs, the variables of boot options by value, the kernel, load options, initrd.
    EXPECT_EQ(checks("ovmf-direct", bank), "-moommmmmmoppmmmmmmmmoomm");
    EXPECT_EQ(checks("ovmf-secureboot-uki", bank), "-moommmmmmppppmmmmmmmmmomomomomooomm");
  }
  EXPECT_EQ(checks("seabios-direct", TPM2_ALG_SHA384), "-?????????????");
}

TEST(DecodeBootEvent, NamesTypes) {
  EXPECT_EQ(BootEventTypeName(kEvEfiVariableAuthority), "EV_EFI_VARIABLE_AUTHORITY");
  EXPECT_EQ(BootEventTypeName(kEvNonhostInfo), "EV_NONHOST_INFO");
  EXPECT_EQ(BootEventTypeName(0x80000123), "0x80000123");
  EXPECT_THAT(Sentence(3, 0x80000123, {1, 2}), HasSubstr("0x80000123 with 2 bytes"));
}

TEST(DecodeBootEvent, NoActionKinds) {
  EXPECT_EQ(Decoded<NoAction>(LogBuilder().Locality(3).Parse().events.back()).signature,
            "StartupLocality");
  EXPECT_THAT(DecodeBootEvent(LogBuilder().Locality(3).Parse().events.back()).sentence,
              HasSubstr("locality 3"));
  EXPECT_EQ(Decoded<NoAction>(LogBuilder().Parse().events.front()).signature, "Spec ID Event03");
  EXPECT_EQ(Decoded<NoAction>(Event(0, kEvNoAction, ToBytes("SP800-155 Event2"))).signature,
            "SP800-155 Event2");
  EXPECT_EQ(Decoded<NoAction>(Event(0, kEvNoAction, {})).signature, "");
}

TEST(DecodeBootEvent, Separators) {
  EXPECT_THAT(Sentence(4, kEvSeparator, Bytes(4)), HasSubstr("ended in PCR 4"));
  EXPECT_THAT(Sentence(4, kEvSeparator, {1, 0, 0, 0}), HasSubstr("error in PCR 4"));
  EXPECT_THAT(Sentence(4, kEvSeparator, {2, 0, 0, 0}), HasSubstr("0x2"));
  EXPECT_THAT(Sentence(4, kEvSeparator, ToBytes("WBCL")), HasSubstr("unknown value"));
  EXPECT_THAT(Sentence(4, kEvSeparator, ToBytes("because")), HasSubstr("7 bytes"));
}

TEST(DecodeBootEvent, MokAndSbat) {
  const auto sbat = Decoded<EfiVariable>(
      Event(7, kEvEfiVariableAuthority, Variable(kGlobal, "SbatLevel", ToBytes("sbat,1,2021\n"))));
  EXPECT_EQ(sbat.text, "sbat,1,2021\\x0a");
  EXPECT_FALSE(sbat.signatures);
  const auto trusted = Event(7, kEvEfiVariableAuthority, Variable(kGlobal, "MokListTrusted", {1}));
  EXPECT_EQ(DecodeBootEvent(trusted).sentence, "The variable MokListTrusted is 1.");
  const Bytes hash_list = Join({Guid("c1c41626-504c-4092-aca9-41f936934328"), Le(28 + 96, 4),
                                Le(0, 4), Le(48, 4), Bytes(96, 5)});
  const auto mok = Decoded<EfiVariable>(
      Event(7, kEvEfiVariableDriverConfig, Variable(kGlobal, "MokListX", hash_list)));
  ASSERT_TRUE(mok.signatures);
  EXPECT_EQ(mok.signatures->sha256_hashes.size(), 2u);
  const auto name = Decoded<EventText>(Event(14, kEvIpl, ToBytes({"MokList\0", 8}), hash_list));
  EXPECT_EQ(name.kind, TextKind::kShimVariable);
  EXPECT_EQ(name.text, "MokList");
}

TEST(DecodeBootEvent, SignatureListsThatDoNotAddUpAreNone) {
  const Bytes type = Guid("c1c41626-504c-4092-aca9-41f936934328");
  for (const Bytes& list :
       {Join({type, Le(28 + 48, 4), Le(0, 4), Le(47, 4), Bytes(48)}),  // half an entry
        Join({type, Le(28 + 48, 4), Le(0, 4), Le(0, 4), Bytes(48)}),   // entries of nothing
        Join({type, Le(28 + 48, 4), Le(0xffffffff, 4), Le(48, 4), Bytes(48)}),
        Join({type, Le(27, 4), Le(0, 4), Le(48, 4), Bytes(48)}), Bytes(3)}) {
    const auto db = Decoded<EfiVariable>(
        Event(7, kEvEfiVariableDriverConfig, Variable(kSecurityDatabase, "db", list)));
    EXPECT_FALSE(db.signatures) << Hex(list);
  }
}

TEST(DecodeBootEvent, VariablesWhoseLengthsDoNotAddUpAreNone) {
  const Bytes good = Variable(kGlobal, "SecureBoot", {1});
  Bytes absurd = good;
  absurd[23] = 0x80;  // the name's length, times two, overflows
  for (const Bytes& data :
       {Join({good, {0}}), Bytes(good.begin(), good.end() - 1), absurd, Bytes()}) {
    const DecodedBootEvent decoded = DecodeBootEvent(Event(7, kEvEfiVariableDriverConfig, data));
    EXPECT_TRUE(std::holds_alternative<std::monostate>(decoded.detail));
    EXPECT_THAT(decoded.sentence, HasSubstr("cannot be read"));
  }
}

TEST(DecodeBootEvent, GptTable) {
  Bytes header(92);
  const Bytes disk = Guid("11111111-2222-3333-4444-555555555555");
  std::ranges::copy(disk, header.begin() + 56);
  header[84] = 128;
  Bytes entry = Join({Guid("c12a7328-f81f-11d2-ba4b-00a0c93ec93b"), disk, Le(2048, 8), Le(4095, 8),
                      Le(0, 8), Utf16("ESP")});
  entry.resize(128);
  const auto table = Decoded<GptTable>(Event(5, kEvEfiGptEvent, Join({header, Le(1, 8), entry})));
  EXPECT_EQ(table.disk_guid, "11111111-2222-3333-4444-555555555555");
  ASSERT_EQ(table.partitions.size(), 1u);
  EXPECT_EQ(table.partitions[0].type_guid, "c12a7328-f81f-11d2-ba4b-00a0c93ec93b");
  EXPECT_EQ(table.partitions[0].first_lba, 2048u);
  EXPECT_EQ(table.partitions[0].last_lba, 4095u);
  EXPECT_EQ(table.partitions[0].name, "ESP");
  EXPECT_THAT(Sentence(5, kEvEfiGptEvent, Join({header, Le(~0ULL, 8), entry})),
              HasSubstr("cannot be read"));
}

TEST(DecodeBootEvent, BlobsAndTables) {
  const auto blob = Decoded<FirmwareBlob>(
      Event(0, kEvEfiPlatformFirmwareBlob2, Join({{4}, ToBytes("POST"), Le(1, 8), Le(2, 8)})));
  EXPECT_EQ(blob.description, "POST");
  EXPECT_EQ(blob.base, 1u);
  EXPECT_EQ(blob.size, 2u);
  const Bytes acpi = Guid("8868e871-e4f1-11d3-bc22-0080c73c8881");
  const auto tables = Decoded<HandoffTables>(
      Event(1, kEvEfiHandoffTables2, Join({{4}, ToBytes("ACPI"), Le(1, 8), acpi, Le(0x7000, 8)})));
  EXPECT_EQ(tables.description, "ACPI");
  EXPECT_THAT(tables.table_guids, ElementsAre("8868e871-e4f1-11d3-bc22-0080c73c8881"));
}

TEST(DecodeBootEvent, FirmwareCodeHasANameOrAPlace) {
  EXPECT_EQ(Sentence(0, kEvPostCode, ToBytes("ACPI DATA")), "EV_POST_CODE: ACPI DATA");
  EXPECT_EQ(Decoded<FirmwareBlob>(Event(0, kEvPostCode, Join({Le(0x820000, 8), Le(2, 8)}))).base,
            0x820000u);
  EXPECT_EQ(Decoded<FirmwareBlob>(
                Event(0, kEvPostCode2, Join({{3}, ToBytes("DXE"), Le(0x820000, 8), Le(2, 8)})))
                .description,
            "DXE");
}

TEST(DecodeBootEvent, GrubShimAndStubStrings) {
  const auto grub =
      Event(8, kEvIpl, ToBytes({"grub_cmd: linux /vmlinuz\0", 25}), ToBytes("linux /vmlinuz"));
  EXPECT_EQ(Decoded<EventText>(grub).kind, TextKind::kGrubCommand);
  EXPECT_EQ(Decoded<EventText>(grub).text, "linux /vmlinuz");
  EXPECT_EQ(Check(grub), DigestCheck::kMatchesPart);
  const auto kernel = Event(8, kEvIpl, ToBytes("kernel_cmdline: /vmlinuz quiet"));
  EXPECT_EQ(Decoded<EventText>(kernel).kind, TextKind::kGrubKernel);
  const auto file = Event(9, kEvIpl, ToBytes({"(hd0,gpt2)/vmlinuz\0", 19}), kOther);
  EXPECT_EQ(Decoded<EventText>(file).kind, TextKind::kPlain);
  EXPECT_EQ(Check(file), DigestCheck::kOfOther);
  const Bytes utf16 = Join({Utf16("root=/dev/vda quiet"), {0, 0}});
  const auto stub = Event(12, kEvIpl, utf16);
  EXPECT_EQ(Decoded<EventText>(stub).kind, TextKind::kUtf16CommandLine);
  EXPECT_EQ(Decoded<EventText>(stub).text, "root=/dev/vda quiet");
  EXPECT_EQ(Check(stub), DigestCheck::kMatches);
  EXPECT_THAT(Sentence(14, kEvOmitBootDeviceEvents, ToBytes("BOOT ATTEMPTS OMITTED")),
              HasSubstr("leaves attempts to boot out"));
}

TEST(DecodeBootEvent, LongSentencesAreCutAtACharacter) {
  Bytes text = ToBytes("x");
  for (int i = 0; i < 1000; ++i) text = Join({text, ToBytes("\xc3\xa9")});
  const DecodedBootEvent decoded = DecodeBootEvent(Event(9, kEvIpl, text));
  EXPECT_LE(decoded.sentence.size(), 1027u);
  EXPECT_THAT(decoded.sentence, EndsWith("\xc3\xa9..."));
  EXPECT_EQ(std::get<EventText>(decoded.detail).text, AsText(text));
}

TEST(DecodeBootEvent, TaggedEvents) {
  const Bytes conf = ToBytes("timeout 3");
  const auto event =
      Event(5, kEvEventTag, Join({Le(0xf5bc582a, 4), Le(conf.size(), 4), conf}), conf);
  EXPECT_EQ(Decoded<TaggedEvent>(event).name, "loader.conf");
  EXPECT_EQ(Decoded<TaggedEvent>(event).data, conf);
  EXPECT_EQ(Check(event), DigestCheck::kMatchesPart);
  EXPECT_THAT(Sentence(5, kEvEventTag, Join({Le(1, 4), Le(9, 4), {1}})),
              HasSubstr("cannot be read"));
}

TEST(CheckEventDigest, VariableByValueAloneIsAPart) {
  const Bytes whole = Variable(kGlobal, "BootOrder", {1, 0});
  EXPECT_EQ(Check(Event(1, kEvEfiVariableBoot, whole, {1, 0})), DigestCheck::kMatchesPart);
  EXPECT_EQ(Check(Event(1, kEvEfiVariableBoot2, whole)), DigestCheck::kMatches);
  EXPECT_EQ(Check(Event(1, kEvEfiVariableBoot, whole, kOther)), DigestCheck::kDiffers);
}

TEST(CheckEventDigest, ErrorSeparatorMayHaveItsReasonAsData) {
  EXPECT_EQ(Check(Event(0, kEvSeparator, ToBytes("no memory"), {1, 0, 0, 0})),
            DigestCheck::kMatchesPart);
  EXPECT_EQ(Check(Event(0, kEvSeparator, {1, 0, 0, 0})), DigestCheck::kMatches);
  EXPECT_EQ(Check(Event(0, kEvSeparator, Bytes(4), kOther)), DigestCheck::kDiffers);
}

TEST(CheckEventDigest, TextWithAndWithoutItsNul) {
  EXPECT_EQ(Check(Event(4, kEvEfiAction, ToBytes({"go\0", 3}), ToBytes("go"))),
            DigestCheck::kMatches);
  EXPECT_EQ(Check(Event(11, kEvIpl, Join({Utf16(".linux"), {0, 0}}), ToBytes({".linux\0", 7}))),
            DigestCheck::kMatches);
  EXPECT_EQ(Check(Event(4, kEvEfiAction, ToBytes("go"), ToBytes("stop"))), DigestCheck::kDiffers);
}

TEST(CheckEventDigest, ImagesBlobsAndUnknownBanks) {
  const auto image = Event(4, kEvEfiBootServicesApplication, Image(EndOfPath()), kOther);
  EXPECT_EQ(Check(image), DigestCheck::kOfOther);
  EXPECT_EQ(CheckEventDigest(image, TPM2_ALG_SHA384), DigestCheck::kNoDigest);
  BootEvent odd = image;
  odd.digests[TPM2_ALG_SM3_256] = Bytes(32);
  EXPECT_EQ(CheckEventDigest(odd, TPM2_ALG_SM3_256), DigestCheck::kNoDigest);
  EXPECT_EQ(Check(Event(0, kEvNoAction, {})), DigestCheck::kNotExtended);
}

TEST(DevicePathText, IsThatOfTheUefiSpecification) {
  const Bytes guid = Guid("01020304-0506-0708-090a-0b0c0d0e0f10");
  const auto text = [](const Bytes& nodes) { return DevicePathText(Join({nodes, EndOfPath()})); };
  EXPECT_EQ(
      text(Join({PathNode(2, 1, Join({Le(0x0a0341d0, 4), Le(0, 4)})), PathNode(1, 1, {2, 0x1f}),
                 PathNode(3, 18, Join({Le(1, 2), Le(0xffff, 2), Le(0, 2)})),
                 PathNode(4, 1, Join({Le(1, 4), Le(0x800, 8), Le(0x100000, 8), guid, {2, 2}})),
                 PathNode(4, 4, Join({Utf16("\\EFI\\debian\\shimx64.efi"), {0, 0}}))})),
      "PciRoot(0x0)/Pci(0x1F,0x2)/Sata(0x1,0xFFFF,0x0)/"
      "HD(1,GPT,01020304-0506-0708-090A-0B0C0D0E0F10,0x800,0x100000)/"
      "\\EFI\\debian\\shimx64.efi");
  EXPECT_EQ(text(PathNode(3, 23, Join({Le(1, 4), Le(0x1122334455667788, 8)}))),
            "NVMe(0x1,11-22-33-44-55-66-77-88)");
  EXPECT_EQ(text(Join({PathNode(3, 11, Join({Bytes(6, 0x52), Bytes(26), {1}})),
                       PathNode(3, 24, ToBytes("http://x/y"))})),
            "MAC(525252525252,0x1)/Uri(http://x/y)");
  EXPECT_EQ(text(PathNode(1, 4, guid)), "VenHw(01020304-0506-0708-090A-0B0C0D0E0F10)");
  EXPECT_EQ(text(PathNode(2, 1, Join({Le(0x030141d0, 4), Le(0, 4)}))), "Acpi(PNP0301,0x0)");
  EXPECT_EQ(text(PathNode(3, 5, {1, 2})), "USB(0x1,0x2)");
  EXPECT_EQ(text(PathNode(3, 2, Join({Le(3, 2), Le(4, 2)}))), "Scsi(0x3,0x4)");
  EXPECT_EQ(
      text(Join({PathNode(4, 8, Bytes(20)), PathNode(0x7f, 1, {}), PathNode(1, 5, Le(1, 4))})),
      "Offset(0x0,0x0),Ctrl(0x1)");
}

TEST(DevicePathText, WhatItDoesNotKnowIsHexAndWhatBreaksOffIsMarked) {
  EXPECT_EQ(DevicePathText(Join({PathNode(9, 8, {0xab}), EndOfPath()})), "Path(9,8,ab)");
  EXPECT_EQ(DevicePathText(Join({PathNode(1, 1, {1, 2, 3}), EndOfPath()})), "Path(1,1,010203)");
  EXPECT_EQ(DevicePathText(PathNode(1, 1, {0, 1})), "Pci(0x1,0x0)/?");
  EXPECT_EQ(DevicePathText({}), "/?");
  EXPECT_EQ(DevicePathText(Bytes{1, 1, 3, 0, 0, 0}), "/?");  // shorter than its own header
}

TEST(PrintableText, EscapesWhatMakesASecondLineOrIsNoText) {
  EXPECT_EQ(PrintableUtf8(ToBytes("a\n\x1b[31m\xff\xc3\xa9\xe2\x80\xae")),
            "a\\x0a\\x1b[31m\\xff\xc3\xa9\\u{202e}");
  EXPECT_EQ(PrintableUtf8(ToBytes("\xc0\x80\xed\xa0\x80")), "\\xc0\\x80\\xed\\xa0\\x80");
  EXPECT_EQ(PrintableUtf16(Bytes{'a', 0, 0x3d, 0xd8, 0x00, 0xde, 0x00, 0xd8, 'b', 0, 0, 0, 'c', 0}),
            "a\xf0\x9f\x98\x80\\u{d800}b");
}

}  // namespace
}  // namespace seaworthy::verify
