#include "seaworthy/modules/volumes/tokens.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "seaworthy/base64.h"
#include "unit/modules/volumes/header_image.h"

namespace seaworthy::volumes {
namespace {

using nlohmann::json;
using ::seaworthy::testing::Fails;
using ::seaworthy::testing::IsOk;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const auto kMalformed = Fails(Code::kInvalidArgument, "TOKEN_MALFORMED");
const auto kUnsupported = Fails(Code::kUnimplemented, "TOKEN_UNSUPPORTED");

json Token(const char* header, const char* number) {
  return HeaderImage(header).Json()["tokens"][number];
}

json Protected() {
  const std::string encoded = Token("clevis.header", "0")["jwe"]["protected"];
  return json::parse(AsText(*ParseBase64Url(encoded)));
}

using Fields = std::vector<std::pair<const char*, json>>;

template <class Parse>
void ExpectNamed(const json& good, const Fields& fields, const Parse& parse) {
  for (const auto& [pointer, value] : fields) {
    json root = good;
    root[json::json_pointer(pointer)] = value;
    const auto token = parse(root.dump());
    EXPECT_THAT(token, kMalformed) << pointer << " " << value;
    EXPECT_THAT(Message(token.status()), HasSubstr(pointer));
  }
}

TEST(SystemdTpm2Token, OfCryptenrollIsReadAndWrittenAsItWas) {
  const json plain = Token("tpm2.header", "0");
  const Result<SystemdTpm2Token> token = ParseSystemdTpm2Token(plain.dump());
  ASSERT_THAT(token, IsOk());
  EXPECT_EQ(token->keyslot, 1);
  EXPECT_EQ(token->blob.size(), 240);
  EXPECT_THAT(token->pcrs, ElementsAre(7));
  EXPECT_EQ(token->pcr_bank, "sha256");
  EXPECT_EQ(token->primary_alg, "ecc");
  EXPECT_EQ(Hex(token->policy_hash), plain["tpm2-policy-hash"].get<std::string>());
  EXPECT_FALSE(token->pin);
  EXPECT_THAT(token->public_key_pcrs, IsEmpty());
  EXPECT_EQ(token->other, "");
  EXPECT_EQ(json::parse(ToJson(*token)), plain);

  const json full = Token("tpm2.header", "1");
  const Result<SystemdTpm2Token> pinned = ParseSystemdTpm2Token(full.dump());
  ASSERT_THAT(pinned, IsOk());
  EXPECT_TRUE(pinned->pin);
  EXPECT_THAT(pinned->public_key_pcrs, ElementsAre(11));
  EXPECT_EQ(pinned->public_key, ReadData("policy_key.pub.pem"));
  EXPECT_EQ(json::parse(ToJson(*pinned)), full);
}

TEST(SystemdTpm2Token, FieldsOfLaterVersionsAreReadAndTheRestIsKept) {
  json root = Token("tpm2.header", "1");
  root["tpm2_salt"] = "AQID";
  root["tpm2_srk"] = "gQAAAQ==";
  root["tpm2_pcrlock"] = true;
  root["tpm2_pcrlock_nv"] = "AYAA";
  root["tpm2_argon2id_lanes"] = 4;
  root["note"] = {{"by", json::array({"hand"})}};
  const Result<SystemdTpm2Token> token = ParseSystemdTpm2Token(root.dump());
  ASSERT_THAT(token, IsOk());
  EXPECT_EQ(token->salt, (Bytes{1, 2, 3}));
  EXPECT_EQ(token->srk, (Bytes{0x81, 0, 0, 1}));
  EXPECT_TRUE(token->pcrlock);
  EXPECT_EQ(token->pcrlock_nv, (Bytes{1, 0x80, 0}));
  EXPECT_EQ(json::parse(token->other),
            json({{"tpm2_argon2id_lanes", 4}, {"note", {{"by", {"hand"}}}}}));
  EXPECT_EQ(json::parse(ToJson(*token)), root);
}

TEST(SystemdTpm2Token, WhileAVolumeIsReencryptedThereAreTwoKeyslots) {
  json root = Token("tpm2.header", "0");
  root["keyslots"] = {"1", "4"};
  const Result<SystemdTpm2Token> token = ParseSystemdTpm2Token(root.dump());
  ASSERT_THAT(token, IsOk());
  EXPECT_EQ(token->keyslot, 1);
  EXPECT_EQ(token->other_keyslot, 4);
  EXPECT_EQ(json::parse(ToJson(*token)), root);
}

TEST(SystemdTpm2Token, WhatMayBeMissingMay) {
  json root = Token("tpm2.header", "0");
  for (const char* name : {"tpm2-pin", "tpm2-pcr-bank", "tpm2-primary-alg"}) root.erase(name);
  root["tpm2-pcrs"] = json::array();
  EXPECT_THAT(ParseSystemdTpm2Token(root.dump()), IsOk());
  for (const char* name : {"type", "keyslots", "tpm2-blob", "tpm2-pcrs", "tpm2-policy-hash"}) {
    json less = root;
    less.erase(name);
    EXPECT_THAT(ParseSystemdTpm2Token(less.dump()), kMalformed) << name;
  }
}

TEST(SystemdTpm2Token, ASecretInShardsIsUnderstoodAndNotDone) {
  for (const char* name : {"tpm2-blob", "tpm2-policy-hash"}) {
    json root = Token("tpm2.header", "0");
    root[name] = {root[name], root[name]};
    const auto token = ParseSystemdTpm2Token(root.dump());
    EXPECT_THAT(token, kUnsupported);
    EXPECT_THAT(Message(token.status()), HasSubstr(name));
  }
}

TEST(SystemdTpm2Token, NamesTheFieldThatIsWrong) {
  ExpectNamed(Token("tpm2.header", "1"),
              {{"/type", "clevis"},
               {"/tpm2_pubkey", ""},
               {"/keyslots", {"1", "2", "3"}},
               {"/keyslots", json::array()},
               {"/keyslots", {1}},
               {"/tpm2-blob", ""},
               {"/tpm2-blob", "AAA"},
               {"/tpm2-pcrs", 7},
               {"/tpm2-pcrs", {24}},
               {"/tpm2-pcr-bank", "md5"},
               {"/tpm2-primary-alg", "dsa"},
               {"/tpm2-policy-hash", "00"},
               {"/tpm2-pin", "yes"},
               {"/tpm2_pubkey_pcrs", {-1}},
               {"/tpm2_pubkey", "?"},
               {"/tpm2_salt", 1},
               {"/tpm2_srk", {1}},
               {"/tpm2_pcrlock", 1}},
              ParseSystemdTpm2Token);
  EXPECT_THAT(ParseSystemdTpm2Token("{\"a\":\"" + std::string(kMaxToken, 'a') + "\"}"), kMalformed);
  EXPECT_THAT(ParseSystemdTpm2Token("[]"), kMalformed);
}

TEST(SystemdRecoveryToken, IsReadAndWrittenAsItWas) {
  json root = Token("tpm2.header", "2");
  root["note"] = "in the safe";
  const Result<SystemdRecoveryToken> token = ParseSystemdRecoveryToken(root.dump());
  ASSERT_THAT(token, IsOk());
  EXPECT_EQ(token->keyslot, 3);
  EXPECT_EQ(json::parse(ToJson(*token)), root);
  EXPECT_THAT(ParseSystemdRecoveryToken(Token("tpm2.header", "0").dump()), kMalformed);
}

TEST(ClevisToken, GivesThePassphraseThatClevisGives) {
  const Result<ClevisToken> token = ParseClevisToken(Token("clevis.header", "0").dump());
  ASSERT_THAT(token, IsOk());
  EXPECT_EQ(token->keyslot, 1);
  EXPECT_EQ(token->public_area.size(), 80);
  EXPECT_EQ(token->private_area.size(), 240);
  EXPECT_EQ(token->name_hash, "sha256");
  EXPECT_EQ(token->primary_alg, "ecc");
  EXPECT_EQ(token->pcr_bank, "sha256");
  EXPECT_THAT(token->pcrs, ElementsAre(7));
  const Result<SecretBytes> passphrase = DecryptClevis(*token, AsBytes(ReadData("clevis.jwk")));
  ASSERT_THAT(passphrase, IsOk());
  EXPECT_EQ(AsText(passphrase->view()), ReadData("clevis.passphrase"));
}

TEST(ClevisToken, NothingOfItCanBeChanged) {
  const ClevisToken good = *ParseClevisToken(Token("clevis.header", "0").dump());
  const std::string jwk = ReadData("clevis.jwk");
  const auto failed = Fails(Code::kPermissionDenied, "DECRYPTION_FAILED");
  for (Bytes ClevisToken::* field :
       {&ClevisToken::iv, &ClevisToken::ciphertext, &ClevisToken::tag}) {
    ClevisToken changed = good;
    (changed.*field)[0] ^= 1;
    EXPECT_THAT(DecryptClevis(changed, AsBytes(jwk)), failed);
  }
  ClevisToken changed = good;
  changed.protected_header.back() ^= 1;
  EXPECT_THAT(DecryptClevis(changed, AsBytes(jwk)), failed);
  const std::string other = R"({"kty":"oct","k":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"})";
  EXPECT_THAT(DecryptClevis(good, AsBytes(other)), failed);
}

