#include "seaworthy/modules/volumes/update.h"

#include <gmock/gmock.h>
#include <sys/stat.h>

#include "support/status_matchers.h"
#include "support/temp_root.h"
#include "unit/modules/volumes/boot_states.h"
#include "unit/modules/volumes/uki_boot.h"

namespace seaworthy::volumes {
namespace {

using ::seaworthy::testing::Fails;
using ::seaworthy::testing::IsOk;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;

constexpr tpm::PcrSelection Selection(std::uint32_t mask) {
  return {tpm::HashAlgorithm::kSha256, mask};
}

Bytes ValueOf(const BootState& state, std::uint32_t pcr) {
  for (const verify::PcrValue& value : state.pcrs) {
    if (value.index == pcr) return value.digest;
  }
  return {};
}

// `digest` as OpenSSL makes it of the values.
void ExpectPredicted(const Result<PredictedPcrs>& predicted, const BootState& expected,
                     std::size_t count) {
  ASSERT_THAT(predicted, IsOk());
  ASSERT_THAT(predicted->values, SizeIs(count));
  Bytes all;
  for (const tpm::PcrValue& value : predicted->values) {
    EXPECT_EQ(Hex(value.digest), Hex(ValueOf(expected, value.index))) << value.index;
    all = verify::Join({all, value.digest});
  }
  EXPECT_EQ(predicted->policy.pcr_digest, verify::HashIn({TPM2_ALG_SHA256, 32}, all));
}

class UpdateTest : public ::testing::Test {
 protected:
  UpdateTest() { maker_.MakeKey("a"); }

  std::string Put(const std::string& name, const Bytes& content) const {
    verify::Write(root_ / name, content);
    return root_ / name;
  }

