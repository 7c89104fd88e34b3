// PCRs read and quoted. All need a turn (broker.h).
#pragma once

#include <vector>

#include "seaworthy/tpm/key.h"

namespace seaworthy::tpm {

// Reads the selected PCRs, all from one moment. INVALID_ARGUMENT (PCR_BANK_NOT_ALLOCATED)
// when the TPM does not have one of them.
Result<std::vector<PcrValue>> ReadPcrs(Context& context,
                                       const std::vector<PcrSelection>& selections);

struct Quote {
  Attestation attestation;
  std::vector<PcrValue> pcrs;  // of the moment of the quote, in selection order
  // Of TPMS_CLOCK_INFO: another one after each boot. For a key outside the endorsement hierarchy
  // the TPM adds a constant that depends on the key.
  std::uint32_t reset_count = 0;
};

// TPM2_Quote with SHA-256. The values fit the quoted digest: read again when a PCR changed
// in between, ABORTED (PCR_CHANGED) when it happens over and over.
Result<Quote> MakeQuote(Context& context, const WrappedKey& ak, ByteView nonce,
                        const std::vector<PcrSelection>& selections);

}  // namespace seaworthy::tpm
