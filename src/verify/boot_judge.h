// The boot event log of one round: replayed against the quote and judged by the policy.
#pragma once

#include <optional>
#include <vector>

#include "seaworthy/boot_log.h"
#include "seaworthy/policy.h"
#include "seaworthy/verify.h"
#include "verify/report.h"

namespace seaworthy::verify {

// The strongest bank that both the log and the quoted values have.
std::optional<std::uint16_t> CommonBank(const BootLog& log, const std::vector<PcrValue>& pcrs);

// `pcrs` are values that the quote vouches for.
void JudgeBootLog(const BootPolicy& policy, ByteView log, const std::vector<PcrValue>& pcrs,
                  Report& report);

}  // namespace seaworthy::verify
