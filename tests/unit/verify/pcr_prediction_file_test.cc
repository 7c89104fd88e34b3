// Predictions for a file that is replaced. Images are made and signed by Debian's programs.
#include <gmock/gmock.h>

#include "seaworthy/pcr_prediction.h"
#include "support/status_matchers.h"
#include "unit/verify/boot_log_builder.h"
#include "unit/verify/pe_maker.h"
#include "verify/unified_kernel.h"

namespace seaworthy::verify {
namespace {

using ::seaworthy::testing::Fails;
using ::seaworthy::testing::IsOk;
using ::testing::HasSubstr;

constexpr const char* kPath = "\\EFI\\BOOT\\BOOTX64.EFI";

// What Authenticode's digest is over, so that the log's builder takes the digest.
Bytes HashedOf(const Bytes& file) {
  Bytes all;
  const PeImage image = ParsePeImage(file).value();
  for (const ByteView part : image.hashed) all.insert(all.end(), part.begin(), part.end());
  return all;
}

Bytes Tagged(std::uint32_t id) { return Join({Le(id, 4), Le(4, 4), ToBytes("name")}); }

struct BootOf {
  const Bytes& image;
  std::string authority = "a";  // signer; none where Secure Boot is off
  std::string prepended = "";   // to the initrd, by the stub
  bool inner = false;           // the kernel goes through the firmware
};

BootLog LogOf(const BootOf& boot) {
  const PeImage image = ParsePeImage(boot.image).value();
  LogBuilder builder(Banks({TPM2_ALG_SHA1, TPM2_ALG_SHA256, TPM2_ALG_SHA384, TPM2_ALG_SHA512}));
  builder.Separators();
  if (!boot.authority.empty()) {
    builder.Add(7, kEvEfiVariableAuthority,
                Variable(kSecurityDatabase, "db", ToBytes(std::string(200, boot.authority[0]))));
  }
  builder.Add(4, kEvEfiBootServicesApplication, Image(FilePath(kPath)), HashedOf(boot.image));
  if (!IsUnifiedKernel(image)) return builder.Parse();
  Bytes initrd = ToBytes(boot.prepended);
  const std::vector<UkiSection> sections = MeasuredSections(image).value();
  for (const UkiSection& section : sections) {
    const Bytes content(section.content.begin(), section.content.end());
    const std::string name(section.name);
    builder.Add(11, kEvIpl, Join({Utf16(name), {0, 0}}), ToBytes(name + '\0'));
    builder.Add(11, kEvIpl, Join({Utf16(name), {0, 0}}), content);
    if (name == ".initrd") initrd.insert(initrd.end(), content.begin(), content.end());
    if (name != ".cmdline") continue;
    builder.Add(9, kEvEventTag, Tagged(0x8f3b22ed), LoadOptionsOf(content).value());
  }
  builder.Add(9, kEvEventTag, Tagged(0x8f3b22ec), initrd);
  if (boot.inner) builder.Add(4, kEvEfiBootServicesApplication, Image({}), ToBytes("kernel"));
  return builder.Parse();
}

std::vector<PcrValue> Replayed(const BootLog& log) {
  std::vector<PcrValue> values;
  for (const ReplayedPcr& pcr : ReplayBootLog(log).pcrs) {
    values.push_back({pcr.bank, pcr.index, pcr.digest});
  }
  return values;
}

Result<std::vector<PcrValue>> Predict(const BootLog& log, std::uint16_t bank,
                                      const std::vector<std::uint32_t>& pcrs,
                                      const FileChange& change) {
  const std::vector<PcrValue> present = Replayed(log);
  return PredictPcrs({log, present, bank, pcrs}, {change});
}

// One PCR in SHA-256, as text: the value, or why there is none.
std::string Predicted(const BootLog& log, std::uint32_t pcr, const FileChange& change) {
  const auto values = Predict(log, TPM2_ALG_SHA256, {pcr}, change);
  if (values.ok()) return Hex(values->at(0).digest);
  EXPECT_THAT(values, Fails(Code::kFailedPrecondition, "CANNOT_PREDICT"));
  EXPECT_THAT(Message(values.status()), HasSubstr("PCR " + std::to_string(pcr) + " cannot"));
  return Message(values.status());
}

std::string ValueIn(const BootLog& log, std::uint32_t pcr) {
  return Hex(PcrOf(ReplayBootLog(log), TPM2_ALG_SHA256, pcr));
}

class PcrPredictionOfFile : public ::testing::Test {
 protected:
  PcrPredictionOfFile() {
    maker_.MakeKey("a");
    maker_.MakeKey("b");
  }

