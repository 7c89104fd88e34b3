// Walks the writes of each change of a volume, libcryptsetup's among them, and kills the process at
// every one: afterwards what must open it opens it, and the change can be made again.
#include <gmock/gmock.h>
#include <sys/wait.h>

#include "component/modules/volumes/changes.h"
#include "component/modules/volumes/clear_data.h"
#include "component/modules/volumes/locks.h"
#include "support/fault_points.h"

namespace seaworthy::testing {
namespace {

namespace fs = std::filesystem;

using volumes::Luks;
using volumes::ReencryptionState;

constexpr std::size_t kSectorSize = 512;

struct Step {
  const char* name;
  const char* change;
  int least_points;  // fewer would mean that the walk has missed the calls
};

constexpr Step kSteps[] = {
    {"AddKeyslot", "add", 10},          {"DestroyKeyslot", "destroy", 10},
    {"ChangePassphrase", "change", 15}, {"SetToken", "token", 8},
    {"RemoveToken", "remove", 8},       {"BackUpHeader", "backup", 5},
    {"RestoreHeader", "restore", 2},    {"StartReencryption", "start", 25},
    {"RunReencryption", "run", 30},     {"ChangeHeaderCopy", "copy", 30},
};

class LuksFaultsTest : public LuksTest, public ::testing::WithParamInterface<Step> {
 protected:
  static std::string change() { return GetParam().change; }
  std::string volume() const { return files_ / "volume"; }
  std::string backup() const { return files_ / "kept/backup"; }

  void Prepare() {
    UseLocksIfPossible();
    volumes::FormatOptions options = SmallHeader();
    options.sector_size = kSectorSize;
    Result<Luks> luks =
        Luks::Format(MakeFile("before", change() == "run" ? 13 : 6), KeyOf(1), options);
    ASSERT_THAT(luks, IsOk());
    ASSERT_THAT(luks->AddKeyslot(KeyOf(1), Secret("first"), {}), IsOk());
    ASSERT_THAT(luks->AddKeyslot(KeyOf(1), Secret("second"), {}), IsOk());
    ASSERT_THAT(luks->SetToken(kOldToken), IsOk());
    data_.resize(std::filesystem::file_size(luks->path()) - kDataOffset);
    for (std::size_t i = 0; i < data_.size(); ++i) data_[i] = static_cast<std::uint8_t>(i * 7);
    WriteClear(luks->path(), data_, KeyOf(1), kSectorSize);
    fs::create_directory(files_ / "kept");
    if (change() == "restore") {
      ASSERT_THAT(luks->BackUpHeader(backup()), IsOk());
    }
    if (change() == "run") {
      ASSERT_THAT(MakeChange(luks->path(), "start", ""), IsOk());
    }
  }

  int RunDriver(Fault fault, int nth) const {
    fs::copy_file(files_ / "before", volume(), fs::copy_options::overwrite_existing);
    if (change() == "backup") {
      fs::remove_all(files_ / "kept");
      fs::create_directory(files_ / "kept");
    }
    const int status =
        std::system(("exec " LUKS_FAULT_DRIVER " " + volume() + " " + change() + " " +
                     std::to_string(static_cast<int>(fault)) + " " + std::to_string(nth) + " " +
                     backup() + " 2>" + files_ / "driver.log")
                        .c_str());
    return status;
  }

  std::string DriverLog() const { return std::string(AsText(ContentOf(files_ / "driver.log"))); }

  static bool Opens(const Luks& luks, std::string_view passphrase) {
    // Asked one by one: at the end of a re-encryption the old key's keyslots are gone already.
    return std::ranges::any_of(luks.Keyslots(), [&](const volumes::Keyslot& keyslot) {
      return luks.VolumeKey(Secret(passphrase), keyslot.id).ok();
    });
  }

