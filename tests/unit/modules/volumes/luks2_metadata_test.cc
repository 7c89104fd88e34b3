#include "seaworthy/modules/volumes/luks2_metadata.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "unit/modules/volumes/header_image.h"

namespace seaworthy::volumes {
namespace {

using nlohmann::json;
using ::seaworthy::testing::Fails;
using ::seaworthy::testing::IsOk;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

struct Bad {
  const char* pointer;
  json value;
};

TEST(Luks2Metadata, NamesTheFieldThatIsWrong) {
  const json good = HeaderImage("tpm2.header").Json();
  const Bad bad[] = {
      {"/keyslots/1/type", 1},
      {"/keyslots/1/key_size", "64"},
      {"/keyslots/1/key_size", -1},
      {"/keyslots/1/key_size", 4294967296},
      {"/keyslots/1/area", json::array()},
      {"/keyslots/1/area/offset", "032768"},
      {"/keyslots/1/area/offset", "-1"},
      {"/keyslots/1/area/offset", "0x10"},
      {"/keyslots/1/area/size", "18446744073709551616"},
      {"/keyslots/1/area/size", 258048},
      {"/keyslots/1/af/stripes", true},
      {"/keyslots/1/kdf/salt", "AAA"},
      {"/segments/0/size", "all"},
      {"/segments/0/encryption", nullptr},
      {"/segments/0/flags", "backup-final"},
      {"/digests/0/keyslots", json::array({"0", "0"})},
      {"/digests/0/keyslots", json::array({0})},
      {"/digests/0/segments", json::array({"00"})},
      {"/tokens/0/keyslots", json::object()},
      {"/config/keyslots_size", 1},
      {"/config/requirements", json::array()},
      {"/config/requirements/mandatory", "online-reencrypt"},
  };
  for (const Bad& field : bad) {
    json root = good;
    root[json::json_pointer(field.pointer)] = field.value;
    const Result<Luks2Metadata> metadata = ParseLuks2Metadata(root.dump());
    EXPECT_THAT(metadata, Fails(Code::kInvalidArgument, "LUKS_HEADER_MALFORMED"))
        << field.pointer << field.value;
    EXPECT_THAT(Message(metadata.status()), HasSubstr(field.pointer));
  }
}

TEST(Luks2Metadata, RefusesNumbersOfPartsThatLuks2DoesNotHave) {
  const json good = HeaderImage("plain.header").Json();
  for (const char* number : {"32", "01", "+1", "a", ""}) {
    json root = good;
    root["keyslots"][number] = good["keyslots"]["0"];
    EXPECT_THAT(ParseLuks2Metadata(root.dump()),
                Fails(Code::kInvalidArgument, "LUKS_HEADER_MALFORMED"))
        << number;
  }
}

TEST(Luks2Metadata, RefusesWhatParsersTakeDifferently) {
  const std::string text = HeaderImage("plain.header").Text();
  const auto with = [&](const std::string& from, const std::string& to) {
    std::string changed = text;
    const std::size_t at = changed.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    return changed.replace(at, from.size(), to);
  };
  std::string deep(40, '[');
  deep += std::string(40, ']');
  for (const std::string& bad :
       {with("\"key_size\":64", "\"key_size\":64.0"), with("\"key_size\":64", "\"key_size\":6e1"),
        with("\"type\":\"crypt\"", "\"type\":\"linear\",\"type\":\"crypt\""),
        with("\"type\":\"crypt\"", "\"type\":\"crypt\\u0000\""),
        with("\"type\":\"crypt\"", "\"type\":\"crypt\",\"flags\\u0000\":[]"),
        with("\"tokens\":{",
             "\"tokens\":{\"0\":{\"type\":\"t\",\"keyslots\":[],\"x\":" + deep + "}"),
        with("\"type\":\"crypt\"", "\"type\":\"cry\xff\""), with("\"tokens\":{}", "'tokens':{}"),
        text + ",", std::string("\xef\xbb\xbf[]")}) {
    EXPECT_THAT(ParseLuks2Metadata(bad), Fails(Code::kInvalidArgument, "LUKS_HEADER_MALFORMED"))
        << bad.substr(0, 200);
  }
}

TEST(Luks2Metadata, AHugeNestOfListsIsRefusedAndNotFollowed) {
  EXPECT_THAT(ParseLuks2Metadata("{\"a\":" + std::string(4'000'000, '[')),
              Fails(Code::kInvalidArgument, "LUKS_HEADER_MALFORMED"));
  EXPECT_THAT(ParseLuks2Metadata("{\"a\":\"" + std::string(kMaxLuks2Json, 'a') + "\"}"),
              Fails(Code::kInvalidArgument, "LUKS_HEADER_MALFORMED"));
}

TEST(Luks2Metadata, KeepsTheNamesOfFieldsThatItDoesNotKnow) {
  json root = HeaderImage("plain.header").Json();
  root["keyslots"]["0"]["extra"] = 1;
  root["keyslots"]["0"]["area"]["more"] = 1;
  root["segments"]["0"]["odd"] = 1;
  const Result<Luks2Metadata> metadata = ParseLuks2Metadata(root.dump());
  ASSERT_THAT(metadata, IsOk());
  EXPECT_THAT(metadata->keyslots.at(0).unknown, ElementsAre("area/more", "extra"));
  EXPECT_THAT(metadata->segments.at(0).unknown, ElementsAre("odd"));
}

TEST(Luks2Metadata, IsTheSameHoweverItIsWritten) {
  const json root = HeaderImage("tpm2.header").Json();
  const Result<Luks2Metadata> one = ParseLuks2Metadata(root.dump());
  const Result<Luks2Metadata> other = ParseLuks2Metadata(root.dump(4));
  ASSERT_THAT(one, IsOk());
  ASSERT_THAT(other, IsOk());
  EXPECT_THAT(SameMetadata(*one, *other), IsOk());
  for (const char* pointer : {"/keyslots/3/kdf/iterations", "/segments/0/sector_size",
                              "/digests/0/iterations", "/tokens/1/later", "/config/later"}) {
    json changed = root;
    changed[json::json_pointer(pointer)] = 2048;
    EXPECT_THAT(SameMetadata(*one, *ParseLuks2Metadata(changed.dump())),
                Fails(Code::kFailedPrecondition, "HEADER_CHANGED"))
        << pointer;
  }
  json less = root;
  less["tokens"].erase("2");
  EXPECT_THAT(Message(SameMetadata(*one, *ParseLuks2Metadata(less.dump()))), HasSubstr("token 2"));
}

}  // namespace
}  // namespace seaworthy::volumes
