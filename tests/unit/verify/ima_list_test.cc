#include "seaworthy/ima_list.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <sstream>

#include "support/ima_entry.h"
#include "support/status_matchers.h"
#include "unit/verify/captures.h"
#include "verify/little_endian.h"
#include "verify/short_digest.h"

namespace seaworthy::verify {
namespace {

using ::seaworthy::testing::Fails;
using ::testing::HasSubstr;

// The values `tpm2_pcrread` told in the guest, PCR 10 of each bank.
std::map<std::uint16_t, Bytes> ReadPcr10(const std::string& folder) {
  const std::map<std::string, std::uint16_t> banks = {{"sha1:", TPM2_ALG_SHA1},
                                                      {"sha256:", TPM2_ALG_SHA256},
                                                      {"sha384:", TPM2_ALG_SHA384},
                                                      {"sha512:", TPM2_ALG_SHA512}};
  std::istringstream text{std::string(AsText(ReadCapture(folder, "pcrs.txt")))};
  std::map<std::uint16_t, Bytes> values;
  std::uint16_t bank = 0;
  for (std::string line; std::getline(text, line);) {
    std::string word;
    std::istringstream(line) >> word;
    if (const auto found = banks.find(word); found != banks.end()) bank = found->second;
    if (word == "10:") values[bank] = ParseHex(line.substr(line.find("0x") + 2)).value();
  }
  return values;
}

std::vector<ImaEntry> ReadAll(ImaListReader& reader, ByteView list) {
  reader.Add(list);
  std::vector<ImaEntry> entries;
  while (true) {
    const Result<std::optional<ImaEntry>> entry = reader.Next();
    EXPECT_TRUE(entry.ok()) << entry.status();
    if (!entry.ok() || !entry->has_value()) return entries;
    entries.push_back(**entry);
  }
}

using testing::MakeImaEntry;
using namespace std::string_literals;
const std::string kDigest = "sha256:\0"s + std::string(32, '\xab');
const std::string kHexDigest = "sha256:" + Hex(Bytes(32, 0xab));

// Views into what `reader` keeps.
ImaFields FieldsOf(const Bytes& binary, ImaListReader& reader) {
  const std::vector<ImaEntry> entries = ReadAll(reader, binary);
  EXPECT_EQ(entries.size(), 1U);
  const Result<ImaFields> fields = ParseImaFields(entries.at(0));
  EXPECT_TRUE(fields.ok()) << fields.status();
  return *fields;
}

std::string Line(const Bytes& entry, const std::string& rest) {
  return "10 " + Hex(ByteView(entry).subspan(4, 20)) + " " + rest + "\n";
}

class GuestList : public ::testing::TestWithParam<std::string> {
 protected:
  Bytes list_ = ReadCapture(GetParam(), "binary_runtime_measurements");
};

TEST_P(GuestList, ReplaysToTheKernelsPcr10InEveryBank) {
  const std::map<std::uint16_t, Bytes> pcr10 = ReadPcr10(GetParam());
  ASSERT_EQ(pcr10.size(), 2U);
  for (const auto& [bank, expected] : pcr10) {
    ImaReplay replay = ImaReplay::Start(bank).value();
    ImaListReader reader;
    std::optional<ImaReplay::Form> found;
    for (const ImaEntry& entry : ReadAll(reader, list_)) {
      const auto sha1 = ImaTemplateSha1(entry);
      if (!entry.IsViolation()) {
        EXPECT_TRUE(std::ranges::equal(sha1, entry.template_digest)) << entry.number;
      }
      replay.Extend(entry, sha1);
      if (const auto form = replay.Find(expected)) found = form;
    }
    ASSERT_TRUE(found) << "bank " << bank;
    EXPECT_EQ(*found, ImaReplay::Form::kNative);
  }
}

TEST_P(GuestList, GoesOnFromAValue) {
  ImaListReader reader;
  const std::vector<ImaEntry> entries = ReadAll(reader, list_);
  ImaReplay whole = ImaReplay::Start(TPM2_ALG_SHA256).value();
  std::optional<ImaReplay> later;
  for (const ImaEntry& entry : entries) {
    if (entry.number == entries.size() / 2) {
      later = ImaReplay::Resume(TPM2_ALG_SHA256, ImaReplay::Form::kNative,
                                whole.Value(ImaReplay::Form::kNative))
                  .value();
    }
    whole.Extend(entry, ImaTemplateSha1(entry));
    if (later) later->Extend(entry, ImaTemplateSha1(entry));
  }
  ASSERT_TRUE(later);
  EXPECT_TRUE(later->Find(whole.Value(ImaReplay::Form::kNative)));
  EXPECT_FALSE(later->Find(whole.Value(ImaReplay::Form::kPaddedSha1)));
}

TEST_P(GuestList, EveryEntryHasADigestAndAPath) {
  ImaListReader reader;
  const std::vector<ImaEntry> entries = ReadAll(reader, list_);
  ASSERT_GT(entries.size(), 300U);
  for (const ImaEntry& entry : entries) {
    const Result<ImaFields> fields = ParseImaFields(entry);
    ASSERT_TRUE(fields.ok()) << fields.status();
    EXPECT_FALSE(fields->path.empty());
    EXPECT_EQ(fields->digest.size(), fields->hash == "sha256" ? 32U : 20U) << fields->path;
  }
  EXPECT_EQ(ParseImaFields(entries[0])->path, "boot_aggregate");
}

TEST_P(GuestList, AsciiFormIsTheSame) {
  const Bytes ascii = ReadCapture(GetParam(), "ascii_runtime_measurements");
  const Result<Bytes> binary = ImaAsciiToBinary(AsText(ascii));
  ASSERT_TRUE(binary.ok()) << binary.status();
  // One of the two was read a moment later.
  const std::size_t common = std::min(binary->size(), list_.size());
  EXPECT_GT(common, list_.size() * 9 / 10);
  EXPECT_TRUE(std::ranges::equal(ByteView(*binary).first(common), ByteView(list_).first(common)));
}

TEST_P(GuestList, InChunksOfAnySize) {
  ImaListReader whole;
  const std::size_t count = ReadAll(whole, list_).size();
  EXPECT_EQ(whole.rest(), 0U);
  for (const std::size_t size : {1U, 7U, 100U, 4096U}) {
    ImaListReader reader;
    std::size_t seen = 0;
    for (std::size_t at = 0; at < list_.size(); at += size) {
      reader.Add(ByteView(list_).subspan(at, std::min(size, list_.size() - at)));
      while (true) {
        const auto entry = reader.Next();
        ASSERT_TRUE(entry.ok()) << entry.status();
        if (!entry->has_value()) break;
        EXPECT_EQ((*entry)->number, seen++);
      }
    }
    EXPECT_EQ(seen, count);
    EXPECT_EQ(reader.rest(), 0U);
  }
}

TEST_P(GuestList, CutAnywhereTellsOfTheRest) {
  std::size_t whole_entries = 0;
  for (std::size_t size = 0; size < list_.size(); ++size) {
    ImaListReader reader;
    reader.Add(ByteView(list_).first(size));
    Result<std::optional<ImaEntry>> entry = reader.Next();
    while (entry.ok() && entry->has_value()) entry = reader.Next();
    ASSERT_TRUE(entry.ok()) << entry.status();
    if (reader.rest() == 0) ++whole_entries;
  }
  ImaListReader reader;
  EXPECT_EQ(whole_entries, ReadAll(reader, list_).size());
}

INSTANTIATE_TEST_SUITE_P(Captures, GuestList, ::testing::ValuesIn(GuestFolders()), TestName);

TEST(ImaReplay, AnEditedRemovedOrSwappedEntryChangesTheValue) {
  const Bytes a = MakeImaEntry("ima-ng", {kDigest, "/a\0"s});
  const Bytes b = MakeImaEntry("ima-ng", {kDigest, "/b\0"s});
  const auto value = [](const std::vector<Bytes>& list) {
    ImaReplay replay = ImaReplay::Start(TPM2_ALG_SHA256).value();
    for (const Bytes& bytes : list) {
      ImaListReader reader;
      for (const ImaEntry& entry : ReadAll(reader, bytes)) {
        replay.Extend(entry, ImaTemplateSha1(entry));
      }
    }
    return Hex(replay.Value(ImaReplay::Form::kNative));
  };
  Bytes edited = a;
  edited[edited.size() - 2] = 'c';
  const std::string whole = value({a, b});
  EXPECT_NE(value({a}), whole);
  EXPECT_NE(value({b, a}), whole);
  EXPECT_NE(value({edited, b}), whole);
  EXPECT_EQ(value({a, b}), whole);
}

TEST(ImaReplay, AViolationExtendsOnes) {
  const Bytes violation =
      MakeImaEntry("ima-ng", {"sha1:\0"s + std::string(20, '\0'), "/a\0"s}, true);
  ImaListReader reader;
  const std::vector<ImaEntry> entries = ReadAll(reader, violation);
  ASSERT_TRUE(entries.at(0).IsViolation());
  ImaReplay replay = ImaReplay::Start(TPM2_ALG_SHA256).value();
  replay.Extend(entries[0], ImaTemplateSha1(entries[0]));
  Bytes expected(32);
  ShortDigest(TPM2_ALG_SHA256, {Bytes(32, 0x00), Bytes(32, 0xff)}, expected.data());
  EXPECT_TRUE(replay.Find(expected));
}

// As Debian's kernel does it in the banks whose hash is a module there.
TEST(ImaReplay, KnowsAPaddedSha1) {
  const Bytes list = MakeImaEntry("ima-ng", {kDigest, "/a\0"s});
  ImaListReader reader;
  const std::vector<ImaEntry> entries = ReadAll(reader, list);
  Bytes padded(48);
  std::ranges::copy(entries.at(0).template_digest, padded.begin());
  Bytes expected(48);
  ShortDigest(TPM2_ALG_SHA384, {Bytes(48), padded}, expected.data());
  ImaReplay replay = ImaReplay::Start(TPM2_ALG_SHA384).value();
  replay.Extend(entries[0], ImaTemplateSha1(entries[0]));
  EXPECT_EQ(replay.Find(expected), ImaReplay::Form::kPaddedSha1);
  ImaReplay native =
      ImaReplay::Resume(TPM2_ALG_SHA384, ImaReplay::Form::kNative, Bytes(48)).value();
  native.Extend(entries[0], ImaTemplateSha1(entries[0]));
  EXPECT_EQ(native.Find(expected), std::nullopt);
}

TEST(ImaReplay, KnowsNoOtherBanks) {
  EXPECT_THAT(ImaReplay::Start(TPM2_ALG_SM3_256),
              Fails(Code::kInvalidArgument, "UNSUPPORTED_HASH"));
  EXPECT_THAT(ImaReplay::Resume(TPM2_ALG_SHA256, ImaReplay::Form::kNative, Bytes(20)),
              Fails(Code::kInvalidArgument, "MALFORMED"));
}

TEST(ImaFields, OfEveryTemplate) {
  const std::string path = "/usr/bin/runc\0"s;
  const std::string verity = "verity:" + kDigest;
  for (const auto& [name, fields] : std::map<std::string, std::vector<std::string>>{
           {"ima-ng", {kDigest, path}},
           {"ima-sig", {kDigest, path, "\3\2sig"}},
           {"ima-ngv2", {verity, path}},
           {"ima-sigv2", {verity, path, "\3\2sig"}},
           {"ima-buf", {kDigest, path, "buffer"}},
           {"ima-modsig", {kDigest, path, "\3\2sig", "sha512:\0"s + std::string(64, 'x'), "mod"}},
           {"evm-sig",
            {kDigest, path, "evm", "security.ima\0"s, "\1\0\0\0"s, "v", "\0\0\0\0"s, "\0\0\0\0"s,
             "\xed\x81"s}},
           {"d-ng|n-ng", {kDigest, path}},
           {"n-ng|sig|d-ng", {path, "\3\2sig", kDigest}}}) {
    const Bytes binary = MakeImaEntry(name, fields);
    ImaListReader reader;
    const ImaFields read = FieldsOf(binary, reader);
    EXPECT_EQ(read.path, "/usr/bin/runc") << name;
    EXPECT_EQ(read.hash, "sha256") << name;
    EXPECT_EQ(Hex(read.digest), Hex(Bytes(32, 0xab))) << name;
    EXPECT_EQ(read.verity, name.ends_with("v2")) << name;
    const bool has_signature = name != "evm-sig" && name.find("sig") != std::string::npos;
    EXPECT_EQ(AsText(read.signature), has_signature ? "\3\2sig" : "") << name;
    EXPECT_EQ(AsText(read.buffer), name == "ima-buf" ? "buffer" : "");
    EXPECT_EQ(AsText(read.modsig), name == "ima-modsig" ? "mod" : "");
    EXPECT_EQ(AsText(read.evm_signature), name == "evm-sig" ? "evm" : "");
  }
}

TEST(ImaFields, RefusesWhatDoesNotFitTheTemplate) {
  const std::string path = "/a\0"s;
  const auto parse = [](const std::string& name, const std::vector<std::string>& fields) {
    static Bytes binary;
    binary = MakeImaEntry(name, fields);
    ImaListReader reader;
    static std::vector<ImaEntry> entries;
    static ImaListReader keeps;
    keeps = ImaListReader();
    entries = ReadAll(keeps, binary);
    return ParseImaFields(entries.at(0));
  };
  EXPECT_THAT(parse("d-ng|colour", {kDigest, path}),
              Fails(Code::kInvalidArgument, "IMA_TEMPLATE_UNKNOWN"));
  EXPECT_THAT(parse("ima-ng", {kDigest}), Fails(Code::kInvalidArgument, "IMA_LIST_MALFORMED"));
  EXPECT_THAT(parse("ima-ng", {kDigest, path, "more"}),
              Fails(Code::kInvalidArgument, "IMA_LIST_MALFORMED"));
  EXPECT_THAT(parse("ima-ng", {"sha256", path}),
              Fails(Code::kInvalidArgument, "IMA_LIST_MALFORMED"));
  EXPECT_THAT(parse("ima-ng", {kDigest, "no end"}),
              Fails(Code::kInvalidArgument, "IMA_LIST_MALFORMED"));
  EXPECT_THAT(parse("ima-ng", {kDigest, "/a\0b\0"s}),
              Fails(Code::kInvalidArgument, "IMA_LIST_MALFORMED"));
  EXPECT_THAT(parse("ima-ngv2", {kDigest, path}),
              Fails(Code::kInvalidArgument, "IMA_LIST_MALFORMED"));
  EXPECT_THAT(parse("ima-ngv2", {"tree:" + kDigest, path}),
              Fails(Code::kInvalidArgument, "IMA_LIST_MALFORMED"));
}

TEST(ImaListReader, RefusesAbsurdLengthsAndNamesThePlace) {
  const Bytes good = MakeImaEntry("ima-ng", {kDigest, "/a\0"s});
  const auto fails = [&](std::size_t at, std::uint32_t value, const std::string& says) {
    Bytes list = good;
    list.insert(list.end(), good.begin(), good.end());
    Bytes number;
    AppendLittleEndian32(value, number);
    std::ranges::copy(number, list.begin() + static_cast<std::ptrdiff_t>(good.size() + at));
    ImaListReader reader(7);
    reader.Add(list);
    EXPECT_TRUE(reader.Next().ok());
    const auto second = reader.Next();
    EXPECT_THAT(second, Fails(Code::kInvalidArgument, "IMA_LIST_MALFORMED"));
    EXPECT_THAT(Message(second.status()), HasSubstr("entry 8"));
    EXPECT_THAT(Message(second.status()), HasSubstr("byte " + std::to_string(good.size())));
    EXPECT_THAT(Message(second.status()), HasSubstr(says));
  };
  fails(0, 24, "PCR 24");
  fails(24, 0, "0 bytes");
  fails(24, 256, "256 bytes");
  fails(34, 0xffffffff, "4294967295 bytes");
}

TEST(ImaAscii, NamesWithSpacesNewlinesAndStrangeBytes) {
  for (const std::string name :
       {"/with space", "/ends with ", "/new\nline", "/\xff\xfe bytes", "/a sha256:00ff",
        "/x\n10 0000000000000000000000000000000000000001 ima-ng sha256:00 /y", "/\n\n"}) {
    const Bytes sig = MakeImaEntry("ima-sig", {kDigest, name + '\0', ""});
    const Bytes signed_ = MakeImaEntry("ima-sig", {kDigest, name + '\0', "\3\2ab"});
    const Bytes ng = MakeImaEntry("ima-ng", {kDigest, name + '\0'});
    const std::string digest = "ima-sig " + kHexDigest + " ";
    const std::string ascii =
        Line(sig, digest + name + " ") + Line(signed_, digest + name + " 03026162") +
        // As kernels before the space for an empty field.
        Line(sig, digest + name) + Line(ng, "ima-ng " + kHexDigest + " " + name);
    Bytes expected;
    for (const Bytes& entry : {sig, signed_, sig, ng}) {
      expected.insert(expected.end(), entry.begin(), entry.end());
    }
    const Result<Bytes> binary = ImaAsciiToBinary(ascii);
    ASSERT_TRUE(binary.ok()) << binary.status();
    EXPECT_EQ(Hex(*binary), Hex(expected)) << name;
  }
}

TEST(ImaAscii, OfEveryTemplate) {
  const std::string mod = "sha512:" + Hex(Bytes(64, 'x'));
  const std::vector<std::pair<Bytes, std::string>> lines = {
      {MakeImaEntry("ima-ngv2", {"ima:" + kDigest, "/a\0"s}), "ima-ngv2 ima:" + kHexDigest + " /a"},
      {MakeImaEntry("ima-sigv2", {"verity:" + kDigest, "/a\0"s, "s"}),
       "ima-sigv2 verity:" + kHexDigest + " /a 73"},
      {MakeImaEntry("ima-buf", {kDigest, "kexec-cmdline\0"s, "ro"}),
       "ima-buf " + kHexDigest + " kexec-cmdline 726f"},
      {MakeImaEntry("ima-modsig", {kDigest, "/a\0"s, "", "sha512:\0"s + std::string(64, 'x'), "m"}),
       "ima-modsig " + kHexDigest + " /a  " + mod + " 6d"},
      {MakeImaEntry("ima-modsig", {kDigest, "/a\0"s, "s", "", ""}),
       "ima-modsig " + kHexDigest + " /a 73  "},
      {MakeImaEntry("evm-sig", {kDigest, "/a\0"s, "e", "security.ima\0"s, "\4\0\0\0"s, "vvvv",
                                "\xe8\3\0\0"s, "\0\0\0\0"s, "\xed\x81"}),
       "evm-sig " + kHexDigest + " /a 65 security.ima 04000000 76767676 1000 0 33261"},
  };
  for (const auto& [binary, ascii] : lines) {
    const Result<Bytes> read = ImaAsciiToBinary(Line(binary, ascii));
    ASSERT_TRUE(read.ok()) << read.status() << ascii;
    EXPECT_EQ(Hex(*read), Hex(binary)) << ascii;
  }
}

TEST(ImaAscii, AnEditedLineIsReadAndKeepsItsDigest) {
  const Bytes entry = MakeImaEntry("ima-ng", {kDigest, "/a\0"s});
  const Result<Bytes> read = ImaAsciiToBinary(Line(entry, "ima-ng " + kHexDigest + " /b"));
  ASSERT_TRUE(read.ok()) << read.status();
  ImaListReader reader;
  const std::vector<ImaEntry> entries = ReadAll(reader, *read);
  ASSERT_EQ(entries.size(), 1U);
  EXPECT_FALSE(std::ranges::equal(ImaTemplateSha1(entries[0]), entries[0].template_digest));
  EXPECT_EQ(ParseImaFields(entries[0])->path, "/b");
}

TEST(ImaAscii, NamesTheLineThatIsNone) {
  const Bytes entry = MakeImaEntry("ima-ng", {kDigest, "/a\0"s});
  const std::string good = Line(entry, "ima-ng " + kHexDigest + " /a");
  EXPECT_THAT(ImaAsciiToBinary("hello\n" + good),
              Fails(Code::kInvalidArgument, "IMA_LIST_MALFORMED"));
  EXPECT_THAT(ImaAsciiToBinary("99" + good.substr(2)),
              Fails(Code::kInvalidArgument, "IMA_LIST_MALFORMED"));
  const auto second = ImaAsciiToBinary(good + Line(entry, "ima-ng nonsense /a"));
  EXPECT_THAT(second, Fails(Code::kInvalidArgument, "IMA_LIST_MALFORMED"));
  EXPECT_THAT(Message(second.status()), HasSubstr("line 2"));
}

}  // namespace
}  // namespace seaworthy::verify