  // What is promised of the volume at any moment of the change.
  void ExpectSound(bool done) const {
    if (change() == "restore") return ExpectRestorable();
    const Result<Luks> luks = Luks::Open(volume());
    ASSERT_THAT(luks, IsOk());
    const bool first = Opens(*luks, "first");
    const bool second = Opens(*luks, "second");
    // While it is being re-encrypted the program wants both keys.
    if (change() != "run") {
      EXPECT_EQ(first, CryptsetupOpens(volume(), "first"));
    }
    if (change() == "copy") {
      EXPECT_TRUE(first);
      const bool third = Opens(*luks, "third");
      EXPECT_NE(second, third) << "a part of the change";
      EXPECT_TRUE(!done || third);
      EXPECT_EQ(luks->TokenJson(0)->find("new") != std::string::npos, third);
      EXPECT_THAT(volumes::HeaderCopy::Take(volume()), IsOk());
      return;
    }
    if (change() == "add") {
      EXPECT_TRUE(first && second);
      EXPECT_TRUE(!done || Opens(*luks, "third"));
    } else if (change() == "destroy") {
      EXPECT_TRUE(first);
      EXPECT_TRUE(!done || !second);
    } else if (change() == "change") {
      EXPECT_TRUE(second);
      const bool next = Opens(*luks, "next");
      EXPECT_TRUE(first || next) << "neither the old nor the new passphrase opens it";
      EXPECT_TRUE(!done || (next && !first));
      EXPECT_TRUE(std::ranges::any_of(luks->Tokens()[0].keyslots, [&](int keyslot) {
        return luks->TestPassphrase(Secret("first"), keyslot).ok() ||
               luks->TestPassphrase(Secret("next"), keyslot).ok();
      })) << "neither opens a keyslot of the token's";
    } else {
      EXPECT_TRUE(first && second);
    }
    ExpectTokens(*luks, done);
    if (change() == "backup") ExpectBackup(done);
    if (change() == "start" || change() == "run") ExpectData(done);
  }

  static void ExpectTokens(const Luks& luks, bool done) {
    const std::string json = luks.TokenJson(0).value_or("");
    if (change() == "remove" && (done || json.empty())) {
      EXPECT_EQ(json, "");
    } else if (change() == "token" && (done || json.find("new") != std::string::npos)) {
      EXPECT_THAT(json, ::testing::HasSubstr(R"("v":"new")"));
    } else {
      EXPECT_THAT(json, ::testing::HasSubstr(R"("v":"old")"));
    }
  }

  void ExpectBackup(bool done) const {
    EXPECT_TRUE(!done || fs::exists(backup()));
    if (fs::exists(backup())) {
      EXPECT_TRUE(CryptsetupOpens(backup(), "first")) << "half a backup";
    } else {
      ASSERT_THAT(MakeChange(volume(), "backup", backup()), IsOk());
    }
    EXPECT_EQ(std::distance(fs::directory_iterator(files_ / "kept"), {}), 1);
  }

  // The backup is still there, and is taken again.
  void ExpectRestorable() const {
    ASSERT_THAT(MakeChange(volume(), "restore", backup()), IsOk());
    EXPECT_TRUE(CryptsetupOpens(volume(), "first"));
    EXPECT_TRUE(ReadClear(volume(), KeyOf(1), kSectorSize) == data_);
  }

  void ExpectData(bool done) const {
    Result<Luks> luks = Luks::Open(volume());
    const auto state = volumes::GetReencryptionState(*luks);
    ASSERT_THAT(state, IsOk());
    const bool finished = change() == "run" && *state == ReencryptionState::kNone;
    EXPECT_TRUE(!done || change() != "run" || finished);
    if (change() == "start") {
      if (*state == ReencryptionState::kNone) {
        EXPECT_TRUE(ReadClear(volume(), KeyOf(1), kSectorSize) == data_);
        ASSERT_THAT(MakeChange(volume(), "start", ""), IsOk());
      }
    }
    if (!finished) {
      ASSERT_THAT(MakeChange(volume(), "run", ""), IsOk());
    }
    EXPECT_TRUE(ReadClear(volume(), KeyOf(9), kSectorSize) == data_);
    EXPECT_TRUE(CryptsetupOpens(volume(), "first"));
    EXPECT_TRUE(CryptsetupOpens(volume(), "second"));
  }

  void WalkKills() {
    ASSERT_NO_FATAL_FAILURE(Prepare());
    int nth = 1;
    for (;; ++nth) {
      SCOPED_TRACE("point " + std::to_string(nth));
      const int status = RunDriver(Fault::kKillAfter, nth);
      const bool killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
      if (!killed) {
        ASSERT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << DriverLog();
      }
      ASSERT_NO_FATAL_FAILURE(ExpectSound(/*done=*/!killed));
      if (!killed || HasFailure()) break;
    }
    EXPECT_GT(nth, GetParam().least_points);
  }

  Bytes data_;
};

INSTANTIATE_TEST_SUITE_P(Changes, LuksFaultsTest, ::testing::ValuesIn(kSteps),
                         [](const auto& test) { return std::string(test.param.name); });

// What a killed process wrote stays: after one write is before the next.
TEST_P(LuksFaultsTest, KilledAfterEachPoint) { WalkKills(); }

}  // namespace
}  // namespace seaworthy::testing
