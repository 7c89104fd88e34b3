// Predictions by one log, compared with what another log of the changed boot replays to.
#include "seaworthy/pcr_prediction.h"

#include <gmock/gmock.h>

#include <span>

#include "support/status_matchers.h"
#include "unit/verify/boot_log_builder.h"

namespace seaworthy::verify {
namespace {

using ::seaworthy::testing::Fails;
using ::seaworthy::testing::IsOk;

std::vector<PcrValue> Replayed(const BootLog& log) {
  std::vector<PcrValue> values;
  for (const ReplayedPcr& pcr : ReplayBootLog(log).pcrs) {
    values.push_back({pcr.bank, pcr.index, pcr.digest});
  }
  return values;
}

Bytes PcrOf(const std::vector<PcrValue>& values, std::uint16_t bank, std::uint32_t index) {
  for (const PcrValue& value : values) {
    if (value.bank == bank && value.index == index) return value.digest;
  }
  ADD_FAILURE() << "no PCR " << index;
  return {};
}

class Prediction {
 public:
  explicit Prediction(BootLog log, std::uint16_t bank = TPM2_ALG_SHA256)
      : log_(std::move(log)), present_(Replayed(log_)), bank_(bank) {}

  std::vector<PcrValue>& present() { return present_; }

  Result<Bytes> Of(std::uint32_t pcr, const std::vector<BootChange>& changes,
                   const std::vector<std::string>& phases = {}) const {
    const PcrForecast forecast = {log_, present_, bank_, {pcr}, phases};
    auto values = PredictPcrs(forecast, changes);
    if (!values.ok()) return values.status();
    EXPECT_EQ(values->size(), 1u);
    EXPECT_EQ(values->at(0).bank, bank_);
    EXPECT_EQ(values->at(0).index, pcr);
    return values->at(0).digest;
  }

