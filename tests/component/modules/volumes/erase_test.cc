#include "seaworthy/modules/volumes/erase.h"

#include <algorithm>
#include <cstring>

#include "component/modules/volumes/kill_walk.h"
#include "component/modules/volumes/volume_fixture.h"
#include "modules/volumes/metadata_write.h"
#include "seaworthy/modules/volumes/header_backup.h"

namespace seaworthy::volumes {
namespace {

using seaworthy::testing::Fails;
using seaworthy::testing::IsOk;
using ::testing::HasSubstr;

constexpr std::size_t kHeaderSize = 16 * 1024;
constexpr std::size_t kDataOffset = std::size_t{4} << 20;
constexpr std::size_t kBlock = 4096;

class EraseTest : public VolumeTest {
 protected:
  void Prepare() {
    made_ = MakeVolume(AddWays({{.policy = PcrsAsTheyAre()}}, true));
    before_ = Content();
    const auto copy = HeaderCopy::Take(path_);
    ASSERT_THAT(copy, IsOk());
    uuid_ = copy->header().uuid;
    for (const auto& [number, keyslot] : copy->header().metadata.keyslots) {
      areas_.push_back(keyslot.area);
    }
    std::ofstream(root_ / "key") << AsText(made_.back().passphrase.view());
  }

  Status Erase(const std::string& root = "/") { return EraseVolume(*broker_, Soon(), path_, root); }

  bool RecoveryKeyOpens(const std::string& volume = "volume") {
    return Shell("cryptsetup open --test-passphrase --key-file key " + volume);
  }

  // Blocks that are as they were.
  static int Same(const Bytes& now, const Bytes& before, std::size_t from, std::size_t to) {
    int same = 0;
    for (std::size_t at = from; at < to; at += kBlock) {
      if (std::memcmp(now.data() + at, before.data() + at, kBlock) == 0) ++same;
    }
    return same;
  }
  int KeyslotBlocksLeft(const Bytes& now) const {
    int left = 0;
    for (const Luks2Area& area : areas_) {
      left += Same(now, before_, area.offset, area.offset + area.size);
    }
    return left;
  }

  int Counters() {
    EXPECT_TRUE(Shell("tpm2_getcap handles-nv-index | grep -ci 0x18157 >counters || true"));
    return std::atoi(FileText("counters").c_str());
  }

