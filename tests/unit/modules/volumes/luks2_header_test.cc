#include "seaworthy/modules/volumes/luks2_header.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <fstream>

#include "support/program.h"
#include "support/temp_root.h"
#include "unit/modules/volumes/header_image.h"

namespace seaworthy::volumes {
namespace {

using nlohmann::json;
using ::seaworthy::testing::Fails;
using ::seaworthy::testing::IsOk;
using ::seaworthy::testing::TempRoot;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

// What cryptsetup makes of the same bytes; empty: it refuses them.
std::string AsCryptsetupReads(const HeaderImage& image) {
  const TempRoot root;
  std::ofstream(root / "volume", std::ios::binary) << image.bytes();
  const std::string command =
      "/usr/sbin/cryptsetup luksDump --dump-json-metadata " + (root / "volume") + " 2>/dev/null";
  const testing::ProgramOutput output = testing::OutputOf(command);
  return output.status == 0 ? output.text : "";
}

void ExpectReadAsCryptsetupDoes(const HeaderImage& image) {
  const Result<Luks2Header> header = image.Read();
  ASSERT_THAT(header, IsOk());
  const Result<Luks2Metadata> theirs = ParseLuks2Metadata(AsCryptsetupReads(image));
  ASSERT_THAT(theirs, IsOk());
  EXPECT_THAT(SameMetadata(header->metadata, *theirs), IsOk());
}

json WithLabelledToken(json root, const char* type) {
  root["tokens"]["9"] = {{"type", type}, {"keyslots", json::array()}};
  return root;
}

TEST(Luks2Header, ReadsWhatCryptsetupWrote) {
  const Result<Luks2Header> header = HeaderImage("tpm2.header").Read();
  ASSERT_THAT(header, IsOk());
  EXPECT_FALSE(header->secondary);
  EXPECT_EQ(header->size, 16384);
  EXPECT_EQ(header->label, "data");
  EXPECT_EQ(header->subsystem, "");
  EXPECT_EQ(header->uuid.size(), 36);
  EXPECT_EQ(header->other_copy, "");
  EXPECT_FALSE(header->contradictory);
  const Luks2Metadata& metadata = header->metadata;
  ASSERT_EQ(metadata.keyslots.size(), 4);
  const Luks2Keyslot& keyslot = metadata.keyslots.at(1);
  EXPECT_EQ(keyslot.type, "luks2");
  EXPECT_EQ(keyslot.key_size, 64);
  EXPECT_EQ(keyslot.area.offset, 290816);
  EXPECT_EQ(keyslot.area.size, 258048);
  EXPECT_EQ(keyslot.area.encryption, "aes-xts-plain64");
  EXPECT_EQ(keyslot.area.key_size, 64);
  ASSERT_TRUE(keyslot.af);
  EXPECT_EQ(keyslot.af->hash, "sha512");
  EXPECT_EQ(keyslot.af->stripes, 4000);
  ASSERT_TRUE(keyslot.kdf);
  EXPECT_EQ(keyslot.kdf->type, "pbkdf2");
  EXPECT_EQ(keyslot.kdf->iterations, 1000);
  EXPECT_EQ(keyslot.kdf->salt.size(), 32);
  EXPECT_THAT(keyslot.unknown, IsEmpty());
  const Luks2Segment& segment = metadata.segments.at(0);
  EXPECT_EQ(segment.type, "crypt");
  EXPECT_EQ(segment.offset, 2097152);
  EXPECT_EQ(segment.size, std::nullopt);
  EXPECT_EQ(segment.encryption, "aes-xts-plain64");
  EXPECT_EQ(segment.sector_size, 4096);
  EXPECT_THAT(metadata.digests.at(0).keyslots, ElementsAre(0, 1, 2, 3));
  EXPECT_EQ(metadata.digests.at(0).digest.size(), 32);
  EXPECT_EQ(metadata.tokens.at(0).type, "systemd-tpm2");
  EXPECT_THAT(metadata.tokens.at(2).keyslots, ElementsAre(3));
  EXPECT_EQ(metadata.config.keyslots_size, 1048576);
}

TEST(Luks2Header, AllThatWasRecordedIsReadAsCryptsetupReadsIt) {
  for (const char* name :
       {"plain.header", "tpm2.header", "clevis.header", "reencrypting_0.header",
        "reencrypting_1.header", "reencrypting_2.header", "reencrypting_3.header"}) {
    SCOPED_TRACE(name);
    ExpectReadAsCryptsetupDoes(HeaderImage(name));
  }
}

TEST(Luks2Header, TakesTheNewerCopyAsCryptsetupDoes) {
  HeaderImage image("plain.header");
  image.SetText(1, WithLabelledToken(image.Json(), "newer").dump()).SetSequence(0, 9);
  image.SetSequence(1, 10);
  const Result<Luks2Header> header = image.Read();
  ASSERT_THAT(header, IsOk());
  EXPECT_TRUE(header->secondary);
  EXPECT_EQ(header->sequence, 10);
  EXPECT_TRUE(header->metadata.tokens.contains(9));
  EXPECT_THAT(header->other_copy, HasSubstr("primary copy of the header is older"));
  EXPECT_FALSE(header->contradictory);
  ExpectReadAsCryptsetupDoes(image);
  image.SetSequence(0, 11);
  ASSERT_THAT(image.Read(), IsOk());
  EXPECT_FALSE(image.Read()->secondary);
  EXPECT_THAT(image.Read()->other_copy, HasSubstr("secondary copy of the header is older"));
  ExpectReadAsCryptsetupDoes(image);
}

TEST(Luks2Header, CopiesOfOneAgeThatDifferAreTold) {
  HeaderImage image("plain.header");
  image.SetText(1, WithLabelledToken(image.Json(), "other").dump());
  const Result<Luks2Header> header = image.Read();
  ASSERT_THAT(header, IsOk());
  EXPECT_FALSE(header->secondary);
  EXPECT_TRUE(header->contradictory);
  ExpectReadAsCryptsetupDoes(image);
}

TEST(Luks2Header, OneBrokenCopyIsToldAndTheOtherUsed) {
  for (const int broken : {0, 1}) {
    for (const std::size_t place : {0U, 7U, 449U, 5000U, 16000U}) {
      SCOPED_TRACE(std::to_string(broken) + " " + std::to_string(place));
      HeaderImage image("plain.header");
      if (broken == 0 && place == 7) continue;  // a version of its own: see below
      image.Break(image.Offset(broken) + place);
      const Result<Luks2Header> header = image.Read();
      ASSERT_THAT(header, IsOk());
      EXPECT_EQ(header->secondary, broken == 0);
      EXPECT_THAT(header->other_copy, Not(IsEmpty()));
      ExpectReadAsCryptsetupDoes(image);
    }
  }
}

TEST(Luks2Header, FindsTheSecondCopyAtEachOfItsPlaces) {
  for (std::size_t size = 16384; size <= 4194304; size *= 2) {
    const HeaderImage image("plain.header");
    json root = image.Json();
    root["config"]["json_size"] = std::to_string(size - 4096);
    // The second copy alone, of this size.
    std::string second = image.bytes().substr(image.Offset(1), 4096) + root.dump();
    second.resize(size);
    const auto put = [&](std::size_t offset, std::uint64_t value) {
      for (std::size_t i = 0; i < 8; ++i) {
        second[offset + i] = static_cast<char>(value >> (56 - 8 * i) & 0xff);
      }
    };
    put(8, size);
    put(256, size);
    second.replace(448, 64, std::string(64, '\0'));
    std::string digest(32, '\0');
    SHA256(reinterpret_cast<const unsigned char*>(second.data()), second.size(),
           reinterpret_cast<unsigned char*>(digest.data()));
    second.replace(448, 32, digest);
    const std::string volume = std::string(size, '\0') + second;
    const UniqueFd fd(memfd_create("header", MFD_CLOEXEC));
    ASSERT_EQ(pwrite(fd.get(), volume.data(), volume.size(), 0),
              static_cast<ssize_t>(volume.size()));
    const Result<Luks2Header> header = ReadLuks2Header(fd.get());
    ASSERT_THAT(header, IsOk()) << size;
    EXPECT_TRUE(header->secondary);
    EXPECT_EQ(header->size, size);
  }
}

TEST(Luks2Header, BothCopiesBrokenIsDamaged) {
  HeaderImage image("plain.header");
  image.Break(5000).Break(16384 + 5000);
  EXPECT_THAT(image.Read(), Fails(Code::kFailedPrecondition, "LUKS_HEADER_DAMAGED"));
  EXPECT_EQ(AsCryptsetupReads(image), "");
  HeaderImage cut("plain.header");
  EXPECT_THAT(cut.Truncate(16000).Read(), Fails(Code::kFailedPrecondition, "LUKS_HEADER_DAMAGED"));
}

TEST(Luks2Header, WhatIsNoHeaderIsToldApart) {
  HeaderImage first("plain.header");
  first.Put(0, 6, std::string("\0\1", 2));
  EXPECT_THAT(first.Read(), Fails(Code::kFailedPrecondition, "LUKS1_HEADER"));
  HeaderImage third("plain.header");
  third.Put(0, 6, std::string("\0\3", 2));
  EXPECT_THAT(third.Read(), Fails(Code::kFailedPrecondition, "LUKS_VERSION_UNKNOWN"));
  HeaderImage none("plain.header");
  none.Break(0).Break(16384);
  EXPECT_THAT(none.Read(), Fails(Code::kNotFound, "NOT_LUKS"));
  EXPECT_THAT(HeaderImage("plain.header").Truncate(0).Read(), Fails(Code::kNotFound, "NOT_LUKS"));
}

// A copy that libcryptsetup may read and we do not: judging the other one would judge what is not
// used.
TEST(Luks2Header, DoesNotFallBackFromWhatOthersMightRead) {
  const auto malformed = Fails(Code::kInvalidArgument, "LUKS_HEADER_MALFORMED");
  const HeaderImage good("plain.header");
  const std::string text = good.Text();
  const std::string twice = "{\"tokens\":{}," + text.substr(1);
  const std::string comment = "{/**/" + text.substr(1);
  const std::string hidden = "{\"segments\\u0000\":{}," + text.substr(1);
  const std::string foreign = "{\"other\":{}," + text.substr(1);
  const std::string blank = " " + text;
  for (const std::string& bad : {twice, comment, hidden, foreign, blank, std::string("{}"),
                                 text + std::string("\0x", 2), std::string()}) {
    EXPECT_THAT(HeaderImage(good).SetText(0, bad).Read(), malformed) << bad.substr(0, 40);
    EXPECT_THAT(HeaderImage(good).SetText(1, bad).Read(), malformed) << bad.substr(0, 40);
  }
  EXPECT_THAT(HeaderImage(good).Put(0, 72, "sha512").Read(), malformed);
  EXPECT_THAT(HeaderImage(good).Put(0, 8, std::string("\0\0\0\0\0\0\x30\0", 8)).Read(), malformed);
  EXPECT_THAT(HeaderImage(good).Put(0, 8, std::string(8, '\xff')).Read(), malformed);
  HeaderImage sized(good);
  sized.Change([](json& root) { root["config"]["json_size"] = "28672"; });
  EXPECT_THAT(sized.Read(), malformed);
}

TEST(Luks2Header, DigestsOfAreasAreOfTheirBytes) {
  HeaderImage image("tpm2.header");
  const Luks2Metadata metadata = image.Read()->metadata;
  const Result<KeyslotAreaDigests> digests = DigestKeyslotAreas(image.Open().get(), metadata);
  ASSERT_THAT(digests, IsOk());
  ASSERT_EQ(digests->size(), 4);
  const Luks2Keyslot::Area& area = metadata.keyslots.at(2).area;
  Bytes expected(32);
  SHA256(reinterpret_cast<const unsigned char*>(image.bytes().data()) + area.offset, area.size,
         expected.data());
  EXPECT_EQ(digests->at(2), expected);
  image.Break(area.offset + area.size - 1);
  const Result<KeyslotAreaDigests> changed = DigestKeyslotAreas(image.Open().get(), metadata);
  ASSERT_THAT(changed, IsOk());
  EXPECT_EQ(changed->at(1), digests->at(1));
  EXPECT_NE(changed->at(2), digests->at(2));
  EXPECT_EQ(changed->at(3), digests->at(3));
}

TEST(Luks2Header, AreasThatCannotBeReadAreRefused) {
  HeaderImage image("tpm2.header");
  Luks2Metadata metadata = image.Read()->metadata;
  const auto refused = Fails(Code::kFailedPrecondition, "LUKS_AREA_UNREADABLE");
  metadata.keyslots.at(0).area.size = (std::uint64_t{4} << 20) + 1;
  EXPECT_THAT(DigestKeyslotAreas(image.Open().get(), metadata), refused);
  metadata.keyslots.at(0).area = {
      .type = "raw", .offset = UINT64_MAX, .size = 4096, .encryption = "", .hash = ""};
  EXPECT_THAT(DigestKeyslotAreas(image.Open().get(), metadata), refused);
  metadata.keyslots.at(0).area.offset = HeaderImage::kVolume - 4095;
  EXPECT_THAT(DigestKeyslotAreas(image.Open().get(), metadata), refused);
}

}  // namespace
}  // namespace seaworthy::volumes
