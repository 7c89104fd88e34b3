// tpm2_eventlog, which shares no code with us, as the judge of what events are and of the replay.
#include <fstream>
#include <sstream>

#include "support/temp_root.h"
#include "unit/verify/boot_log_builder.h"

namespace seaworthy::verify {
namespace {

using ::seaworthy::testing::TempRoot;

struct Judgement {
  std::vector<std::string> events;          // "0 EV_NO_ACTION"
  std::map<std::string, std::string> pcrs;  // "sha256 7" -> hex
};

Judgement Ours(const Bytes& file) {
  const BootLog log = ParseBootLog(file).value();
  Judgement ours;
  for (const BootEvent& event : log.events) {
    ours.events.push_back(std::to_string(event.pcr) + " " + BootEventTypeName(event.type));
  }
  const std::map<std::uint16_t, std::string> names = {{TPM2_ALG_SHA1, "sha1 "},
                                                      {TPM2_ALG_SHA256, "sha256 "},
                                                      {TPM2_ALG_SHA384, "sha384 "},
                                                      {TPM2_ALG_SHA512, "sha512 "}};
  for (const ReplayedPcr& pcr : ReplayBootLog(log).pcrs) {
    if (pcr.events > 0) ours.pcrs[names.at(pcr.bank) + std::to_string(pcr.index)] = Hex(pcr.digest);
  }
  return ours;
}

std::string After(const std::string& line, std::string_view key) {
  const std::size_t at = line.find(key);
  return at == line.npos ? "" : line.substr(at + key.size());
}

Judgement Theirs(const Bytes& file) {
  const TempRoot root;
  std::ofstream(root / "log", std::ios::binary) << AsText(file);
  const std::string command =
      "tpm2_eventlog " + (root / "log") + " >" + (root / "yaml") + " 2>" + (root / "errors");
  EXPECT_EQ(std::system(command.c_str()), 0) << command;
  std::ifstream yaml(root / "yaml");
  Judgement theirs;
  std::string pcr, bank;
  bool values = false;
  for (std::string line; std::getline(yaml, line);) {
    values = values || line == "pcrs:";
    if (const std::string found = After(line, "  PCRIndex: "); !found.empty()) pcr = found;
    if (const std::string found = After(line, "  EventType: "); !found.empty()) {
      theirs.events.push_back(pcr + " " + found);
    }
    if (!values) continue;
    if (line.starts_with("  sha")) bank = line.substr(2, line.size() - 3) + " ";
    if (const std::string found = After(line, "0x"); !found.empty()) {
      theirs.pcrs[bank + std::to_string(std::atoi(line.c_str()))] = found;
    }
  }
  return theirs;
}

void ExpectAgreement(const Bytes& file) {
  const Judgement ours = Ours(file);
  const Judgement theirs = Theirs(file);
  EXPECT_FALSE(theirs.pcrs.empty());
  EXPECT_EQ(ours.events, theirs.events);
  EXPECT_EQ(ours.pcrs, theirs.pcrs);
}

class Tpm2Eventlog : public ::testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(Captures, Tpm2Eventlog, ::testing::ValuesIn(BootLogFolders()), TestName);

TEST_P(Tpm2Eventlog, AgreesOnACapture) { ExpectAgreement(CapturedFile(GetParam())); }

TEST(Tpm2EventlogOnMadeLogs, AgreesInAllBanks) {
  LogBuilder builder(Banks({TPM2_ALG_SHA1, TPM2_ALG_SHA256, TPM2_ALG_SHA384, TPM2_ALG_SHA512}));
  builder.Add(0, kEvSCrtmVersion, Utf16("v1"))
      .Add(7, kEvEfiVariableDriverConfig, Variable(kGlobal, "SecureBoot", {1}))
      .Separators()
      .Add(4, kEvEfiBootServicesApplication, Image(FilePath("\\EFI\\BOOT\\BOOTX64.EFI")), {1})
      .Add(8, kEvIpl, ToBytes("grub_cmd: boot"), ToBytes("boot"))
      .Add(14, kEvIpl, ToBytes({"MokList\0", 8}), {1, 2})
      .Add(23, kEvCompactHash, {1, 2, 3, 4});
  ExpectAgreement(builder.file());
}

TEST(Tpm2EventlogOnMadeLogs, AgreesOnADynamicLaunch) {
  LogBuilder builder;
  builder.Separators().Add(17, kEvEventTag, Join({Le(1, 4), Le(1, 4), {7}}));
  ExpectAgreement(builder.file());
}

TEST(Tpm2EventlogOnMadeLogs, AgreesOnTheNamesOfTypes) {
  LogBuilder builder;
  for (const std::uint32_t type :
       {kEvPrebootCert, kEvPostCode, kEvUnused, kEvAction, kEvSCrtmContents, kEvCpuMicrocode,
        kEvPlatformConfigFlags, kEvTableOfDevices, kEvIplPartitionData, kEvNonhostCode,
        kEvNonhostConfig, kEvNonhostInfo, kEvOmitBootDeviceEvents}) {
    builder.Add(3, type, Bytes(16, 0x41));
  }
  ExpectAgreement(builder.file());
}

TEST(Tpm2EventlogOnMadeLogs, AgreesOnTheOldForm) {
  LogBuilder builder = LogBuilder::Old();
  builder.Add(0, kEvSCrtmVersion, ToBytes("v1")).Separators();
  ExpectAgreement(builder.file());
}

}  // namespace
}  // namespace seaworthy::verify
