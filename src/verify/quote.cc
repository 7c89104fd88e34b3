#include <tss2/tss2_tpm2_types.h>

#include "verify/digest.h"
#include "verify/pcr_values.h"
#include "verify/quote.h"

namespace seaworthy::verify {
namespace {

// The digest in a quote is over the values one after the other, made with the hash of the
// signature scheme (TPM 2.0 part 3, 18.4).
Result<Bytes> DigestOf(const std::vector<const Bytes*>& values, std::uint16_t hash) {
  Bytes all;
  for (const Bytes* value : values) all.insert(all.end(), value->begin(), value->end());
  return Digest(hash, all);
}

bool CheckPcrs(const CheckedStatement& quote, const std::vector<PcrValue>& values, Report& report) {
  const std::string quoted = ToText(quote.attest.pcrs);
  if (quoted.empty()) {
    report.Failed("NO_PCRS", "The quote is over no PCR at all: it says nothing about the node.");
    return false;
  }
  const Result<PcrMatch> match = MatchPcrs(quote.attest.pcrs, values);
  if (!match.ok()) {
    report.Failed("MALFORMED", "The PCR values: " + Message(match.status()) + ".");
    return false;
  }
  if (!match->unquoted.empty()) {
    report.Failed("PCR_NOT_QUOTED",
                  "Values came for PCRs that are not quoted, so nothing vouches for them: " +
                      match->unquoted + ".",
                  quoted, match->unquoted);
  }
  if (!match->missing.empty()) {
    report.Failed("PCR_MISSING", "Quoted PCRs came without their values: " + match->missing + ".",
                  quoted);
    return false;
  }
  const Result<Bytes> digest = DigestOf(match->in_order, quote.hash);
  if (!digest.ok() || *digest != quote.attest.pcr_digest) {
    report.Failed("PCR_DIGEST_MISMATCH",
                  "The PCR values are not the ones that the TPM quoted for " + quoted + ".",
                  Hex(quote.attest.pcr_digest), digest.ok() ? Hex(*digest) : "");
    return false;
  }
  report.Passed("PCRS_MATCH", "The PCR values are the ones that the TPM quoted: " + quoted + ".");
  return match->unquoted.empty();
}

}  // namespace

CheckedQuote CheckQuote(const Evidence& evidence, ByteView nonce, const EnrolledKey& ak,
                        Report& report) {
  CheckedQuote checked;
  const auto quote = CheckStatement({evidence.ak_public, evidence.quoted, evidence.signature},
                                    TPM2_ST_ATTEST_QUOTE, nonce, ak, report);
  if (!quote) return checked;
  checked.clock = quote->attest.clock;
  checked.pcrs_hold = CheckPcrs(*quote, evidence.pcrs, report);
  return checked;
}

Verdict VerifyQuote(const Evidence& evidence, ByteView nonce, const EnrolledKey& ak) {
  Report report;
  const CheckedQuote checked = CheckQuote(evidence, nonce, ak, report);
  if (!checked.clock) return std::move(report).BrokenOff();
  return std::move(report).Complete(*checked.clock);
}

}  // namespace seaworthy::verify