  Bytes Uki(const std::string& kernel, const std::string& command_line, const std::string& initrd,
            const std::string& key = "a", const PeMaker::Sections& others = {}) const {
    PeMaker::Sections sections = {
        {".osrel", "ID=x\n"}, {".cmdline", command_line}, {".linux", kernel}, {".initrd", initrd}};
    sections.insert(sections.end(), others.begin(), others.end());
    return maker_.Signed(maker_.Uki(sections), key);
  }

  const PeMaker& maker() const { return maker_; }

 private:
  PeMaker maker_;
};

TEST_F(PcrPredictionOfFile, UnifiedKernelIsPredictedInEachPcrAndBank) {
  const Bytes before = Uki("kernel 1", "quiet", "initrd 1");
  const Bytes after = Uki("kernel 2", "single\n", "initrd 2, longer", "a", {{".dtb", "tree"}});
  const BootLog log = LogOf({before});
  const std::vector<PcrValue> expected = Replayed(LogOf({after}));
  const std::vector<std::uint32_t> pcrs = {0, 4, 7, 9, 11, 12};
  for (const std::uint16_t bank :
       {TPM2_ALG_SHA1, TPM2_ALG_SHA256, TPM2_ALG_SHA384, TPM2_ALG_SHA512}) {
    const auto values = Predict(log, bank, pcrs, {"", ByteView(before), after});
    ASSERT_THAT(values, IsOk());
    ASSERT_EQ(values->size(), pcrs.size());
    for (const PcrValue& value : *values) {
      for (const PcrValue& other : expected) {
        if (other.bank != bank || other.index != value.index) continue;
        EXPECT_EQ(Hex(value.digest), Hex(other.digest)) << value.index;
      }
    }
  }
}

TEST_F(PcrPredictionOfFile, PathNamesTheFileWhereTheOldOneIsNotThere) {
  const Bytes before = Uki("kernel 1", "quiet", "initrd 1");
  const Bytes after = Uki("kernel 2", "quiet", "initrd 2");
  const BootLog log = LogOf({before});
  const FileChange change = {"/efi/boot/bootx64.efi", std::nullopt, after};
  for (const std::uint32_t pcr : {4U, 9U, 11U}) {
    EXPECT_EQ(Predicted(log, pcr, change), ValueIn(LogOf({after}), pcr)) << pcr;
  }
  EXPECT_THAT(Predicted(log, 7, change), HasSubstr("not known to be signed as the old one"));
  EXPECT_THAT(Predicted(log, 4, {"/boot/bootx64.ef", std::nullopt, after}),
              HasSubstr("no event names the file"));
  EXPECT_THAT(Predicted(log, 4, {"bootx64.efi", std::nullopt, after}),
              HasSubstr("no event names the file"));
  const Bytes other = Uki("kernel 2", "single", "initrd 2");
  EXPECT_THAT(Predicted(log, 9, {"/efi/boot/bootx64.efi", std::nullopt, other}),
              HasSubstr("not over the section .cmdline"));
  EXPECT_THAT(Predicted(LogOf({.image = before, .inner = true}), 4, change),
              HasSubstr("may be the kernel out of the old file"));
}

TEST_F(PcrPredictionOfFile, FileThatIsNotInTheLogIsNotPredicted) {
  const Bytes before = Uki("kernel 1", "quiet", "initrd 1");
  const Bytes other = Uki("kernel 3", "quiet", "initrd 1");
  EXPECT_THAT(Predicted(LogOf({before}), 4, {"", ByteView(other), before}),
              HasSubstr("no event has the digest of the old file"));
}

TEST_F(PcrPredictionOfFile, AnotherSignerIsNotPredictedInPcr7) {
  const Bytes before = Uki("kernel 1", "quiet", "initrd");
  const Bytes after = Uki("kernel 2", "quiet", "initrd", "b");
  const FileChange change = {"", ByteView(before), after};
  EXPECT_THAT(Predicted(LogOf({before}), 7, change), HasSubstr("signed as the old one"));
  EXPECT_EQ(Predicted(LogOf({before}), 4, change), ValueIn(LogOf({after}), 4));
  const BootLog off = LogOf({.image = before, .authority = ""});
  EXPECT_EQ(Predicted(off, 7, change), ValueIn(off, 7));
}

TEST_F(PcrPredictionOfFile, ImageAllowedByItsHashIsNotPredictedInPcr7) {
  const Bytes before = Uki("kernel 1", "quiet", "initrd");
  const Bytes after = Uki("kernel 2", "quiet", "initrd");
  LogBuilder builder;
  const Bytes entry = Join({Bytes(16), HashIn({TPM2_ALG_SHA256, 32}, HashedOf(before))});
  builder.Separators().Add(7, kEvEfiVariableAuthority, Variable(kSecurityDatabase, "db", entry));
  builder.Add(4, kEvEfiBootServicesApplication, Image(FilePath(kPath)), HashedOf(before));
  EXPECT_THAT(Predicted(builder.Parse(), 7, {"", ByteView(before), after}),
              HasSubstr("is the hash of an image"));
}

TEST_F(PcrPredictionOfFile, OtherShimIsNotPredictedInPcr7) {
  const auto shim = [&](const std::string& certificate) {
    return maker().Signed(maker().Uki({{".vendor_cert", certificate}}), "a");
  };
  const Bytes before = shim("one");
  const Bytes after = shim("two");
  const FileChange change = {"", ByteView(before), after};
  EXPECT_EQ(Predicted(LogOf({before}), 4, change), ValueIn(LogOf({after}), 4));
  EXPECT_THAT(Predicted(LogOf({before}), 7, change), HasSubstr(".vendor_cert"));
  EXPECT_THAT(Predicted(LogOf({before}), 14, change), HasSubstr(".vendor_cert"));
  EXPECT_EQ(Predicted(LogOf({before}), 7, {"", ByteView(before), before}),
            ValueIn(LogOf({before}), 7));
}

TEST_F(PcrPredictionOfFile, InitrdThatTheStubAddedToIsNotPredicted) {
  const Bytes before = Uki("kernel 1", "quiet", "initrd 1");
  const Bytes after = Uki("kernel 2", "quiet", "initrd 2");
  const BootLog log = LogOf({.image = before, .prepended = "credentials"});
  EXPECT_THAT(Predicted(log, 9, {"", ByteView(before), after}),
              HasSubstr("not over the section .initrd"));
  const Bytes with_signature = Uki("kernel 2", "quiet", "initrd 1", "a", {{".pcrsig", "{}"}});
  const FileChange change = {"", ByteView(before), with_signature};
  EXPECT_THAT(Predicted(LogOf({before}), 9, change), HasSubstr("signed PCRs"));
  EXPECT_EQ(Predicted(LogOf({before}), 11, change), ValueIn(LogOf({with_signature}), 11));
}

TEST_F(PcrPredictionOfFile, SectionsThatAreNotTheOldFilesAreNotPredicted) {
  const Bytes before = Uki("kernel 1", "quiet", "initrd 1");
  const Bytes after = Uki("kernel 2", "quiet", "initrd 2");
  const auto predicted = [&](auto edit) {
    BootLog log = LogOf({before});
    edit(log);
    return Predicted(log, 11, {"", ByteView(before), after});
  };
  const auto of_uki = [](BootLog& log) {
    return std::ranges::find_if(log.events, [](const BootEvent& event) { return event.pcr == 11; });
  };
  EXPECT_EQ(predicted([](BootLog&) {}), ValueIn(LogOf({after}), 11));
  static constexpr const char* kWhy = "not those of the old file's sections";
  EXPECT_THAT(predicted([&](BootLog& log) { log.events.erase(of_uki(log)); }), HasSubstr(kWhy));
  EXPECT_THAT(predicted([&](BootLog& log) { of_uki(log)->digests[TPM2_ALG_SHA256][0] ^= 1; }),
              HasSubstr(kWhy));
  EXPECT_THAT(predicted([&](BootLog& log) {
                BootEvent other = *of_uki(log);
                other.type = kEvAction;
                log.events.insert(of_uki(log) + 2, other);
              }),
              HasSubstr(kWhy));
}

TEST_F(PcrPredictionOfFile, UnifiedKernelInPlaceOfAnotherImageIsNotPredicted) {
  const Bytes uki = Uki("kernel", "quiet", "initrd");
  const Bytes loader = maker().Signed(ReadAll(kBootLoader), "a");
  for (const std::uint32_t pcr : {4U, 9U, 11U}) {
    EXPECT_THAT(Predicted(LogOf({loader}), pcr, {"", ByteView(loader), uki}),
                HasSubstr("only one of"));
    EXPECT_THAT(Predicted(LogOf({uki}), pcr, {"", ByteView(uki), loader}),
                HasSubstr("only one of"));
  }
}

TEST_F(PcrPredictionOfFile, StubOfAnotherVersionIsNotPredicted) {
  const Bytes before = Uki("kernel 1", "quiet", "initrd 1");
  Bytes after = before;
  static constexpr std::string_view kVersion = "systemd-stub 252";
  std::ranges::search(after, kVersion).begin()[kVersion.size() - 1] = '7';
  for (const std::uint32_t pcr : {4U, 9U, 11U}) {
    EXPECT_THAT(Predicted(LogOf({before}), pcr, {"", ByteView(before), after}),
                HasSubstr("not one of systemd-stub 252"));
  }
}

TEST_F(PcrPredictionOfFile, KernelUnderGrubIsAnImageAndAFile) {
  const Bytes before = maker().Signed(ReadAll(kBootLoader), "a");
  const Bytes after = maker().Signed(ReadAll(kStub), "a");
  const auto log = [](const Bytes& kernel) {
    LogBuilder builder;
    builder.Separators();
    builder.Add(9, kEvIpl, ToBytes("(hd0,gpt2)/vmlinuz"), kernel);
    builder.Add(4, kEvEfiBootServicesApplication, Image({}), HashedOf(kernel));
    return builder.Parse();
  };
  for (const std::uint32_t pcr : {4U, 9U}) {
    EXPECT_EQ(Predicted(log(before), pcr, {"", ByteView(before), after}), ValueIn(log(after), pcr));
  }
  EXPECT_EQ(Predicted(log(before), 9, {"/vmlinuz", std::nullopt, after}), ValueIn(log(after), 9));
}

TEST_F(PcrPredictionOfFile, InitrdIsPredictedWhereTheKernelGotItAlone) {
  const auto log = [](const Bytes& file, const Bytes& initrd) {
    LogBuilder builder;
    builder.Separators().Add(9, kEvIpl, ToBytes("(hd0,gpt2)/initrd"), file);
    return builder.Add(9, kEvEventTag, Tagged(0x8f3b22ec), initrd).Parse();
  };
  const Bytes before = {'0', '7', 0};
  const Bytes after = {'0', '8', 0};
  EXPECT_EQ(Predicted(log(before, before), 9, {"", ByteView(before), after}),
            ValueIn(log(after, after), 9));
  EXPECT_THAT(Predicted(log(before, {1, '0', '7', 0}), 9, {"", ByteView(before), after}),
              HasSubstr("which may have the file in it"));
  const Bytes script = ToBytes("set timeout=0\n");
  EXPECT_THAT(Predict(log(script, before), TPM2_ALG_SHA256, {9},
                      {"", ByteView(script), ToBytes("set timeout=1\n")}),
              IsOk());
}

TEST_F(PcrPredictionOfFile, BrokenImagesAreRefused) {
  const Bytes before = Uki("kernel", "quiet", "initrd");
  const Bytes broken(before.begin(), before.begin() + 1000);
  const auto values =
      Predict(LogOf({before}), TPM2_ALG_SHA256, {4}, {"", ByteView(before), broken});
  EXPECT_THAT(values, Fails(Code::kInvalidArgument, "MALFORMED"));
  EXPECT_THAT(Message(values.status()), HasSubstr("the new file"));
}

}  // namespace
}  // namespace seaworthy::verify
