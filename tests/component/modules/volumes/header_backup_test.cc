#include "seaworthy/modules/volumes/header_backup.h"

#include <fcntl.h>
#include <sys/file.h>

#include <algorithm>

#include "component/modules/volumes/kill_walk.h"
#include "component/modules/volumes/volume_fixture.h"
#include "modules/volumes/metadata_write.h"

namespace seaworthy::volumes {
namespace {

using seaworthy::testing::Fails;
using seaworthy::testing::IsOk;
using ::testing::HasSubstr;

constexpr std::size_t kCopies = 2 * 16 * 1024;

class HeaderBackup : public VolumeTest {
 protected:
  // A volume with a token and a recovery key, and the image of its header.
  void Prepare() {
    made_ = MakeVolume(AddWays({{.policy = PcrsAsTheyAre()}}, true));
    const auto copy = HeaderCopy::Take(path_);
    ASSERT_THAT(copy, IsOk());
    auto image = HeaderImage(*copy);
    ASSERT_THAT(image, IsOk());
    image_ = *std::move(image);
    Write("image", image_);
    Write("key", made_.back().passphrase.view());
  }

  void Write(const std::string& name, ByteView bytes) const {
    std::ofstream(root_ / name, std::ios::binary | std::ios::trunc) << AsText(bytes);
  }

  // What is at the beginning of the volume is overwritten.
  void Damage(std::size_t from, std::size_t size) const {
    Bytes content = Content();
    std::fill_n(content.begin() + static_cast<std::ptrdiff_t>(from), size, std::uint8_t{0xa5});
    SetContent(content);
  }

  bool RecoveryKeyOpens(const std::string& volume = "volume") {
    return Shell("cryptsetup open --test-passphrase --key-file key " + volume);
  }

  // Another volume, in the file "other".
  std::string MakeOther(std::uint64_t mib = 8) {
    std::string other = root_ / "other";
    std::ofstream(other, std::ios::trunc);
    std::filesystem::resize_file(other, mib << 20);
    FormatOptions options;
    options.keyslots_bytes = std::uint64_t{3} << 20;
    EXPECT_THAT(Luks::Format(other, testing::KeyOf(2), options), IsOk());
    return other;
  }

