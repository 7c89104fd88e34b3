#include "seaworthy/modules/volumes/header_guard.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "unit/modules/volumes/header_image.h"

namespace seaworthy::volumes {
namespace {

using nlohmann::json;
using ::seaworthy::testing::Fails;
using ::seaworthy::testing::IsOk;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr std::uint32_t kIndex = 0x01800042;
constexpr char kTpmSecret[] = "what the TPM seals for keyslot 1";
constexpr char kOtherSecret[] = "what is in the recovery key, 2 ";

WayIn Tpm() { return {.keyslot = 1, .secret = AsBytes(kTpmSecret)}; }
WayIn Recovery() { return {.keyslot = 3, .secret = AsBytes(kOtherSecret)}; }

GuardCounter At(std::uint64_t value) { return {.nv_index = kIndex, .value = value}; }

const auto kTampered = Fails(Code::kPermissionDenied, "HEADER_TAMPERED");
const auto kUnguarded = Fails(Code::kFailedPrecondition, "HEADER_UNGUARDED");
const auto kRolledBack = Fails(Code::kPermissionDenied, "HEADER_ROLLED_BACK");

// A header with the areas of its keyslots, as it lies on a disk.
struct Volume {
  explicit Volume(const HeaderImage& image) {
    const UniqueFd fd = image.Open();
    Result<Luks2Header> read = ReadLuks2Header(fd.get());
    EXPECT_THAT(read, IsOk());
    header = *std::move(read);
    Result<KeyslotAreaDigests> digests = DigestKeyslotAreas(fd.get(), header.metadata);
    EXPECT_THAT(digests, IsOk());
    areas = *std::move(digests);
  }
  ReadHeader now() const { return {.header = header, .areas = areas}; }

