#include "seaworthy/modules/volumes/header_judge.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "unit/modules/volumes/header_image.h"

namespace seaworthy::volumes {
namespace {

using nlohmann::json;
using ::seaworthy::testing::Fails;
using ::seaworthy::testing::IsOk;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr const char* kReencrypting[] = {"reencrypting_0.header", "reencrypting_1.header",
                                         "reencrypting_2.header", "reencrypting_3.header"};

std::vector<HeaderFinding> Judged(const HeaderImage& image,
                                  Reencryption reencryption = Reencryption::kUnexpected) {
  const Result<Luks2Header> header = image.Read();
  EXPECT_THAT(header, IsOk());
  return header.ok() ? JudgeHeader(*header, reencryption) : std::vector<HeaderFinding>();
}

auto Finds(const std::string& reason, const std::string& text) {
  return Contains(AllOf(Field("reason", &HeaderFinding::reason, reason),
                        Field("message", &HeaderFinding::message, HasSubstr(text))));
}

struct Tampering {
  const char* pointer;
  json value;
  const char* reason;
  const char* told;
};

void ExpectRefused(const char* name, const std::vector<Tampering>& all, Reencryption reencryption) {
  for (const Tampering& tampering : all) {
    HeaderImage image(name);
    image.Change(
        [&](json& root) { root[json::json_pointer(tampering.pointer)] = tampering.value; });
    EXPECT_THAT(Judged(image, reencryption), Finds(tampering.reason, tampering.told))
        << tampering.pointer << " " << tampering.value;
  }
}

TEST(JudgeHeader, TakesWhatStockToolsMake) {
  for (const char* name : {"plain.header", "tpm2.header", "clevis.header"}) {
    EXPECT_THAT(Judged(HeaderImage(name)), IsEmpty()) << name;
    EXPECT_THAT(Judged(HeaderImage(name), Reencryption::kExpected), IsEmpty()) << name;
  }
  HeaderImage argon("plain.header");
  argon.Change([](json& root) {
    root["keyslots"]["0"]["kdf"] = {{"type", "argon2id"},
                                    {"time", 4},
                                    {"memory", 1048576},
                                    {"cpus", 4},
                                    {"salt", root["keyslots"]["0"]["kdf"]["salt"]}};
    root["keyslots"]["0"]["priority"] = 2;
    root["config"]["flags"] = {"allow-discards"};
  });
  EXPECT_THAT(Judged(argon), IsEmpty());
}

// CVE-2025-59054: what is written through such a segment lies in the clear.
TEST(JudgeHeader, RefusesASegmentWithoutCipher) {
  HeaderImage image("tpm2.header");
  image.Change([](json& root) { root["segments"]["0"]["encryption"] = "cipher_null-ecb"; });
  EXPECT_THAT(Judged(image),
              ElementsAre(HeaderFinding{"HEADER_CIPHER_REFUSED",
                                        "segment 0 is encrypted with \"cipher_null-ecb\", not with "
                                        "aes-xts-plain64"}));
}

// CVE-2025-58356: the key in such a keyslot is known to whoever wrote it.
TEST(JudgeHeader, RefusesAKeyslotWithoutCipher) {
  HeaderImage image("tpm2.header");
  image.Change([](json& root) { root["keyslots"]["1"]["area"]["encryption"] = "cipher_null-ecb"; });
  EXPECT_THAT(Judged(image),
              ElementsAre(HeaderFinding{"HEADER_KEYSLOT_REFUSED",
                                        "keyslot 1 is encrypted with \"cipher_null-ecb\", not with "
                                        "aes-xts-plain64"}));
}

TEST(JudgeHeader, RefusesSegmentsThatAreNotTheOneOfAVolume) {
  const json crypt = HeaderImage("tpm2.header").Json()["segments"]["0"];
  json no_type = crypt;
  no_type["type"] = "linear";
  ExpectRefused("tpm2.header",
                {{"/segments/0/type", "linear", "HEADER_SEGMENT_REFUSED", "segment 0"},
                 {"/segments/0/encryption", "aes-xts-plain", "HEADER_CIPHER_REFUSED", "xts-plain"},
                 {"/segments/0/encryption", "capi:xts(aes)-plain64", "HEADER_CIPHER_REFUSED", "0"},
                 {"/segments/0/encryption", "aes-cbc-essiv:sha256", "HEADER_CIPHER_REFUSED", "0"},
                 {"/segments/0/sector_size", 8192, "HEADER_SEGMENT_REFUSED", "8192"},
                 {"/segments/0/sector_size", 1000, "HEADER_SEGMENT_REFUSED", "1000"},
                 {"/segments/0/sector_size", 256, "HEADER_SEGMENT_REFUSED", "256"},
                 {"/segments/0/offset", "2097153", "HEADER_SEGMENT_REFUSED", "whole sectors"},
                 {"/segments/0/size", "0", "HEADER_SEGMENT_REFUSED", "empty"},
                 {"/segments/0/integrity", json::object(), "HEADER_SEGMENT_REFUSED", "integrity"},
                 {"/segments/0/flags", {"backup-final"}, "HEADER_SEGMENT_REFUSED", "backup-final"},
                 {"/segments/0/opal", 1, "HEADER_SEGMENT_REFUSED", "opal"},
                 {"/segments/1", no_type, "HEADER_SEGMENT_REFUSED", "segment 1"},
                 {"/segments/1", crypt, "HEADER_SEGMENT_REFUSED", "2 segments"},
                 {"/digests/0/segments", json::array(), "HEADER_SEGMENT_REFUSED", "0 digests"}},
                Reencryption::kUnexpected);
}

TEST(JudgeHeader, RefusesKeyslotsThatNobodyHereMakes) {
  const json keyslot = HeaderImage("tpm2.header").Json()["keyslots"]["0"];
  ExpectRefused(
      "tpm2.header",
      {{"/keyslots/2/type", "luks3", "HEADER_KEYSLOT_REFUSED", "keyslot 2 is of type \"luks3\""},
       {"/keyslots/2/key_size", 16, "HEADER_KEYSLOT_REFUSED", "16 bytes"},
       {"/keyslots/2/priority", 3, "HEADER_KEYSLOT_REFUSED", "priority"},
       {"/keyslots/2/mode", "reencrypt", "HEADER_KEYSLOT_REFUSED", "direction"},
       {"/keyslots/2/area/type", "journal", "HEADER_KEYSLOT_REFUSED", "journal"},
       {"/keyslots/2/area/key_size", 8, "HEADER_KEYSLOT_REFUSED", "8 bytes"},
       {"/keyslots/2/area/size", "4096", "HEADER_KEYSLOT_REFUSED", "too small"},
       {"/keyslots/2/area/offset", "0", "HEADER_KEYSLOT_REFUSED", "not where"},
       {"/keyslots/2/area/offset", "1048576", "HEADER_KEYSLOT_REFUSED", "not where"},
       {"/keyslots/2/area/offset", "18446744073709551615", "HEADER_KEYSLOT_REFUSED", "not where"},
       {"/keyslots/2/af/hash", "md5", "HEADER_KEYSLOT_REFUSED", "md5"},
       {"/keyslots/2/af/stripes", 1, "HEADER_KEYSLOT_REFUSED", "split"},
       {"/keyslots/2/kdf/hash", "sha1", "HEADER_KEYSLOT_REFUSED", "sha1"},
       {"/keyslots/2/kdf/iterations", 1, "HEADER_KEYSLOT_REFUSED", "1 iterations"},
       {"/keyslots/2/kdf/iterations", 4000000000, "HEADER_KEYSLOT_REFUSED", "iterations"},
       {"/keyslots/2/kdf/type", "scrypt", "HEADER_KEYSLOT_REFUSED", "scrypt"},
       {"/keyslots/2/kdf/type", "argon2i", "HEADER_KEYSLOT_REFUSED", "cost"},
       {"/keyslots/2/kdf/salt", "", "HEADER_KEYSLOT_REFUSED", "0 bytes"},
       {"/keyslots/2/kdf/odd", 1, "HEADER_KEYSLOT_REFUSED", "kdf/odd"},
       {"/keyslots/7", keyslot, "HEADER_KEYSLOT_REFUSED", "keyslot 7 has 0 digests"}},
      Reencryption::kUnexpected);
  HeaderImage bare("tpm2.header");
  bare.Change([](json& root) {
    root["keyslots"]["3"].erase("kdf");
    root["keyslots"]["3"].erase("af");
  });
  EXPECT_THAT(Judged(bare), Finds("HEADER_KEYSLOT_REFUSED", "keyslot 3 has no key derivation"));
  EXPECT_THAT(Judged(bare), Finds("HEADER_KEYSLOT_REFUSED", "keyslot 3 has no anti-forensic"));
}

TEST(JudgeHeader, RefusesDigestsConfigAndRequirementsThatAreUnknown) {
  const json digest = HeaderImage("tpm2.header").Json()["digests"]["0"];
  ExpectRefused(
      "tpm2.header",
      {{"/digests/0/type", "argon2", "HEADER_DIGEST_REFUSED", "argon2"},
       {"/digests/0/hash", "sha1", "HEADER_DIGEST_REFUSED", "sha1"},
       {"/digests/0/hash", "sha512", "HEADER_DIGEST_REFUSED", "32 bytes"},
       {"/digests/0/iterations", 1, "HEADER_DIGEST_REFUSED", "1 iterations"},
       {"/digests/0/salt", "AAAA", "HEADER_DIGEST_REFUSED", "salt"},
       {"/digests/0/odd", "AAAA", "HEADER_DIGEST_REFUSED", "odd"},
       {"/digests/0/keyslots", {"0", "9"}, "HEADER_DIGEST_REFUSED", "keyslot 9"},
       {"/digests/0/segments", {"0", "9"}, "HEADER_DIGEST_REFUSED", "segment 9"},
       {"/digests/1", digest, "HEADER_KEYSLOT_REFUSED", "2 digests"},
       {"/digests/1", digest, "HEADER_DIGEST_REFUSED", "2 digests"},
       {"/config/flags", {"no-journal"}, "HEADER_CONFIG_REFUSED", "no-journal"},
       {"/config/keyslots_size", "18446744073709551615", "HEADER_CONFIG_REFUSED", "128 MiB"},
       {"/config/odd", 1, "HEADER_CONFIG_REFUSED", "odd"},
       {"/config/requirements/mandatory", {"opal"}, "HEADER_REQUIREMENT_REFUSED", "opal"},
       {"/config/requirements/odd", 1, "HEADER_CONFIG_REFUSED", "requirements/odd"}},
      Reencryption::kUnexpected);
}

TEST(JudgeHeader, RefusesCopiesThatContradictEachOther) {
  HeaderImage image("tpm2.header");
  json other = image.Json();
  other["tokens"].erase("0");
  image.SetText(1, other.dump());
  EXPECT_THAT(Judged(image), Finds("HEADER_COPIES_DIFFER", "says something else"));
}

TEST(JudgeHeader, TakesAReencryptionWhenItIsExpectedAlone) {
  for (const char* name : kReencrypting) {
    EXPECT_THAT(Judged(HeaderImage(name), Reencryption::kExpected), IsEmpty()) << name;
    EXPECT_THAT(Judged(HeaderImage(name)),
                Finds("HEADER_REENCRYPTION_UNEXPECTED", "go on with that first"))
        << name;
  }
}

// CVE-2021-4122: a "re-encryption" that decrypts.
TEST(JudgeHeader, RefusesAReencryptionThatLeavesDataPlain) {
  ExpectRefused(
      "reencrypting_3.header",
      {{"/keyslots/2/mode", "decrypt", "HEADER_KEYSLOT_REFUSED", "decrypt"},
       {"/keyslots/2/mode", "encrypt", "HEADER_KEYSLOT_REFUSED", "encrypt"},
       {"/keyslots/2/direction", "sideways", "HEADER_KEYSLOT_REFUSED", "sideways"},
       {"/keyslots/2/area/type", "datashift", "HEADER_KEYSLOT_REFUSED", "datashift"},
       {"/keyslots/1/area/encryption", "cipher_null-ecb", "HEADER_KEYSLOT_REFUSED", "keyslot 1"},
       {"/segments/0/type", "linear", "HEADER_SEGMENT_REFUSED", "segment 0"},
       {"/segments/2/encryption", "cipher_null-ecb", "HEADER_CIPHER_REFUSED", "segment 2"},
       {"/segments/4/encryption", "cipher_null-ecb", "HEADER_CIPHER_REFUSED", "segment 4"},
       {"/segments/4/type", "linear", "HEADER_SEGMENT_REFUSED", "segment 4"},
       {"/segments/4/offset", "4194304", "HEADER_SEGMENT_REFUSED", "shifted"},
       {"/segments/4/flags", {"backup-previous"}, "HEADER_SEGMENT_REFUSED", "from what to what"},
       {"/segments/4/flags", {"backup-moved-segment"}, "HEADER_SEGMENT_REFUSED", "moved"},
       {"/segments/0/sector_size", 1024, "HEADER_SEGMENT_REFUSED", "neither as it was"},
       {"/segments/1/offset", "4096", "HEADER_SEGMENT_REFUSED", "segment 1 does not begin where"},
       {"/segments/1/iv_tweak", "0", "HEADER_SEGMENT_REFUSED", "segment 1 does not begin where"},
       {"/segments/0/size", "dynamic", "HEADER_SEGMENT_REFUSED", "segment 1 does not begin where"},
       {"/segments/4/iv_tweak", "8", "HEADER_SEGMENT_REFUSED", "shifted"},
       {"/keyslots/2/area/offset", "1048576", "HEADER_KEYSLOT_REFUSED", "not where keyslots"},
       {"/keyslots/2/area/size", "1099511627776", "HEADER_KEYSLOT_REFUSED", "not where keyslots"},
       {"/config/requirements/mandatory", {"online-reencrypt"}, "HEADER_REQUIREMENT_REFUSED", "o"}},
      Reencryption::kExpected);
}

TEST(JudgeHeader, TheFirstReasonIsTheStatus) {
  HeaderImage image("tpm2.header");
  image.Change([](json& root) {
    root["segments"]["0"]["encryption"] = "null\n";
    root["keyslots"]["0"]["kdf"]["iterations"] = 1;
  });
  const Status status = ToStatus(Judged(image));
  EXPECT_THAT(status, Fails(Code::kPermissionDenied, "HEADER_CIPHER_REFUSED"));
  EXPECT_EQ(Message(status),
            "segment 0 is encrypted with \"null%0a\", not with aes-xts-plain64; keyslot 0 derives "
            "its key in 1 iterations");
  EXPECT_THAT(ToStatus({}), IsOk());
}

}  // namespace
}  // namespace seaworthy::volumes
