#include "modules/volumes/reencryption_end.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "support/status_matchers.h"

namespace seaworthy::testing {
namespace {

using nlohmann::json;
using ::testing::UnorderedElementsAre;
using volumes::FindReencryptionEnd;

// As libcryptsetup 2.6.1 leaves them when all data are done; keyslots 0 and 1 are the old key's.
json EndMetadata() {
  return json::parse(R"({
    "keyslots": {"0": {"type": "luks2"}, "1": {"type": "luks2"}, "2": {"type": "luks2"},
                 "4": {"type": "reencrypt"}, "5": {"type": "luks2"}},
    "tokens": {"0": {"type": "t", "keyslots": ["0", "2"]}},
    "segments": {
      "0": {"type": "crypt", "offset": "4194304", "size": "dynamic"},
      "1": {"type": "crypt", "offset": "4194304", "size": "dynamic", "flags": ["backup-previous"]},
      "2": {"type": "crypt", "offset": "4194304", "size": "dynamic", "flags": ["backup-final"]}},
    "digests": {"0": {"keyslots": ["0", "1"], "segments": ["1"]},
                "1": {"keyslots": ["2"], "segments": ["0", "2"]},
                "2": {"keyslots": ["4"], "segments": []},
                "3": {"keyslots": ["5"], "segments": []}},
    "config": {"json_size": "12288", "requirements": {"mandatory": ["online-reencrypt-v2"]}}})");
}

TEST(ReencryptionEnd, TakesTheOldKeyOut) {
  const auto end = FindReencryptionEnd(EndMetadata().dump());
  ASSERT_THAT(end, IsOk());
  ASSERT_TRUE(end->has_value());
  EXPECT_THAT((*end)->unused_keyslots, UnorderedElementsAre(0, 1, 4));
  EXPECT_EQ(json::parse((*end)->json), json::parse(R"({
    "keyslots": {"2": {"type": "luks2"}, "5": {"type": "luks2"}},
    "tokens": {"0": {"type": "t", "keyslots": ["2"]}},
    "segments": {"0": {"type": "crypt", "offset": "4194304", "size": "dynamic"}},
    "digests": {"1": {"keyslots": ["2"], "segments": ["0"]},
                "3": {"keyslots": ["5"], "segments": []}},
    "config": {"json_size": "12288"}})"));
}

TEST(ReencryptionEnd, IsNotWhileDataAreLeft) {
  json beginning = EndMetadata();
  beginning["digests"]["0"]["segments"] = {"0", "1"};
  beginning["digests"]["1"]["segments"] = {"2"};
  EXPECT_FALSE(FindReencryptionEnd(beginning.dump()).value().has_value());

  json halfway = EndMetadata();
  halfway["segments"]["3"] = {{"type", "crypt"}, {"offset", "8388608"}, {"size", "dynamic"}};
  EXPECT_FALSE(FindReencryptionEnd(halfway.dump()).value().has_value());

  json part = EndMetadata();
  part["segments"]["0"]["size"] = "4096";
  EXPECT_FALSE(FindReencryptionEnd(part.dump()).value().has_value());

  json same_key = EndMetadata();
  same_key["digests"]["1"]["segments"] = {"0", "1", "2"};
  same_key["digests"]["0"]["segments"] = json::array();
  EXPECT_FALSE(FindReencryptionEnd(same_key.dump()).value().has_value());
}

TEST(ReencryptionEnd, RefusesOtherMetadata) {
  const auto refused = Fails(Code::kFailedPrecondition, "REENCRYPTION_UNSUPPORTED");
  for (const char* text : {"", "{", "[]", "null", "{}", R"({"segments":[]})"}) {
    EXPECT_THAT(FindReencryptionEnd(text), refused) << text;
  }
  for (const char* part : {"keyslots", "tokens", "segments", "digests", "config"}) {
    json metadata = EndMetadata();
    metadata.erase(part);
    EXPECT_THAT(FindReencryptionEnd(metadata.dump()), refused) << part;
    metadata[part] = {1, "x"};
    EXPECT_THAT(FindReencryptionEnd(metadata.dump()), refused) << part;
    if (part == std::string("config")) continue;
    metadata[part] = {{"0", "x"}};
    EXPECT_THAT(FindReencryptionEnd(metadata.dump()), refused) << part;
  }
  for (const char* segment : {"0", "1", "2"}) {
    json metadata = EndMetadata();
    metadata["segments"].erase(segment);
    EXPECT_THAT(FindReencryptionEnd(metadata.dump()), refused) << segment;
  }
  // Encryption in place: there was no key before.
  json encryption = EndMetadata();
  encryption["digests"]["0"]["segments"] = json::array();
  EXPECT_THAT(FindReencryptionEnd(encryption.dump()), refused);
}

}  // namespace
}  // namespace seaworthy::testing