TEST(ClevisToken, RefusesWhatIsNoKey) {
  const ClevisToken token = *ParseClevisToken(Token("clevis.header", "0").dump());
  const std::string key = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
  for (const std::string& jwk :
       {std::string(), std::string("{}"), R"({"kty":"EC","k":")" + key + "\"}",
        R"({"k":")" + key + "\"}", R"({"kty":"oct","k":")" + key + "A\"}",
        R"({"kty":"oct","k":")" + key, R"({"kty":"oct","k":")" + key + "\"} x",
        R"({"kty":"oct","k":[")" + key + "\"]}", R"({"kty":"oct","k":"\u0041")" + key + "\"}",
        R"({"kty":"oct","k":")" + key + R"(","k":")" + key + "\"}", std::string(5000, ' ')}) {
    EXPECT_THAT(DecryptClevis(token, AsBytes(jwk)), Fails(Code::kInvalidArgument, "JWK_MALFORMED"))
        << jwk;
  }
}

TEST(ClevisToken, OtherPinsAndAlgorithmsAreUnsupported) {
  // {"alg":"dir","enc":"A256GCM","clevis":{"pin":"tang"}}; and of the pin tpm2 with A128GCM, and
  // with "zip".
  const std::string tang =
      "eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2R0NNIiwiY2xldmlzIjp7InBpbiI6InRhbmcifX0";
  json shorter = Protected();
  shorter["enc"] = "A128GCM";
  json zipped = Protected();
  zipped["zip"] = "DEF";
  for (const std::string& header :
       {tang, Base64Url(AsBytes(shorter.dump())), Base64Url(AsBytes(zipped.dump()))}) {
    json root = Token("clevis.header", "0");
    root["jwe"]["protected"] = header;
    EXPECT_THAT(ParseClevisToken(root.dump()), kUnsupported);
  }
}

