#include "seaworthy/modules/volumes/boot_state.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "seaworthy/os/boot_log_file.h"
#include "support/status_matchers.h"
#include "support/temp_root.h"
#include "unit/modules/volumes/boot_states.h"
#include "unit/modules/volumes/uki_boot.h"

namespace seaworthy::volumes {
namespace {

using nlohmann::json;
using ::seaworthy::testing::Fails;
using ::seaworthy::testing::IsOk;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr char kFile[] = "data.boot";

class BootStateFile : public ::testing::Test {
 protected:
  std::string Text() const { return std::string(AsText(*directory_.Read(kFile, 1 << 22))); }
  void SetText(const std::string& text) {
    ASSERT_THAT(directory_.Replace(kFile, AsBytes(text)), IsOk());
  }

  const testing::TempRoot root_;
  const Directory directory_ = Directory::Open(root_.path().string()).value();
};

void ExpectEqual(const BootState& state, const BootState& expected) {
  EXPECT_EQ(state.log, expected.log);
  ASSERT_EQ(state.pcrs.size(), expected.pcrs.size());
  for (std::size_t i = 0; i < state.pcrs.size(); ++i) {
    EXPECT_EQ(state.pcrs[i].bank, expected.pcrs[i].bank);
    EXPECT_EQ(state.pcrs[i].index, expected.pcrs[i].index);
    EXPECT_EQ(state.pcrs[i].digest, expected.pcrs[i].digest);
  }
}

TEST_F(BootStateFile, IsReadAsItWasWritten) {
  const BootState state = CapturedState("ovmf-secureboot-uki");
  ASSERT_THAT(state.pcrs, SizeIs(24));
  ASSERT_THAT(WriteBootState(directory_, kFile, state), IsOk());
  const auto read = ReadBootStateFile(directory_, kFile);
  ASSERT_THAT(read, IsOk());
  ExpectEqual(*read, state);
  // And by others.
  const json text = json::parse(Text());
  EXPECT_EQ(text["sha256"]["7"], Hex(state.pcrs[7].digest));
  const auto base64 = text["log"].get<std::string>();
  verify::Write(root_ / "log", AsBytes(base64));
  const std::string command = "base64 -d " + (root_ / "log") +
                              " | cmp - " TEST_DATA
                              "/captures/ovmf-secureboot-uki/binary_bios_measurements";
  EXPECT_EQ(std::system(command.c_str()), 0);
}

TEST_F(BootStateFile, MayBeWithoutALog) {
  BootState state = CapturedState("ovmf-direct");
  state.log.clear();
  ASSERT_THAT(WriteBootState(directory_, kFile, state), IsOk());
  ExpectEqual(ReadBootStateFile(directory_, kFile).value(), state);
}

TEST_F(BootStateFile, LogsOfEachSizeThatIsTakenAreReadAgain) {
  BootState state{.pcrs = {}, .log = Bytes(os::kMaxBootLogFile, 0xff)};
  ASSERT_THAT(WriteBootState(directory_, kFile, state), IsOk());
  ExpectEqual(ReadBootStateFile(directory_, kFile).value(), state);
  state.log.push_back(0);
  EXPECT_THAT(WriteBootState(directory_, kFile, state),
              Fails(Code::kInvalidArgument, "BOOT_STATE_TOO_LARGE"));
  EXPECT_THAT(ReadBootStateFile(directory_, kFile)->log, SizeIs(os::kMaxBootLogFile));
}

TEST_F(BootStateFile, DamageIsNamed) {
  ASSERT_THAT(WriteBootState(directory_, kFile, CapturedState("ovmf-direct")), IsOk());
  const std::string good = Text();
  const auto changed = [&](auto change) {
    json value = json::parse(good);
    change(value);
    return value.dump();
  };
  const std::pair<std::string, const char*> damaged[] = {
      {"", "no JSON object"},
      {good.substr(0, good.size() / 2), "no JSON object"},
      {changed([](json& value) { value["version"] = 2; }), "/version"},
      {changed([](json& value) { value.erase("sha256"); }), "/sha256"},
      {changed([](json& value) { value["sha256"]["24"] = std::string(64, '0'); }), "no PCR"},
      {changed([](json& value) { value["sha256"]["07"] = std::string(64, '0'); }), "no PCR"},
      {changed([](json& value) { value["sha256"]["7"] = "00"; }), "/sha256/7"},
      {changed([](json& value) { value["sha256"]["7"] = 7; }), "/sha256/7"},
      {changed([](json& value) { value["log"] = "A"; }), "/log"},
      {changed([](json& value) { value.erase("log"); }), "/log"},
  };
  for (const auto& [text, what] : damaged) {
    SetText(text);
    const auto read = ReadBootStateFile(directory_, kFile);
    EXPECT_THAT(read, Fails(Code::kFailedPrecondition, "BOOT_STATE_DAMAGED")) << what;
    EXPECT_THAT(Message(read.status()), HasSubstr(what));
    EXPECT_THAT(Message(read.status()), HasSubstr(root_ / kFile));
  }
  ASSERT_THAT(directory_.Remove(kFile), IsOk());
  EXPECT_THAT(ReadBootStateFile(directory_, kFile), Fails(Code::kNotFound, "FILE_NOT_FOUND"));
  std::filesystem::create_symlink("/etc/passwd", root_ / kFile);
  EXPECT_THAT(ReadBootStateFile(directory_, kFile),
              Fails(Code::kFailedPrecondition, "UNSAFE_FILE"));
}

// Two guests with the same firmware.
TEST(WhyDifferent, TellsHowSecureBootAndItsKeysChanged) {
  const BootState off = CapturedState("ovmf-direct");
  const BootState on = CapturedState("ovmf-secureboot-direct");
  const std::string subject = "certificate (O=SnakeOil,L=Fort Collins,ST=Colorado,C=US).";
  EXPECT_THAT(
      WhyDifferent(off, on, {2, 3, 7}, 10),
      ElementsAre("Event 5 in PCR 7: Secure Boot was off and is on.",
                  "Event 6 in PCR 7: the signature database PK changed: added 1 " + subject,
                  "Event 7 in PCR 7: the signature database KEK changed: added 1 " + subject,
                  "Event 8 in PCR 7: the signature database db changed: added 1 " + subject,
                  "Event 9 in PCR 7: the signature database dbx changed: added 1 image hash."));
  EXPECT_THAT(WhyDifferent(on, off, {7}, 2),
              ElementsAre("Event 5 in PCR 7: Secure Boot was on and is off.", "and 4 more"));
  EXPECT_TRUE(ExplainedByLog(Compare(off, on, {7})));
}

TEST(WhyDifferent, TellsThatTheCommandLineChanged) {
  EXPECT_THAT(
      WhyDifferent(CapturedState("ovmf-direct"), CapturedState("ovmf-secureboot-uki"), {9}, 10),
      ElementsAre("Event 33 in PCR 9: another digest than before: Tagged event 0x8f3b22ed: "
                  "LOADED_IMAGE::LoadOptions."));
  const auto grub = [](const std::string& line) {
    verify::LogBuilder log;
    log.Separators().Add(8, verify::kEvIpl, verify::ToBytes("kernel_cmdline: " + line),
                         verify::ToBytes(line));
    return StateOf(log.file());
  };
  EXPECT_THAT(WhyDifferent(grub("/vmlinuz quiet"), grub("/vmlinuz init=/bin/sh"), {7, 8}, 10),
              ElementsAre("Event 10 in PCR 8: the kernel's command line was \"/vmlinuz quiet\" and "
                          "is \"/vmlinuz init=/bin/sh\"."));
}

TEST(WhyDifferent, TellsWhatOfAUnifiedKernelImageChanged) {
  const verify::PeMaker maker;
  maker.MakeKey("a");
  const BootState before = StateOf(UkiLog(MakeUki(maker, "kernel 1", "quiet", "initrd 1"), {}));
  const BootState after = StateOf(UkiLog(MakeUki(maker, "kernel 2", "quiet", "initrd 2"), {}));
  EXPECT_THAT(
      WhyDifferent(before, after, {4, 7, 9, 11}, 10),
      ElementsAre(
          "Event 13 in PCR 4: the EFI application \\EFI\\BOOT\\BOOTX64.EFI has another digest.",
          "Event 23 in PCR 9: another digest than before: Tagged event 0x8f3b22ec: Linux initrd.",
          "Event 15 in PCR 11: the section .linux of the unified kernel image has another content.",
          "Event 22 in PCR 11: the section .initrd of the unified kernel image has another "
          "content."));
  EXPECT_TRUE(ExplainedByLog(Compare(before, after, {4, 7, 9, 11})));
}

TEST(WhyDifferent, IsNothingWhereNothingDiffers) {
  const BootState state = CapturedState("ovmf-direct");
  EXPECT_THAT(WhyDifferent(state, state, {0, 1, 2, 3, 4, 5, 6, 7, 10}, 10), IsEmpty());
  EXPECT_TRUE(ExplainedByLog(Compare(state, state, {7})));
}

BootState Extended(BootState state, std::size_t pcr) {
  state.pcrs.at(pcr).digest[0] ^= 1;
  return state;
}

TEST(ExplainedByLog, IsNotWhatIsNotInTheLog) {
  const BootState off = CapturedState("ovmf-direct");
  const BootState on = CapturedState("ovmf-secureboot-direct");
  EXPECT_FALSE(ExplainedByLog(Compare(off, Extended(off, 7), {7})));
  EXPECT_FALSE(ExplainedByLog(Compare(Extended(off, 7), off, {7})));
  // Beside events that it has.
  EXPECT_FALSE(ExplainedByLog(Compare(off, Extended(on, 7), {7})));
  EXPECT_TRUE(ExplainedByLog(Compare(off, Extended(on, 8), {7})));
  EXPECT_THAT(WhyDifferent(off, Extended(off, 8), {7, 8}, 10),
              ElementsAre(HasSubstr("PCR 8: its boot log does not replay to its present value.")));
}

TEST(ExplainedByLog, IsNotWhatIsLeftOut) {
  const auto grub = [](const std::string& prefix) {
    verify::LogBuilder log;
    log.Separators();
    for (std::size_t i = 0; i < 2 * verify::kMaxDifferencesOfPcr; ++i) {
      const std::string command = "set " + prefix + std::to_string(i);
      log.Add(8, verify::kEvIpl, verify::ToBytes("grub_cmd: " + command), verify::ToBytes(command));
    }
    return StateOf(log.file());
  };
  const verify::PcrDifferences in_log = Compare(grub("a"), grub("b"), {8});
  EXPECT_GT(in_log.left_out, 0);
  EXPECT_TRUE(ExplainedByLog(in_log));
  EXPECT_FALSE(ExplainedByLog(Compare(grub("a"), Extended(grub("b"), 8), {8})));
}

TEST(ExplainedByLog, IsNothingWithoutLogs) {
  const BootState off = CapturedState("ovmf-direct");
  const BootState on = CapturedState("ovmf-secureboot-direct");
  for (const Bytes& log : {Bytes(), Bytes(100, 1)}) {
    BootState without = on;
    without.log = log;
    EXPECT_FALSE(ExplainedByLog(Compare(off, without, {7})));
    EXPECT_FALSE(ExplainedByLog(Compare(without, off, {7})));
  }
  BootState broken = on;
  broken.log.resize(broken.log.size() - 3);
  EXPECT_THAT(
      WhyDifferent(off, broken, {7}, 10),
      ElementsAre(HasSubstr(" The log of this boot cannot be read: event 23 at byte 7425")));
  EXPECT_THAT(WhyDifferent(broken, off, {7}, 10),
              ElementsAre(HasSubstr(" The log that was kept cannot be read: event 23")));
  broken.log.clear();
  EXPECT_THAT(
      WhyDifferent(broken, off, {7}, 10),
      ElementsAre("PCR 7 differs. Why cannot be told: no boot log in its bank was kept from "
                  "before."));
}

}  // namespace
}  // namespace seaworthy::volumes
