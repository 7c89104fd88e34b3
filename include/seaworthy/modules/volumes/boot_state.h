// What was measured at a boot. Kept when a way in is sealed, so that when it does not open some day
// it can be said what is not as it was.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "seaworthy/bytes.h"
#include "seaworthy/deadline.h"
#include "seaworthy/directory.h"
#include "seaworthy/pcr_difference.h"
#include "seaworthy/tpm/broker.h"

namespace seaworthy::volumes {

struct BootState {
  // All of the SHA-256 bank, ascending. It is the bank of systemd's tokens on each TPM that has it;
  // what differs in others is not told.
  std::vector<verify::PcrValue> pcrs;
  Bytes log;  // as the firmware wrote it; empty: the platform has none
};

// PCRs of one moment, and the log in the file `boot_log`. Errors of os::ReadBootLogFile and
// tpm::ReadPcrs.
Result<BootState> ReadBootState(tpm::Broker& broker, Deadline deadline,
                                const std::string& boot_log);

// The file `name` in a state folder, replaced as a whole; PCRs of SHA-256 alone are kept.
// INVALID_ARGUMENT (BOOT_STATE_TOO_LARGE) for a log beyond os::kMaxBootLogFile.
Status WriteBootState(const Directory& directory, const std::string& name, const BootState& state);

// NOT_FOUND when there is none; FAILED_PRECONDITION (BOOT_STATE_DAMAGED), naming the file and the
// field, for one that is as good as none.
Result<BootState> ReadBootStateFile(const Directory& directory, const std::string& name);

// What WriteBootState wrote. INVALID_ARGUMENT (BOOT_STATE_DAMAGED).
Result<BootState> ParseBootState(std::string_view text);

// What of these PCRs differs. A log that cannot be parsed counts as none, and the sentences say so.
verify::PcrDifferences Compare(const BootState& sealed, const BootState& now,
                               const std::vector<std::uint32_t>& pcrs);

// That in sentences, `most` lines at most: "Event 2 in PCR 7: Secure Boot was on and is off." None
// when nothing differs.
std::vector<std::string> WhyDifferent(const BootState& sealed, const BootState& now,
                                      const std::vector<std::uint32_t>& pcrs, std::size_t most);

// Whether all that differs is told by events of two logs that replay to the PCRs; so it is when
// nothing differs. It says that the change was measured by the firmware and what it started, not
// that anybody wanted it.
bool ExplainedByLog(const verify::PcrDifferences& differences);

}  // namespace seaworthy::volumes