 private:
  BootLog log_;
  std::vector<PcrValue> present_;
  std::uint16_t bank_;
};

MATCHER_P(CannotPredict, why, "cannot be predicted because " + std::string(why)) {
  *result_listener << arg.status().ToString();
  return Reason(arg.status()) == "CANNOT_PREDICT" &&
         arg.status().code() == Code::kFailedPrecondition &&
         Message(arg.status()).find(why) != std::string::npos;
}

Bytes ValueOf(const BootLog& log, const std::string& name) {
  for (const BootEvent& event : log.events) {
    const DecodedBootEvent decoded = DecodeBootEvent(event);
    const auto* variable = std::get_if<EfiVariable>(&decoded.detail);
    if (variable != nullptr && variable->name == name && event.pcr == 7) return variable->value;
  }
  ADD_FAILURE() << name;
  return {};
}

class PcrPredictionInBank : public ::testing::TestWithParam<std::uint16_t> {};
INSTANTIATE_TEST_SUITE_P(Banks, PcrPredictionInBank,
                         ::testing::Values(TPM2_ALG_SHA1, TPM2_ALG_SHA256));

TEST_P(PcrPredictionInBank, WithoutAChangeIsThePresent) {
  for (const std::string& folder : BootLogFolders()) {
    const BootLog log = CapturedLog(folder);
    for (std::uint32_t pcr = 0; pcr < 10; ++pcr) {
      const auto predicted = Prediction(log, GetParam()).Of(pcr, {});
      ASSERT_THAT(predicted, IsOk());
      EXPECT_EQ(*predicted, PcrOf(Replayed(log), GetParam(), pcr));
    }
  }
}

// One guest's log with the other's variables, against the PCR of the other's TPM.
TEST_P(PcrPredictionInBank, VariablesMakeOneGuestsPcr7TheOthers) {
  const BootLog other = CapturedLog("ovmf-direct");
  std::vector<BootChange> changes;
  for (const char* name : {"SecureBoot", "PK", "KEK", "db", "dbx"}) {
    changes.push_back(VariableChange{name, ValueOf(other, name)});
  }
  const auto predicted =
      Prediction(CapturedLog("ovmf-secureboot-direct"), GetParam()).Of(7, changes);
  ASSERT_THAT(predicted, IsOk());
  EXPECT_EQ(Hex(*predicted), Hex(ReadPcrsText("ovmf-direct").at({GetParam(), 7})));
}

std::string CommandLineOf(const std::string& folder) {
  std::string line(AsText(ReadCapture(folder, "cmdline")));
  line.erase(line.find_last_not_of('\n') + 1);
  return line;
}

// Two guests with one initrd and different command lines.
TEST_P(PcrPredictionInBank, CommandLineMakesOneGuestsPcr9TheOthers) {
  const auto predicted = Prediction(CapturedLog("ovmf-direct"), GetParam())
                             .Of(9, {CommandLineChange{CommandLineOf("ovmf-direct"),
                                                       CommandLineOf("ovmf-secureboot-uki")}});
  ASSERT_THAT(predicted, IsOk());
  EXPECT_EQ(Hex(*predicted), Hex(ReadPcrsText("ovmf-secureboot-uki").at({GetParam(), 9})));
}

TEST(PcrPrediction, NeedsALogThatReplaysToThePresent) {
  Prediction prediction(CapturedLog("ovmf-direct"));
  prediction.present()[24 + 4].digest[0] ^= 1;  // the second bank
  ASSERT_EQ(prediction.present()[24 + 4].bank, TPM2_ALG_SHA256);
  EXPECT_THAT(prediction.Of(4, {}), CannotPredict("PCR 4 cannot be predicted: the boot log does "
                                                  "not replay"));
  EXPECT_THAT(prediction.Of(5, {}), IsOk());
}

TEST(PcrPrediction, NeedsThePresentValue) {
  Prediction prediction(CapturedLog("ovmf-direct"));
  EXPECT_THAT(prediction.Of(24, {}), Fails(Code::kInvalidArgument, "BAD_SELECTION"));
  prediction.present().clear();
  EXPECT_THAT(prediction.Of(4, {}), Fails(Code::kInvalidArgument, "BAD_SELECTION"));
  EXPECT_THAT(Prediction(CapturedLog("ovmf-direct"), TPM2_ALG_SM3_256).Of(4, {}),
              Fails(Code::kInvalidArgument, "BAD_SELECTION"));
}

// The guest's systemd extended "sysinit" and "ready" after its log had ended.
TEST(PcrPrediction, PhasesOfSystemdArePredictedInPcr11) {
  const BootLog log = CapturedLog("ovmf-secureboot-uki");
  Prediction prediction(log);
  prediction.present().clear();
  for (const auto& [id, digest] : ReadPcrsText("ovmf-secureboot-uki")) {
    prediction.present().push_back({id.first, id.second, digest});
  }
  const Bytes present = PcrOf(prediction.present(), TPM2_ALG_SHA256, 11);
  const Bytes before = PcrOf(Replayed(log), TPM2_ALG_SHA256, 11);
  ASSERT_NE(present, before);
  const auto none = prediction.Of(11, {});
  ASSERT_THAT(none, IsOk());
  EXPECT_EQ(*none, before);
  const auto same = prediction.Of(11, {}, {"sysinit", "ready"});
  ASSERT_THAT(same, IsOk());
  EXPECT_EQ(Hex(*same), Hex(present));
  // IMA extends PCR 10, and what is not known.
  EXPECT_THAT(prediction.Of(10, {}), CannotPredict("PCR 10"));
}

TEST(PcrPrediction, DigestIsReplacedWhereItIs) {
  const auto log = [](const char* file) {
    LogBuilder builder;
    builder.Separators();
    builder.Add(8, kEvIpl, ToBytes("x"), ToBytes("same"));
    builder.Add(9, kEvIpl, ToBytes("x"), ToBytes(file));
    return builder.Parse();
  };
  const BootBank bank = {TPM2_ALG_SHA256, 32};
  const Bytes before = HashIn(bank, ToBytes("old"));
  const Bytes after = HashIn(bank, ToBytes("new"));
  const Prediction prediction(log("old"));
  EXPECT_EQ(prediction.Of(9, {DigestChange{9, before, after}}).value(),
            PcrOf(Replayed(log("new")), TPM2_ALG_SHA256, 9));
  EXPECT_THAT(prediction.Of(9, {DigestChange{9, after, before}}),
              CannotPredict("PCR 9 cannot be predicted: no event has the digest"));
  EXPECT_THAT(prediction.Of(8, {DigestChange{8, before, after}}), CannotPredict("PCR 8"));
  EXPECT_THAT(prediction.Of(8, {DigestChange{9, before, after}}), IsOk());
  EXPECT_THAT(prediction.Of(9, {DigestChange{9, before, Bytes(31)}}),
              Fails(Code::kInvalidArgument, "BAD_CHANGE"));
  EXPECT_THAT(prediction.Of(9, {DigestChange{9, before, after}, DigestChange{9, before, before}}),
              CannotPredict("two of the changes are about event 11"));
}

LogBuilder GrubLog(const std::string& line) {
  LogBuilder builder(Banks({TPM2_ALG_SHA1, TPM2_ALG_SHA256, TPM2_ALG_SHA384, TPM2_ALG_SHA512}));
  builder.Separators();
  const std::string command = "linux " + line;
  builder.Add(8, kEvIpl, ToBytes("grub_cmd: " + command), ToBytes(command));
  builder.Add(8, kEvIpl, ToBytes("kernel_cmdline: " + line), ToBytes(line));
  builder.Add(12, kEvIpl, Join({Utf16(line), {0, 0}}));
  const Bytes load_options = ToBytes(std::string("LOADED_IMAGE::LoadOptions") + '\0');
  builder.Add(9, kEvEventTag, Join({Le(0x8f3b22ed, 4), Le(load_options.size(), 4), load_options}),
              Join({Utf16("BOOT_IMAGE=" + line), {0, 0}}));
  return builder;
}

TEST(PcrPrediction, CommandLineIsReplacedInEachFormAndBank) {
  const CommandLineChange change = {"/vmlinuz root=/dev/vda quiet", "/vmlinuz root=/dev/vdb"};
  const std::vector<PcrValue> after = Replayed(GrubLog(change.after).Parse());
  for (const std::uint16_t bank :
       {TPM2_ALG_SHA1, TPM2_ALG_SHA256, TPM2_ALG_SHA384, TPM2_ALG_SHA512}) {
    const Prediction prediction(GrubLog(change.before).Parse(), bank);
    for (const std::uint32_t pcr : {8U, 9U, 12U}) {
      const auto predicted = prediction.Of(pcr, {change});
      ASSERT_THAT(predicted, IsOk());
      EXPECT_EQ(Hex(*predicted), Hex(PcrOf(after, bank, pcr))) << pcr;
    }
  }
}

TEST(PcrPrediction, CommandLineThatIsNotTheOldOneIsNotPredicted) {
  const Prediction prediction(GrubLog("/vmlinuz quiet").Parse());
  for (const std::uint32_t pcr : {8U, 9U, 12U}) {
    EXPECT_THAT(prediction.Of(pcr, {CommandLineChange{"/vmlinuz", "/vmlinuz single"}}),
                CannotPredict("PCR " + std::to_string(pcr)));
  }
  EXPECT_THAT(prediction.Of(7, {CommandLineChange{"/vmlinuz", "/vmlinuz single"}}), IsOk());
  EXPECT_THAT(prediction.Of(8, {CommandLineChange{"/vmlinuz quiet", "\x1b"}}),
              Fails(Code::kInvalidArgument, "BAD_CHANGE"));
  const Prediction without(CapturedLog("seabios-direct"));
  EXPECT_THAT(without.Of(9, {CommandLineChange{"quiet", "loud"}}), CannotPredict("PCR 9"));
}

TEST(PcrPrediction, EntriesOfGrubsMenuAreNotPredicted) {
  LogBuilder builder = GrubLog("/vmlinuz quiet");
  const std::string entry = "menuentry Debian { linux /vmlinuz  quiet }";
  builder.Add(8, kEvIpl, ToBytes("grub_cmd: " + entry), ToBytes(entry));
  const Prediction prediction(builder.Parse());
  const CommandLineChange change = {"/vmlinuz quiet", "/vmlinuz single"};
  EXPECT_THAT(prediction.Of(8, {change}), CannotPredict("an entry of GRUB's menu"));
  EXPECT_THAT(prediction.Of(9, {change}), IsOk());
}

TEST(PcrPrediction, VariableMayBeMeasuredByItsValueAlone) {
  const auto log = [](const Bytes& value) {
    LogBuilder builder;
    builder.Add(7, kEvEfiVariableDriverConfig, Variable(kGlobal, "KEK", value), value);
    return builder.Separators().Parse();
  };
  EXPECT_EQ(Prediction(log({1, 2})).Of(7, {VariableChange{"KEK", {3, 4, 5}}}).value(),
            PcrOf(Replayed(log({3, 4, 5})), TPM2_ALG_SHA256, 7));
}

BootLog AuthorityLog(const Bytes& db, bool on = true) {
  LogBuilder builder;
  builder.Add(7, kEvEfiVariableDriverConfig,
              Variable(kGlobal, "SecureBoot", {static_cast<std::uint8_t>(on ? 1 : 0)}));
  builder.Add(7, kEvEfiVariableDriverConfig, Variable(kSecurityDatabase, "db", db));
  builder.Add(7, kEvEfiVariableDriverConfig, Variable(kSecurityDatabase, "dbx", {}));
  builder.Separators();
  if (on) {
    builder.Add(7, kEvEfiVariableAuthority, Variable(kSecurityDatabase, "db", Bytes(200, 7)));
  }
  return builder.Parse();
}

TEST(PcrPrediction, AuthoritiesStayWhereTheDatabaseOnlyGrows) {
  const Prediction prediction(AuthorityLog({1, 2, 3}));
  EXPECT_EQ(prediction.Of(7, {VariableChange{"db", {1, 2, 3, 4}}}).value(),
            PcrOf(Replayed(AuthorityLog({1, 2, 3, 4})), TPM2_ALG_SHA256, 7));
  EXPECT_THAT(prediction.Of(7, {VariableChange{"db", {1, 2}}}), CannotPredict("PCR 7"));
  EXPECT_THAT(prediction.Of(7, {VariableChange{"db", {4, 1, 2, 3}}}), CannotPredict("PCR 7"));
  EXPECT_THAT(prediction.Of(7, {VariableChange{"dbx", {9}}}), IsOk());
}

TEST(PcrPrediction, AuthoritiesUnderAnotherSecureBootAreNotPredicted) {
  EXPECT_THAT(Prediction(AuthorityLog({1})).Of(7, {VariableChange{"SecureBoot", {0}}}),
              CannotPredict("PCR 7"));
  EXPECT_THAT(Prediction(AuthorityLog({1}, false)).Of(7, {VariableChange{"SecureBoot", {1}}}),
              CannotPredict("PCR 7"));
}

TEST(PcrPrediction, VariablesThatAreNotThereAreNotPredicted) {
  const Prediction prediction(AuthorityLog({1}));
  EXPECT_THAT(prediction.Of(7, {VariableChange{"PK", {1}}}),
              CannotPredict("the boot log has no variable PK"));
  EXPECT_THAT(prediction.Of(7, {VariableChange{"BootOrder", {1}}}),
              Fails(Code::kInvalidArgument, "BAD_CHANGE"));
}

}  // namespace
}  // namespace seaworthy::verify