  std::vector<OpenWayIn> made_;
  Bytes image_;
};

TEST_F(HeaderBackup, ItIsWhatStockToolsMake) {
  ASSERT_NO_FATAL_FAILURE(Prepare());
  ASSERT_TRUE(Shell("cryptsetup luksHeaderBackup --header-backup-file stock volume"));
  const Bytes stock = ReadFile(root_ / "stock", std::size_t{16} << 20).value_or(Bytes());
  ASSERT_EQ(image_.size(), stock.size());
  EXPECT_TRUE(std::equal(image_.begin(), image_.begin() + kCopies, stock.begin()));
  const auto copy = HeaderCopy::Take(path_);
  ASSERT_THAT(copy, IsOk());
  std::size_t used = kCopies;
  for (const auto& [number, keyslot] : copy->header().metadata.keyslots) {
    const auto from = static_cast<std::ptrdiff_t>(keyslot.area.offset);
    const auto to = from + static_cast<std::ptrdiff_t>(keyslot.area.size);
    EXPECT_TRUE(std::equal(image_.begin() + from, image_.begin() + to, stock.begin() + from));
    used = std::max(used, static_cast<std::size_t>(to));
  }
  // Nothing of what keyslots held that are gone.
  EXPECT_TRUE(std::all_of(image_.begin() + static_cast<std::ptrdiff_t>(used), image_.end(),
                          [](std::uint8_t byte) { return byte == 0; }));
}

// M-97: by the key that the node does not have.
TEST_F(HeaderBackup, StockToolsRestoreWhatTheOperatorDecrypts) {
  ASSERT_NO_FATAL_FAILURE(Prepare());
  ASSERT_TRUE(
      Shell("openssl req -x509 -nodes -newkey rsa:2048 -keyout operator.key "
            "-out operator.pem -subj /CN=operator"));
  const auto copy = HeaderCopy::Take(path_);
  ASSERT_THAT(copy, IsOk());
  const auto backup = BackUpHeader(*copy, FileText("operator.pem"));
  ASSERT_THAT(backup, IsOk());
  Write("backup", AsBytes(*backup));
  Damage(0, image_.size());
  EXPECT_FALSE(RecoveryKeyOpens());
  ASSERT_TRUE(
      Shell("openssl cms -decrypt -inform PEM -in backup -recip operator.pem "
            "-inkey operator.key -out decrypted"));
  ASSERT_TRUE(Shell("cryptsetup -q luksHeaderRestore --header-backup-file decrypted volume"))
      << FileText("shell.log");
  EXPECT_TRUE(RecoveryKeyOpens());
  EXPECT_THAT(UnlockVolume(), IsOk());
  EXPECT_THAT(BackUpHeader(*copy, "none"), Fails(Code::kInvalidArgument, "CERTIFICATE_INVALID"));
}

TEST_F(HeaderBackup, RestoresOverADamagedHeader) {
  ASSERT_NO_FATAL_FAILURE(Prepare());
  const Bytes before = Content();
  for (const std::size_t from : {std::size_t{4096}, std::size_t{16}}) {
    Damage(from, image_.size() - from);
    EXPECT_FALSE(RecoveryKeyOpens());
    ASSERT_THAT(RestoreHeader(path_, image_, false), IsOk());
    EXPECT_TRUE(Shell("cryptsetup luksDump volume"));
    EXPECT_TRUE(RecoveryKeyOpens());
    EXPECT_THAT(UnlockVolume(), IsOk());
  }
  const Bytes after = Content();
  EXPECT_TRUE(std::equal(after.begin() + static_cast<std::ptrdiff_t>(image_.size()), after.end(),
                         before.begin() + static_cast<std::ptrdiff_t>(image_.size())));
}

TEST_F(HeaderBackup, NothingIsLeftOfKeyslotsThatTheImageDoesNotHave) {
  ASSERT_NO_FATAL_FAILURE(Prepare());
  const auto added = ChangeVolume(AddWays({}, true));
  ASSERT_THAT(added, IsOk());
  const auto copy = HeaderCopy::Take(path_);
  ASSERT_THAT(copy, IsOk());
  const auto area = copy->header().metadata.keyslots.at(added->front().keyslot).area;
  const auto held = [&] {
    const Bytes content = Content();
    const auto begin = content.begin() + static_cast<std::ptrdiff_t>(area.offset);
    return Bytes(begin, begin + 4096);
  };
  const Bytes before = held();
  ASSERT_THAT(RestoreHeader(path_, image_, false), IsOk());
  EXPECT_NE(held(), before);
  EXPECT_NE(held(), Bytes(4096));
}

TEST_F(HeaderBackup, AnotherVolumeIsOverwrittenWhenToldAlone) {
  ASSERT_NO_FATAL_FAILURE(Prepare());
  const std::string other = MakeOther();
  const auto refused = [&](const std::string& why) {
    const Status status = RestoreHeader(other, image_, false);
    EXPECT_THAT(status, Fails(Code::kFailedPrecondition, "OTHER_VOLUME"));
    EXPECT_THAT(Message(status), HasSubstr(why));
  };
  refused("is volume ");
  const auto copy = HeaderCopy::Take(path_);
  // As a re-encryption leaves it: the header of before is of no use any more.
  ASSERT_TRUE(Shell("cryptsetup -q luksUUID --uuid " + copy->header().uuid + " other"));
  refused("another volume key");
  std::filesystem::resize_file(other, 0);
  std::filesystem::resize_file(other, std::uintmax_t{8} << 20);
  refused("no LUKS2 header");
  ASSERT_THAT(RestoreHeader(other, image_, true), IsOk());
  EXPECT_TRUE(RecoveryKeyOpens("other"));
}

// M-97: an image is as foreign as what is on the disk.
TEST_F(HeaderBackup, ImagesAreJudged) {
  ASSERT_NO_FATAL_FAILURE(Prepare());
  const Bytes before = Content();
  EXPECT_THAT(RestoreHeader(path_, {}, true), Fails(Code::kInvalidArgument, "NOT_LUKS"));
  EXPECT_THAT(RestoreHeader(path_, ByteView(image_).first(image_.size() - 1), true),
              Fails(Code::kInvalidArgument, "HEADER_IMAGE_SHORT"));
  Bytes damaged = image_;
  damaged[5000] ^= 1;
  damaged[16384 + 5000] ^= 1;
  EXPECT_THAT(RestoreHeader(path_, damaged, true),
              Fails(Code::kInvalidArgument, "LUKS_HEADER_DAMAGED"));

  ASSERT_TRUE(Shell("cryptsetup luksDump --dump-json-metadata image >json"));
  std::string json = FileText("json");
  const std::string cipher = R"("encryption":"aes-xts-plain64",)";
  json.replace(json.rfind(cipher, json.find("\"sector_size\"")), cipher.size(),
               R"("encryption":"cipher_null-ecb",)");
  ASSERT_THAT(ReplaceMetadata(root_ / "image", json), IsOk());
  const Bytes plain = ReadFile(root_ / "image", std::size_t{16} << 20).value_or(Bytes());
  EXPECT_THAT(RestoreHeader(path_, plain, true),
              Fails(Code::kPermissionDenied, "HEADER_CIPHER_REFUSED"));

  const std::string detached = root_ / "detached";
  std::ofstream(detached, std::ios::trunc);
  std::filesystem::resize_file(detached, std::uintmax_t{4} << 20);
  FormatOptions options;
  options.keyslots_bytes = std::uint64_t{3} << 20;
  options.header_file = detached;
  options.destroy = true;
  MakeOther();
  ASSERT_THAT(Luks::Format(root_ / "other", testing::KeyOf(3), options), IsOk());
  const auto copy = HeaderCopy::Take(detached);
  ASSERT_THAT(copy, IsOk());
  EXPECT_THAT(RestoreHeader(path_, *HeaderImage(*copy), true),
              Fails(Code::kInvalidArgument, "HEADER_DETACHED"));
  EXPECT_EQ(Content(), before);
}

TEST_F(HeaderBackup, DevicesThatAreInUseOrTooSmallAreLeftAlone) {
  ASSERT_NO_FATAL_FAILURE(Prepare());
  const Bytes before = Content();
  {
    const UniqueFd other(open(path_.c_str(), O_RDWR | O_CLOEXEC));
    ASSERT_EQ(flock(other.get(), LOCK_EX), 0);
    EXPECT_THAT(RestoreHeader(path_, image_, false),
                Fails(Code::kFailedPrecondition, "DEVICE_IN_USE"));
  }
  namespace fs = std::filesystem;
  fs::create_directories(root_ / "host/sys/block/loop3/loop");
  Write("host/sys/block/loop3/loop/backing_file", AsBytes(fs::canonical(path_).string() + "\n"));
  const Status used = RestoreHeader(path_, image_, false, root_ / "host");
  EXPECT_THAT(used, Fails(Code::kFailedPrecondition, "DEVICE_IN_USE"));
  EXPECT_THAT(Message(used), HasSubstr("loop3"));
  EXPECT_EQ(Content(), before);
  std::filesystem::resize_file(path_, std::uintmax_t{4} << 20);
  EXPECT_THAT(RestoreHeader(path_, image_, false),
              Fails(Code::kFailedPrecondition, "DEVICE_TOO_SMALL"));
}

// M-81.
TEST_F(HeaderBackup, KilledAnywhereARestoreCanBeMadeAgain) {
  ASSERT_NO_FATAL_FAILURE(Prepare());
  // Other keyslots in the same places, so that what is killed is not what was before.
  ASSERT_THAT(ChangeVolume(AddWays({}, true)), IsOk());
  auto luks = Luks::Open(path_);
  ASSERT_THAT(luks->DestroyKeyslot(static_cast<int>(made_[0].keyslot)), IsOk());
  const auto foreign = luks->AddKeyslot(testing::KeyOf(1), Secret("foreign"), {});
  ASSERT_THAT(foreign, IsOk());
  ASSERT_EQ(*foreign, static_cast<int>(made_[0].keyslot));
  const std::string killed = root_ / "killed";
  const int points = testing::WalkKills(
      {.before = path_, .volume = killed, .change = "image", .file = root_ / "image"},
      [&](bool done) {
        EXPECT_TRUE(Shell("cryptsetup luksDump killed")) << "no header is left";
        EXPECT_TRUE(!done || RecoveryKeyOpens("killed"));
        EXPECT_THAT(RestoreHeader(killed, image_, false), IsOk());
        EXPECT_TRUE(RecoveryKeyOpens("killed"));
        EXPECT_TRUE(Shell("! cryptsetup open --test-passphrase --key-slot " +
                          std::to_string(*foreign) + " --key-file - killed <key"));
      });
  EXPECT_GT(points, 10);
}

}  // namespace
}  // namespace seaworthy::volumes