  std::vector<OpenWayIn> made_;
  std::vector<Luks2Area> areas_;
  Bytes before_;
  std::string uuid_;
};

// M-98.
TEST_F(EraseTest, NothingButABackupOpensTheVolumeAgain) {
  ASSERT_NO_FATAL_FAILURE(Prepare());
  const auto copy = HeaderCopy::Take(path_);
  const auto image = HeaderImage(*copy);
  ASSERT_THAT(image, IsOk());
  EXPECT_EQ(Counters(), 1);
  ASSERT_TRUE(RecoveryKeyOpens());
  ASSERT_THAT(Erase(), IsOk());
  EXPECT_FALSE(Shell("cryptsetup luksDump volume"));
  EXPECT_FALSE(RecoveryKeyOpens());
  EXPECT_EQ(Counters(), 0);
  const Bytes now = Content();
  EXPECT_EQ(Same(now, before_, 0, kDataOffset), 0);
  EXPECT_TRUE(std::equal(now.begin() + kDataOffset, now.end(), before_.begin() + kDataOffset));
  EXPECT_THAT(Erase(), Fails(Code::kNotFound, "NOT_LUKS"));
  EXPECT_EQ(Content(), now);

  ASSERT_THAT(RestoreHeader(path_, *image, true), IsOk());
  EXPECT_TRUE(RecoveryKeyOpens());
}

// M-98: what libcryptsetup's erasure leaves is a header; it is none of ours to judge here.
TEST_F(EraseTest, TakesHeadersThatAreRefusedElsewhere) {
  ASSERT_NO_FATAL_FAILURE(Prepare());
  ASSERT_TRUE(Shell("cryptsetup luksDump --dump-json-metadata volume >json"));
  std::string json = FileText("json");
  const std::string cipher = R"("encryption":"aes-xts-plain64",)";
  json.replace(json.rfind(cipher, json.find("\"sector_size\"")), cipher.size(),
               R"("encryption":"cipher_null-ecb",)");
  ASSERT_THAT(ReplaceMetadata(path_, json), IsOk());
  ASSERT_THAT(HeaderCopy::Take(path_), Fails(Code::kPermissionDenied, "HEADER_CIPHER_REFUSED"));
  ASSERT_THAT(Erase(), IsOk());
  EXPECT_EQ(Counters(), 0);
  EXPECT_EQ(KeyslotBlocksLeft(Content()), 0);
  EXPECT_THAT(Erase(), Fails(Code::kNotFound, "NOT_LUKS"));
}

struct Damage {
  const char* name;
  std::vector<std::size_t> offsets;  // one byte at each
};

// M-98.
TEST_F(EraseTest, TakesDamagedHeaders) {
  const Damage damages[] = {
      {"the primary copy", {5000}},
      {"the secondary copy", {kHeaderSize + 5000}},
      {"the primary magic", {0}},
      {"both copies", {5000, kHeaderSize + 5000}},
      {"the primary magic and the other copy", {0, kHeaderSize + 5000}},
      {"the version, as if it were unknown", {7}},
      {"the size", {9}},
  };
  for (const Damage& damage : damages) {
    SCOPED_TRACE(damage.name);
    areas_.clear();
    ASSERT_NO_FATAL_FAILURE(Prepare());
    Bytes damaged = before_;
    for (const std::size_t offset : damage.offsets) damaged[offset] ^= 0x5aU;
    SetContent(damaged);
    ASSERT_THAT(Erase(), IsOk());
    EXPECT_EQ(KeyslotBlocksLeft(Content()), 0);
    EXPECT_FALSE(Shell("cryptsetup luksDump volume"));
    EXPECT_FALSE(Shell("cryptsetup repair -q volume"));
    EXPECT_THAT(Erase(), Fails(Code::kNotFound, "NOT_LUKS"));
  }
}

TEST_F(EraseTest, WhatIsNoVolumeIsLeftAlone) {
  std::ofstream(path_) << std::string(std::size_t{1} << 20, 'a');
  const Bytes before = Content();
  EXPECT_THAT(Erase(), Fails(Code::kNotFound, "NOT_LUKS"));
  EXPECT_EQ(Content(), before);
  SetContent({});
  EXPECT_THAT(Erase(), Fails(Code::kNotFound, "NOT_LUKS"));
  EXPECT_THAT(EraseVolume(*broker_, Soon(), root_ / "none"),
              Fails(Code::kNotFound, "FILE_NOT_FOUND"));
}

TEST_F(EraseTest, AVolumeInUseIsLeftAlone) {
  ASSERT_NO_FATAL_FAILURE(Prepare());
  namespace fs = std::filesystem;
  const fs::path host = root_ / "host";
  fs::create_directories(host / "sys/block/loop3/loop");
  std::ofstream(host / "sys/block/loop3/loop/backing_file")
      << fs::canonical(path_).string() << "\n";
  const Status looped = Erase(host);
  EXPECT_THAT(looped, Fails(Code::kFailedPrecondition, "DEVICE_IN_USE"));
  EXPECT_THAT(Message(looped), HasSubstr("loop3"));

  // With a detached header nothing holds the device that it is on.
  const fs::path mapped = root_ / "mapped";
  std::string plain = uuid_;
  std::erase(plain, '-');
  fs::create_directories(mapped / "sys/block/dm-5/dm");
  std::ofstream(mapped / "sys/block/dm-5/dm/uuid") << "CRYPT-LUKS2-" << plain << "-secrets\n";
  std::ofstream(mapped / "sys/block/dm-5/dm/name") << "secrets\n";
  const Status active = Erase(mapped);
  EXPECT_THAT(active, Fails(Code::kFailedPrecondition, "DEVICE_IN_USE"));
  EXPECT_THAT(Message(active), HasSubstr("mapped as secrets"));
  EXPECT_EQ(Content(), before_);
  EXPECT_EQ(Counters(), 1);

  std::ofstream(mapped / "sys/block/dm-5/dm/uuid")
      << "CRYPT-LUKS2-" << std::string(32, '0') << "-x\n";
  EXPECT_THAT(Erase(mapped), IsOk());
}

TEST_F(EraseTest, ATpmThatDoesNotAnswerKeepsNoVolumeAlive) {
  ASSERT_NO_FATAL_FAILURE(Prepare());
  tpm::Broker broker(
      {.tcti = "swtpm:path=" + root_ / "nobody", .state_dir = root_ / "none", .on_change = {}});
  const Status status = EraseVolume(broker, Soon(), path_);
  EXPECT_EQ(status.code(), Code::kUnavailable);
  EXPECT_THAT(Message(status), HasSubstr("is erased, but its counter stays"));
  EXPECT_EQ(Same(Content(), before_, 0, kDataOffset), 0);
  EXPECT_THAT(Erase(), Fails(Code::kNotFound, "NOT_LUKS"));
}

// A record may name any index.
TEST_F(EraseTest, OnlyCountersOfOursAreDeleted) {
  ASSERT_NO_FATAL_FAILURE(Prepare());
  ASSERT_TRUE(
      Shell("tpm2_nvdefine 0x01800001 -s 8 -a "
            "\"ownerread|ownerwrite|authread|authwrite|no_da|nt=counter\" && "
            "tpm2_nvincrement 0x01800001"));
  auto luks = Luks::Open(path_);
  for (const Token& token : luks->Tokens()) {
    if (token.type != kGuard) continue;
    auto record = ParseGuardRecord(*luks->TokenJson(token.id));
    ASSERT_THAT(record, IsOk());
    record->nv_index = 0x01800001;
    ASSERT_THAT(luks->SetToken(ToJson(*record), token.id), IsOk());
  }
  ASSERT_THAT(Erase(), IsOk());
  EXPECT_TRUE(Shell("tpm2_nvreadpublic 0x01800001"));
}

// M-98: as long as anything tells of the volume it can be erased, and its keyslots go first.
TEST_F(EraseTest, KilledAnywhereItCanBeEndedAndKeyslotsWentFirst) {
  ASSERT_NO_FATAL_FAILURE(Prepare());
  broker_->Close();
  const std::string killed = root_ / "killed";
  const int points = testing::WalkKills(
      {.before = path_, .volume = killed, .change = "erase", .file = swtpm_.tcti()},
      [&](bool done) {
        const Bytes now = ReadFile(killed, std::size_t{64} << 20).value_or(Bytes());
        if (Same(now, before_, 0, 2 * kHeaderSize) != 2 * kHeaderSize / kBlock) {
          EXPECT_EQ(KeyslotBlocksLeft(now), 0) << "the header before its keyslots";
        }
        const Status again = EraseVolume(*broker_, Soon(), killed);
        EXPECT_TRUE(again.ok() || Reason(again) == "NOT_LUKS") << again;
        EXPECT_TRUE(!done || !again.ok());
        const Bytes ended = ReadFile(killed, std::size_t{64} << 20).value_or(Bytes());
        EXPECT_EQ(Same(ended, before_, 0, kDataOffset), 0);
        EXPECT_FALSE(Shell("cryptsetup luksDump killed"));
      });
  EXPECT_GT(points, 8);
  EXPECT_EQ(Counters(), 0);
}

}  // namespace
}  // namespace seaworthy::volumes
