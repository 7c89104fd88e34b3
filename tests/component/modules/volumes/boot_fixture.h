// A machine with a software TPM: it boots what a log says.
#pragma once

#include <string>
#include <vector>

#include "component/modules/volumes/volume_fixture.h"
#include "seaworthy/modules/volumes/boot_state.h"
#include "unit/verify/boot_log_builder.h"

namespace seaworthy::volumes {

class BootTest : public VolumeTest {
 protected:
  // Power off and on: tpm2-tools extend the log's events, one after the other, and `phases`.
  void Boot(const Bytes& log, const std::vector<std::string>& phases = {}) {
    ASSERT_THAT(ReplaceFile(log_path_, log, 0600), testing::IsOk());
    broker_->Close();
    swtpm_.Kill();
    swtpm_.Start();
    std::string command = "tpm2_pcrextend";
    const verify::BootLog parsed = verify::ParseBootLog(log).value();
    for (const verify::BootEvent& event : parsed.events) {
      if (event.type == verify::kEvNoAction) continue;
      command += " " + std::to_string(event.pcr) + ":sha1=" + Hex(event.digests.at(TPM2_ALG_SHA1)) +
                 ",sha256=" + Hex(event.digests.at(TPM2_ALG_SHA256));
    }
    for (const std::string& phase : phases) {
      command += " 11:sha256=" + Hex(verify::HashIn({TPM2_ALG_SHA256, 32}, verify::ToBytes(phase)));
    }
    ASSERT_TRUE(Shell(command)) << FileText("shell.log");
  }

  BootState Now() {
    const auto state = ReadBootState(*broker_, Soon(), log_path_);
    EXPECT_THAT(state, testing::IsOk());
    return state.value_or(BootState());
  }

  // As tpm2_pcrread has it, lower case.
  std::string PcrRead(std::uint32_t pcr) {
    EXPECT_TRUE(Shell("tpm2_pcrread -o pcr.bin sha256:" + std::to_string(pcr)));
    return Hex(AsBytes(FileText("pcr.bin")));
  }

  const std::string log_path_ = root_ / "binary_bios_measurements";
};

}  // namespace seaworthy::volumes
