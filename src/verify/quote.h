// The checks of a quote, for the verdict on it alone and for the one on all evidence.
#pragma once

#include <optional>

#include "seaworthy/verify.h"
#include "verify/report.h"
#include "verify/signed_statement.h"

namespace seaworthy::verify {

struct CheckedQuote {
  // Nothing when the checks broke off.
  std::optional<ClockInfo> clock;
  // Whether the values in the evidence are what the TPM quoted.
  bool pcrs_hold = false;
};

CheckedQuote CheckQuote(const Evidence& evidence, ByteView nonce, const EnrolledKey& ak,
                        Report& report);

}  // namespace seaworthy::verify
