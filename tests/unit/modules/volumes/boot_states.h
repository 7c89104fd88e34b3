// What was measured at boots that were captured or made.
#pragma once

#include "seaworthy/modules/volumes/boot_state.h"
#include "unit/verify/boot_log_builder.h"

namespace seaworthy::volumes {

// With the PCRs that the log makes.
inline BootState StateOf(const Bytes& log) {
  BootState state{.pcrs = {}, .log = log};
  for (const verify::ReplayedPcr& pcr :
       verify::ReplayBootLog(verify::ParseBootLog(log).value()).pcrs) {
    if (pcr.bank == TPM2_ALG_SHA256) state.pcrs.push_back({pcr.bank, pcr.index, pcr.digest});
  }
  return state;
}

// With the PCRs that the guest's TPM had, by tpm2_pcrread.
inline BootState CapturedState(const std::string& folder) {
  BootState state{.pcrs = {}, .log = verify::CapturedFile(folder)};
  for (const auto& [id, digest] : verify::ReadPcrsText(folder)) {
    if (id.first == TPM2_ALG_SHA256) state.pcrs.push_back({id.first, id.second, digest});
  }
  return state;
}

}  // namespace seaworthy::volumes