  const verify::PeMaker maker_;
  const testing::TempRoot root_;
};

TEST_F(UpdateTest, OfFilesAndVariablesIsPredicted) {
  const Bytes before = MakeUki(maker_, "kernel 1", "quiet", "initrd 1");
  const Bytes after = MakeUki(maker_, "kernel 2", "single", "initrd 2");
  Update update;
  update.files = {{"", Put("before.efi", before), Put("after.efi", after)}};
  update.variables = {{"dbx", Put("dbx", {1, 2, 3})}};
  const BootState now = StateOf(UkiLog(before, {}));
  const auto predicted = PredictUpdate(now, Selection(kUkiPcrs), update, {});
  ExpectPredicted(predicted, StateOf(UkiLog(after, {1, 2, 3})), 4);
  EXPECT_EQ(predicted->policy.selection, Selection(kUkiPcrs));
  for (const tpm::PcrValue& value : predicted->values) {
    EXPECT_NE(value.digest, ValueOf(now, value.index)) << value.index;
  }
  update.files[0] = {"\\efi\\boot\\bootx64.efi", "", Put("after.efi", after)};
  EXPECT_THAT(PredictUpdate(now, Selection(1U << 11), update, {}), IsOk());
}

// Against what the other guests' TPMs had.
TEST_F(UpdateTest, MakesOneGuestsPcrsTheOthers) {
  const auto value_of = [](const std::string& name) -> Bytes {
    for (const verify::BootEvent& event : verify::CapturedLog("ovmf-direct").events) {
      const verify::DecodedBootEvent decoded = verify::DecodeBootEvent(event);
      const auto* variable = std::get_if<verify::EfiVariable>(&decoded.detail);
      if (variable != nullptr && variable->name == name && event.pcr == 7) return variable->value;
    }
    ADD_FAILURE() << name;
    return {};
  };
  Update update;
  for (const char* name : {"SecureBoot", "PK", "KEK", "db", "dbx"}) {
    update.variables.push_back({name, Put(name, value_of(name))});
  }
  ExpectPredicted(
      PredictUpdate(CapturedState("ovmf-secureboot-direct"), Selection(1U << 7), update, {}),
      CapturedState("ovmf-direct"), 1);

  const auto line_of = [](const std::string& folder) {
    std::string line(AsText(verify::ReadCapture(folder, "cmdline")));
    line.erase(line.find_last_not_of('\n') + 1);
    return line;
  };
  update = {};
  update.command_line = {line_of("ovmf-direct"), line_of("ovmf-secureboot-uki")};
  ExpectPredicted(PredictUpdate(CapturedState("ovmf-direct"), Selection(1U << 9), update, {}),
                  CapturedState("ovmf-secureboot-uki"), 1);
}

TEST_F(UpdateTest, OfNothingIsTheNextBoot) {
  const BootState now = CapturedState("ovmf-secureboot-uki");
  ExpectPredicted(PredictUpdate(now, Selection(1U << 7 | 1U << 11), {}, {"sysinit", "ready"}), now,
                  2);
  ExpectPredicted(PredictUpdate(now, Selection(1U << 11), {}, {}), StateOf(now.log), 1);
}

TEST_F(UpdateTest, OfDigestsIsPredicted) {
  const auto log = [](const char* content) {
    verify::LogBuilder builder;
    builder.Separators().Add(9, verify::kEvIpl, verify::ToBytes("x"), verify::ToBytes(content));
    return StateOf(builder.file());
  };
  const auto digest = [](const char* content) {
    return verify::HashIn({TPM2_ALG_SHA256, 32}, verify::ToBytes(content));
  };
  Update update;
  update.digests = {{9, digest("old"), digest("new")}};
  ExpectPredicted(PredictUpdate(log("old"), Selection(1U << 9), update, {}), log("new"), 1);
}

TEST_F(UpdateTest, FilesThatCannotBeReadAreNamed) {
  const BootState now = CapturedState("ovmf-direct");
  const std::string file = Put("file", {1});
  const auto predict = [&](const std::string& before, const std::string& after) {
    Update update;
    update.files = {{"/x", before, after}};
    return PredictUpdate(now, Selection(1U << 7), update, {});
  };
  EXPECT_THAT(predict(file, root_ / "none"), Fails(Code::kNotFound, "FILE_NOT_FOUND"));
  EXPECT_THAT(Message(predict(root_ / "none", file).status()), HasSubstr(root_ / "none"));
  EXPECT_THAT(predict(file, root_.path().string()),
              Fails(Code::kFailedPrecondition, "UNSAFE_FILE"));
  ASSERT_EQ(mkfifo((root_ / "fifo").c_str(), 0600), 0);
  EXPECT_THAT(predict(file, root_ / "fifo"), Fails(Code::kFailedPrecondition, "UNSAFE_FILE"));
  const std::string large = Put("large", {});
  std::filesystem::resize_file(large, kMaxUpdateBytes);
  const auto too_large = predict(file, large);
  EXPECT_THAT(too_large, Fails(Code::kResourceExhausted, "UPDATE_TOO_LARGE"));
  EXPECT_THAT(Message(too_large.status()), HasSubstr(large));
}

TEST_F(UpdateTest, ChangesThatCannotBePredictedAreNamed) {
  const Bytes before = MakeUki(maker_, "kernel 1", "quiet", "initrd");
  const BootState now = StateOf(UkiLog(before, {}));
  const std::string old_file = Put("old.efi", before);
  const std::string other = Put("other.efi", MakeUki(maker_, "kernel 3", "quiet", "initrd"));
  const std::string broken = Put("broken.efi", Bytes(before.begin(), before.begin() + 1000));
  Update update;
  update.files = {{"", old_file, other}, {"", other, old_file}};
  const auto absent = PredictUpdate(now, Selection(1U << 4), update, {});
  EXPECT_THAT(absent, Fails(Code::kFailedPrecondition, "CANNOT_PREDICT"));
  EXPECT_THAT(Message(absent.status()),
              AllOf(HasSubstr(old_file + " in place of " + other + ": PCR 4"),
                    HasSubstr("no event has the digest of the old file")));
  update.files = {{"", old_file, other}, {"", old_file, broken}};
  const auto malformed = PredictUpdate(now, Selection(1U << 4), update, {});
  EXPECT_THAT(malformed, Fails(Code::kInvalidArgument, "MALFORMED"));
  EXPECT_THAT(Message(malformed.status()), HasSubstr(broken));
  update.files = {{"", old_file, other}};
  update.variables = {{"BootOrder", Put("order", {1})}};
  EXPECT_THAT(PredictUpdate(now, Selection(1U << 4), update, {}),
              Fails(Code::kInvalidArgument, "BAD_CHANGE"));
  // What has nothing to do with a change is not said to.
  BootState extended = now;
  extended.pcrs.at(4).digest[0] ^= 1;
  const auto not_in_log = PredictUpdate(extended, Selection(1U << 4), {.files = update.files}, {});
  EXPECT_THAT(not_in_log, Fails(Code::kFailedPrecondition, "CANNOT_PREDICT"));
  EXPECT_THAT(Message(not_in_log.status()), Not(HasSubstr(other)));
}

TEST_F(UpdateTest, NeedsALogAndASelection) {
  BootState now = CapturedState("ovmf-direct");
  // A policy of no PCRs would fit always.
  for (const std::uint32_t mask : {0U, 1U << 24}) {
    EXPECT_THAT(PredictUpdate(now, Selection(mask), {}, {}),
                Fails(Code::kInvalidArgument, "BAD_SELECTION"));
  }
  EXPECT_THAT(PredictUpdate(now, {tpm::HashAlgorithm::kSha1, 1U << 7}, {}, {}),
              Fails(Code::kInvalidArgument, "BAD_SELECTION"));
  Update many;
  many.digests.resize(kMaxUpdateChanges + 1);
  EXPECT_THAT(PredictUpdate(now, Selection(1U << 7), many, {}),
              Fails(Code::kInvalidArgument, "BAD_CHANGE"));
  now.log.resize(now.log.size() - 3);
  EXPECT_THAT(PredictUpdate(now, Selection(1U << 7), {}, {}),
              Fails(Code::kFailedPrecondition, "CANNOT_PREDICT"));
  now.log.clear();
  EXPECT_THAT(PredictUpdate(now, Selection(1U << 7), {}, {}),
              Fails(Code::kFailedPrecondition, "CANNOT_PREDICT"));
}

}  // namespace
}  // namespace seaworthy::volumes