TEST(ClevisToken, NamesTheFieldOfThePinThatIsWrong) {
  for (const auto& [name, value] : Fields{{"pcr_ids", "7,"},
                                          {"pcr_ids", "7,7"},
                                          {"pcr_ids", "24"},
                                          {"pcr_ids", ","},
                                          {"pcr_ids", 7},
                                          {"jwk_pub", "+"},
                                          {"jwk_priv", 1},
                                          {"hash", 1},
                                          {"key", 1}}) {
    json header = Protected();
    header["clevis"]["tpm2"][name] = value;
    json root = Token("clevis.header", "0");
    root["jwe"]["protected"] = Base64Url(AsBytes(header.dump()));
    const auto token = ParseClevisToken(root.dump());
    EXPECT_THAT(token, kMalformed) << name << value;
    EXPECT_THAT(Message(token.status()), HasSubstr(name));
  }
  json header = Protected();
  header["clevis"]["tpm2"]["pcr_ids"] = "9,0,23";
  json root = Token("clevis.header", "0");
  root["jwe"]["protected"] = Base64Url(AsBytes(header.dump()));
  EXPECT_THAT(ParseClevisToken(root.dump())->pcrs, ElementsAre(0, 9, 23));
}

TEST(ClevisToken, NamesTheFieldThatIsWrong) {
  ExpectNamed(Token("clevis.header", "0"),
              {{"/type", "tang"},
               {"/keyslots", json::array()},
               {"/jwe", "text"},
               {"/jwe/protected", "?"},
               {"/jwe/protected", "e30"},
               {"/jwe/iv", "AAAA"},
               {"/jwe/tag", "AAAA"},
               {"/jwe/ciphertext", "A"},
               {"/jwe/encrypted_key", "AAAA"}},
              ParseClevisToken);
}

TEST(GuardRecord, IsReadAsItWasWritten) {
  GuardRecord record;
  record.generation = 41;
  record.nv_index = 0x01800042;
  record.parts = {{"keyslot 0", Bytes(32, 1)}, {"config", Bytes(32, 2)}};
  record.digest = Bytes(32, 3);
  record.mac = Bytes(32, 4);
  record.keys = {{0, Bytes(60, 5)}, {12, Bytes(60, 6)}};
  const std::string text = ToJson(record);
  const Result<GuardRecord> read = ParseGuardRecord(text);
  ASSERT_THAT(read, IsOk());
  EXPECT_EQ(ToJson(*read), text);
  EXPECT_EQ(read->keys, record.keys);
  EXPECT_EQ(read->parts, record.parts);
  EXPECT_EQ(read->generation, 41);
  ExpectNamed(json::parse(text),
              {{"/type", "clevis"},
               {"/keyslots", {"0"}},
               {"/generation", -1},
               {"/nv_index", 4294967296},
               {"/parts/config", "00"},
               {"/keys/0", "AAAA"},
               {"/keys/32", "AAAA"},
               {"/later", 1}},
              ParseGuardRecord);
  json later = json::parse(text);
  later["version"] = 2;
  EXPECT_THAT(ParseGuardRecord(later.dump()), kUnsupported);
}

}  // namespace
}  // namespace seaworthy::volumes