  Luks2Header header;
  KeyslotAreaDigests areas;
};

void Put(const GuardRecord& record, HeaderImage& image) {
  image.Change([&](json& root) { root["tokens"]["5"] = json::parse(ToJson(record)); });
}

// A volume of systemd-cryptenroll, guarded through two ways in.
HeaderImage Guarded(std::uint64_t generation = 7, const char* name = "tpm2.header") {
  HeaderImage image(name);
  const WayIn ways_in[] = {Tpm(), Recovery()};
  const Result<GuardRecord> record = MakeGuard(Volume(image).now(), At(generation), ways_in);
  EXPECT_THAT(record, IsOk());
  Put(*record, image);
  return image;
}

Status Checked(const HeaderImage& image, const WayIn& through = Tpm(),
               std::optional<GuardCounter> counter = At(7)) {
  return CheckGuard(Volume(image).now(), through, counter).status();
}

TEST(HeaderGuard, WhatWasRecordedIsGoodThroughEachWayIn) {
  const HeaderImage image = Guarded();
  EXPECT_THAT(Checked(image, Tpm()), IsOk());
  EXPECT_THAT(Checked(image, Recovery()), IsOk());
  const Result<GuardProof> one = CheckGuard(Volume(image).now(), Tpm(), At(7));
  const Result<GuardProof> other = CheckGuard(Volume(image).now(), Recovery(), At(7));
  EXPECT_EQ(one->key_id, other->key_id);
  EXPECT_EQ(one->record.generation, 7);
  EXPECT_NE(one->key_id, CheckGuard(Volume(Guarded()).now(), Tpm(), At(7))->key_id);
}

TEST(HeaderGuard, WhatIsNotGuardedMayChange) {
  HeaderImage image = Guarded();
  // Rewritten in another order, a newer copy, another salt and label, a token's content.
  image.Change([](json& root) { root["tokens"]["0"]["tpm2-pcrs"] = {0, 7}; });
  image.SetText(0, image.Json().dump(1)).Put(0, 104, "salt").Put(0, 24, "label");
  image.Put(1, 104, "SALT").Put(1, 24, "label");
  EXPECT_THAT(Checked(image), IsOk());
}

struct Tampering {
  const char* pointer;
  json value;
  const char* told;
};

TEST(HeaderGuard, EachPartThatWasChangedIsNamed) {
  const json keyslot = HeaderImage("plain.header").Json()["keyslots"]["0"];
  const Tampering all[] = {
      {"/segments/0/encryption", "cipher_null-ecb", "segment 0 (changed)"},
      {"/segments/0/offset", "4194304", "segment 0 (changed)"},
      {"/segments/0/iv_tweak", "1", "segment 0 (changed)"},
      {"/keyslots/2/area/encryption", "cipher_null-ecb", "keyslot 2 (changed)"},
      {"/keyslots/1", keyslot, "keyslot 1 (changed)"},
      {"/keyslots/4", keyslot, "keyslot 4 (added)"},
      {"/digests/0/digest", "AAAA", "digest 0 (changed)"},
      {"/digests/0/keyslots", {"0", "1", "2"}, "digest 0 (changed)"},
      {"/digests/1", HeaderImage("plain.header").Json()["digests"]["0"], "digest 1 (added)"},
      {"/tokens/0/keyslots", {"0"}, "token 0 (changed)"},
      {"/tokens/2/type", "systemd-tpm2", "token 2 (changed)"},
      {"/tokens/8", {{"type", "clevis"}, {"keyslots", {"0"}}}, "token 8 (added)"},
      {"/config/flags", {"allow-discards"}, "config (changed)"},
  };
  for (const Tampering& tampering : all) {
    HeaderImage image = Guarded();
    image.Change(
        [&](json& root) { root[json::json_pointer(tampering.pointer)] = tampering.value; });
    const Status status = Checked(image);
    EXPECT_THAT(status, kTampered) << tampering.pointer;
    EXPECT_THAT(Message(status), HasSubstr(tampering.told));
  }
  HeaderImage less = Guarded();
  less.Change([](json& root) { root["tokens"].erase("2"); });
  EXPECT_THAT(Message(Checked(less)), HasSubstr("token 2 (removed)"));
}

TEST(HeaderGuard, AnotherKeyInAKeyslotsAreaIsNamed) {
  HeaderImage image = Guarded();
  image.Break(Volume(image).header.metadata.keyslots.at(2).area.offset + 1000);
  const Status status = Checked(image);
  EXPECT_THAT(status, kTampered);
  EXPECT_THAT(Message(status), HasSubstr("keyslot area 2 (changed)"));
}

TEST(HeaderGuard, TheRecordCannotBeMadeToFit) {
  HeaderImage image = Guarded();
  image.Change([](json& root) { root["segments"]["0"]["offset"] = "4194304"; });
  const WayIn mine[] = {{.keyslot = 1, .secret = AsBytes("a secret that the attacker has")}};
  const GuardRecord fitting = *MakeGuard(Volume(image).now(), At(7), mine);
  const GuardRecord good = *FindGuard(Volume(image).header.metadata);
  // His parts and digests, with the wrapped keys as they are.
  GuardRecord mixed = fitting;
  mixed.keys = good.keys;
  Put(mixed, image);
  EXPECT_THAT(Checked(image), kTampered);
  EXPECT_THAT(Message(Checked(image)), HasSubstr("MAC"));
  mixed.mac = good.mac;
  Put(mixed, image);
  EXPECT_THAT(Message(Checked(image)), HasSubstr("MAC"));
  mixed.digest = good.digest;
  Put(mixed, image);
  EXPECT_THAT(Message(Checked(image)), HasSubstr("MAC"));
  // All of his, the key too.
  Put(fitting, image);
  EXPECT_THAT(Checked(image), kTampered);
  EXPECT_THAT(Message(Checked(image)), HasSubstr("does not open with the secret of keyslot 1"));
}

TEST(HeaderGuard, EachFieldOfTheRecordIsUnderTheMac) {
  const HeaderImage good = Guarded();
  const auto changed = [&](const std::function<void(GuardRecord&)>& change,
                           std::optional<GuardCounter> counter) {
    HeaderImage image(good);
    GuardRecord record = *FindGuard(Volume(image).header.metadata);
    change(record);
    Put(record, image);
    return Checked(image, Tpm(), counter);
  };
  EXPECT_THAT(changed([](GuardRecord&) {}, At(7)), IsOk());
  EXPECT_THAT(changed([](GuardRecord& record) { record.generation = 8; }, At(8)), kTampered);
  EXPECT_THAT(changed([](GuardRecord& record) { record.nv_index = 0; }, std::nullopt), kTampered);
  EXPECT_THAT(changed([](GuardRecord& record) { record.parts.erase("token 2"); }, At(7)),
              kTampered);
  EXPECT_THAT(changed([](GuardRecord& record) { record.digest[0] ^= 1; }, At(7)), kTampered);
  EXPECT_THAT(changed([](GuardRecord& record) { record.mac[31] ^= 1; }, At(7)), kTampered);
  for (const std::size_t byte : {0U, 11U, 12U, 43U, 44U, 59U}) {
    EXPECT_THAT(changed([&](GuardRecord& record) { record.keys[1][byte] ^= 1; }, At(7)), kTampered);
  }
}

TEST(HeaderGuard, AKeyIsGoodForItsVolumeAndKeyslotAlone) {
  HeaderImage image = Guarded();
  GuardRecord record = *FindGuard(Volume(image).header.metadata);
  std::swap(record.keys[1], record.keys[3]);
  Put(record, image);
  EXPECT_THAT(Checked(image, Tpm()), kTampered);
  // Not even where two keyslots have one secret.
  HeaderImage shared("tpm2.header");
  const WayIn ways_in[] = {Tpm(), {.keyslot = 3, .secret = AsBytes(kTpmSecret)}};
  record = *MakeGuard(Volume(shared).now(), At(7), ways_in);
  std::swap(record.keys[1], record.keys[3]);
  Put(record, shared);
  EXPECT_THAT(Checked(shared, Tpm()), kTampered);
  HeaderImage moved = Guarded();
  moved.Put(0, 168, "00000000").Put(1, 168, "00000000");
  EXPECT_THAT(Checked(moved), kTampered);
  EXPECT_THAT(Message(Checked(moved)), HasSubstr("does not open"));
  EXPECT_THAT(Checked(Guarded(), {.keyslot = 1, .secret = AsBytes(kOtherSecret)}), kTampered);
}

TEST(HeaderGuard, AnOlderHeaderIsRolledBack) {
  const HeaderImage old = Guarded(7);
  EXPECT_THAT(Checked(old, Tpm(), At(8)), kRolledBack);
  EXPECT_THAT(Checked(old, Tpm(), At(7)), IsOk());
  // The crash between the header and the counter.
  EXPECT_THAT(Checked(old, Tpm(), At(6)), IsOk());
  EXPECT_THAT(Checked(old, Tpm(), At(5)), Fails(Code::kPermissionDenied, "HEADER_COUNTER_BEHIND"));
  EXPECT_THAT(Checked(old, Tpm(), GuardCounter{.nv_index = kIndex + 1, .value = 7}), kRolledBack);
  EXPECT_THAT(Checked(old, Tpm(), std::nullopt), kRolledBack);
}

TEST(HeaderGuard, AVolumeWithoutCounterIsGuardedButForRollback) {
  HeaderImage image("tpm2.header");
  const WayIn ways_in[] = {Tpm()};
  Put(*MakeGuard(Volume(image).now(), {}, ways_in), image);
  EXPECT_THAT(Checked(image, Tpm(), std::nullopt), IsOk());
  EXPECT_THAT(Checked(image, Tpm(), At(7)), kRolledBack);
}

TEST(HeaderGuard, NoRecordIsUnguardedAndTwoAreTampered) {
  EXPECT_THAT(Checked(HeaderImage("tpm2.header")), kUnguarded);
  EXPECT_THAT(Checked(Guarded(), {.keyslot = 2, .secret = AsBytes(kTpmSecret)}), kUnguarded);
  HeaderImage two = Guarded();
  two.Change([](json& root) { root["tokens"]["6"] = root["tokens"]["5"]; });
  EXPECT_THAT(Checked(two), kTampered);
  HeaderImage broken = Guarded();
  broken.Change([](json& root) { root["tokens"]["5"]["mac"] = 1; });
  EXPECT_THAT(Checked(broken), kTampered);
}

TEST(HeaderGuard, IsMadeForSecretsOfTheVolume) {
  const Volume volume(HeaderImage("tpm2.header"));
  const auto refused = Fails(Code::kInvalidArgument, "GUARD_WAY_IN");
  EXPECT_THAT(MakeGuard(volume.now(), At(1), {}), refused);
  const WayIn absent[] = {{.keyslot = 9, .secret = AsBytes(kTpmSecret)}};
  EXPECT_THAT(MakeGuard(volume.now(), At(1), absent), refused);
  const WayIn weak[] = {{.keyslot = 1, .secret = AsBytes("fifteen letters")}};
  EXPECT_THAT(MakeGuard(volume.now(), At(1), weak), refused);
}

TEST(HeaderGuard, RenewedTakesTheChangesThatItIsToldOf) {
  HeaderImage image = Guarded(7);
  const GuardRecord before = *FindGuard(Volume(image).header.metadata);
  const std::string key_id = CheckGuard(Volume(image).now(), Tpm(), At(7))->key_id;
  // Ours: keyslot 2 gets another key, and its token goes. Not ours: another flag.
  image.Change([](json& root) {
    root["keyslots"]["2"]["kdf"]["salt"] = root["keyslots"]["0"]["kdf"]["salt"];
    root["tokens"].erase("1");
  });
  const MayDiffer ours = [](const std::string& part) {
    return part == "keyslot 2" || part == "token 1";
  };
  HeaderImage abused(image);
  abused.Change([](json& root) { root["config"]["flags"] = {"allow-discards"}; });
  const WayIn second[] = {{.keyslot = 2, .secret = AsBytes("another secret of the TPM's")}};
  const Result<GuardRecord> blessed =
      RenewGuard(before, Volume(abused).now(), At(8), Tpm(), second, ours);
  EXPECT_THAT(blessed, kTampered);
  EXPECT_THAT(Message(blessed.status()), HasSubstr("config (changed)"));
  EXPECT_THAT(Message(blessed.status()), Not(HasSubstr("keyslot 2")));

  const Result<GuardRecord> after =
      RenewGuard(before, Volume(image).now(), At(8), Tpm(), second, ours);
  ASSERT_THAT(after, IsOk());
  Put(*after, image);
  EXPECT_THAT(Checked(image, Tpm(), At(8)), IsOk());
  EXPECT_THAT(Checked(image, Recovery(), At(8)), IsOk());
  EXPECT_THAT(Checked(image, second[0], At(8)), IsOk());
  EXPECT_EQ(CheckGuard(Volume(image).now(), Tpm(), At(8))->key_id, key_id);
  Put(before, image);
  EXPECT_THAT(Checked(image, Tpm(), At(7)), kTampered);
}

TEST(HeaderGuard, RenewedForgetsKeyslotsThatAreGone) {
  HeaderImage image = Guarded(7);
  const GuardRecord before = *FindGuard(Volume(image).header.metadata);
  image.Change([](json& root) {
    root["keyslots"].erase("3");
    root["tokens"].erase("2");
    root["digests"]["0"]["keyslots"] = {"0", "1", "2"};
  });
  const auto any = [](const std::string&) { return true; };
  const Result<GuardRecord> after = RenewGuard(before, Volume(image).now(), At(8), Tpm(), {}, any);
  ASSERT_THAT(after, IsOk());
  EXPECT_TRUE(after->keys.contains(1));
  EXPECT_FALSE(after->keys.contains(3));
  // A record that is not good is not carried on, and generations rise.
  GuardRecord forged = before;
  forged.generation = 6;
  EXPECT_THAT(RenewGuard(forged, Volume(image).now(), At(8), Tpm(), {}, any), kTampered);
  EXPECT_THAT(RenewGuard(before, Volume(image).now(), At(7), Tpm(), {}, any),
              Fails(Code::kInvalidArgument, "GUARD_GENERATION"));
}

TEST(HeaderGuard, HoldsWhileTheVolumeIsReencrypted) {
  const WayIn ways_in[] = {{.keyslot = 0, .secret = AsBytes(kTpmSecret)}};
  HeaderImage first("reencrypting_0.header");
  const Result<GuardRecord> record = MakeGuard(Volume(first).now(), At(7), ways_in);
  ASSERT_THAT(record, IsOk());
  for (const char* name : {"reencrypting_0.header", "reencrypting_1.header",
                           "reencrypting_2.header", "reencrypting_3.header"}) {
    HeaderImage image(name);
    Put(*record, image);
    EXPECT_THAT(Checked(image, ways_in[0]), IsOk()) << name;
    const std::string last = std::to_string(image.Json()["segments"].size() - 1);
    image.Change([&](json& root) { root["segments"][last]["sector_size"] = 512; });
    EXPECT_THAT(Message(Checked(image, ways_in[0])), HasSubstr("re-encryption (changed)")) << name;
  }
  HeaderImage keyslot("reencrypting_1.header");
  Put(*record, keyslot);
  keyslot.Change([](json& root) { root["keyslots"]["2"]["mode"] = "decrypt"; });
  EXPECT_THAT(Message(Checked(keyslot, ways_in[0])), HasSubstr("keyslot 2 (changed)"));
}

// What libcryptsetup makes of a header at the end of a re-encryption: the last segment is the one
// to be, the one before it the one that was.
void End(json& root) {
  const auto last = root["segments"].size() - 1;
  const std::string final = std::to_string(last);
  json digests = json::object();
  json keyslots = json::object();
  for (auto& [number, digest] : root["digests"].items()) {
    const json& segments = digest["segments"];
    if (std::find(segments.begin(), segments.end(), final) == segments.end()) continue;
    for (const json& keyslot : digest["keyslots"]) {
      keyslots[keyslot] = root["keyslots"][keyslot.get<std::string>()];
    }
    digest["segments"] = {"0"};
    digests[number] = digest;
  }
  json segment = root["segments"][final];
  segment.erase("flags");
  root["segments"] = {{"0", segment}};
  root["digests"] = digests;
  root["keyslots"] = keyslots;
  root["config"].erase("requirements");
}

// M-96.
TEST(HeaderGuard, IsGoodForTheEndOfAReencryptionAndTheWayThere) {
  HeaderImage image("reencrypting_3.header");
  json ended = image.Json();
  End(ended);
  const std::string keyslot = ended["keyslots"].begin().key();
  const WayIn way = {.keyslot = static_cast<std::uint32_t>(keyslot[0] - '0'),
                     .secret = AsBytes(kTpmSecret)};
  const WayIn ways_in[] = {way};
  const GuardRecord record = *MakeGuard(Volume(image).now(), At(7), ways_in);
  EXPECT_TRUE(AnnouncesReencryption(record));
  Put(record, image);
  ASSERT_THAT(Checked(image, way), IsOk());

  // Keyslots that go are wiped, and taken away one by one.
  std::string former = "0";
  if (former == keyslot) former = "1";
  HeaderImage midst(image);
  midst.Break(Volume(image).header.metadata.keyslots.at(former == "0" ? 0U : 1U).area.offset +
              1000);
  EXPECT_THAT(Checked(midst, way), IsOk());
  HeaderImage changed(image);
  changed.Change([&](json& root) { root["keyslots"][former]["priority"] = 2; });
  EXPECT_THAT(Message(Checked(changed, way)), HasSubstr("former keyslot " + former + " (changed)"));
  midst.Change([&](json& root) {
    root["keyslots"].erase(former);
    for (json& digest : root["digests"]) {
      json& keyslots = digest["keyslots"];
      const auto found = std::find(keyslots.begin(), keyslots.end(), former);
      if (found != keyslots.end()) keyslots.erase(found);
    }
  });
  EXPECT_THAT(Checked(midst, way), IsOk());

  HeaderImage end(image);
  end.Change(End);
  EXPECT_THAT(Checked(end, way), IsOk());
  EXPECT_THAT(Checked(end, way, At(8)), kRolledBack);
  const Result<GuardRecord> renewed =
      RenewGuard(record, Volume(end).now(), At(8), way, {}, nullptr);
  ASSERT_THAT(renewed, IsOk());
  EXPECT_FALSE(AnnouncesReencryption(*renewed));
  HeaderImage more(end);
  more.Change([&](json& root) { root["keyslots"]["7"] = root["keyslots"][keyslot]; });
  EXPECT_THAT(Message(Checked(more, way)), HasSubstr("keyslot 7 (added)"));
  HeaderImage other(end);
  other.Change([](json& root) { root["segments"]["0"]["offset"] = "4096"; });
  EXPECT_THAT(Message(Checked(other, way)), HasSubstr("segment 0 (changed)"));
}

}  // namespace
}  // namespace seaworthy::volumes
