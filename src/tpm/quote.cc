#include "seaworthy/tpm/quote.h"

#include <algorithm>

#include "seaworthy/status_macros.h"
#include "tpm/context.h"
#include "tpm/marshal.h"
#include "tpm/selection.h"

namespace seaworthy::tpm {
namespace {

// PCRs change rarely (the kernel extends PCR 10 as files are measured).
constexpr int kAttempts = 5;

Status PcrsKeepChanging() {
  return Fail(Code::kAborted, "PCR_CHANGED", "the PCRs changed again and again while being read");
}

struct Reading {
  std::uint32_t update_counter = 0;
  std::vector<PcrValue> values;
};

// One TPM2_PCR_Read of what is left of `selection`, which loses what was read. The TPM answers
// with at most eight digests, lowest PCRs first.
Status ReadSome(Context& context, PcrSelection& selection, Reading& reading) {
  const TPML_PCR_SELECTION asked = ToTss({selection});
  TPML_PCR_SELECTION* answered = nullptr;
  TPML_DIGEST* digests = nullptr;
  RETURN_IF_ERROR(
      context.Check(Esys_PCR_Read(context.esys(), ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &asked,
                                  &reading.update_counter, &answered, &digests),
                    "TPM2_PCR_Read"));
  const EsysPtr<TPML_PCR_SELECTION> answered_owner(answered);
  const EsysPtr<TPML_DIGEST> digests_owner(digests);
  if (answered->count != 1 || digests->count == 0) {
    return Fail(Code::kInvalidArgument, "PCR_BANK_NOT_ALLOCATED",
                "pcrs: this TPM does not have " + ToString(selection));
  }
  std::uint32_t next = 0;
  for (std::uint32_t pcr = 0; pcr < kPcrCount && next < digests->count; ++pcr) {
    if ((answered->pcrSelections[0].pcrSelect[pcr / 8] >> (pcr % 8) & 1) == 0) continue;
    const TPM2B_DIGEST& digest = digests->digests[next++];
    reading.values.push_back(
        {selection.bank, pcr, Bytes(digest.buffer, digest.buffer + digest.size)});
    selection.mask &= ~(1U << pcr);
  }
  return {};
}

// PCR values may be of different moments; Consistent() says whether they are not.
class PcrReader {
 public:
  Status Read(Context& context, const std::vector<PcrSelection>& selections) {
    for (PcrSelection selection : selections) {
      while (selection.mask != 0) {
        const std::uint32_t before = reading_.update_counter;
        const bool first = reading_.values.empty();
        RETURN_IF_ERROR(ReadSome(context, selection, reading_));
        if (!first && reading_.update_counter != before) consistent_ = false;
      }
    }
    return {};
  }
  bool consistent() const { return consistent_; }
  std::vector<PcrValue>& values() { return reading_.values; }

 private:
  Reading reading_;
  bool consistent_ = true;
};

struct QuoteAnswer {
  Attestation attestation;
  Bytes pcr_digest;
  std::uint32_t reset_count = 0;
};

Result<QuoteAnswer> QuoteOnce(Context& context, ESYS_TR ak, ByteView nonce,
                              const std::vector<PcrSelection>& selections) {
  const auto qualifying = ToTpm2b<TPM2B_DATA, &TPM2B_DATA::buffer>(nonce);
  const TPML_PCR_SELECTION tss_selection = ToTss(selections);
  TPMT_SIG_SCHEME scheme = {};  // the key's own
  scheme.scheme = TPM2_ALG_NULL;
  TPM2B_ATTEST* quoted = nullptr;
  TPMT_SIGNATURE* signature = nullptr;
  RETURN_IF_ERROR(
      context.Check(Esys_Quote(context.esys(), ak, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE,
                               &qualifying, &scheme, &tss_selection, &quoted, &signature),
                    "TPM2_Quote"));
  const EsysPtr<TPM2B_ATTEST> quoted_owner(quoted);
  const EsysPtr<TPMT_SIGNATURE> signature_owner(signature);
  QuoteAnswer answer;
  answer.attestation.attested.assign(quoted->attestationData,
                                     quoted->attestationData + quoted->size);
  answer.attestation.signature = Marshal<Tss2_MU_TPMT_SIGNATURE_Marshal>(*signature);
  ASSIGN_OR_RETURN(const TPMS_ATTEST attest, (Unmarshal<TPMS_ATTEST, Tss2_MU_TPMS_ATTEST_Unmarshal>(
                                                 answer.attestation.attested, "TPMS_ATTEST")));
  const TPM2B_DIGEST& digest = attest.attested.quote.pcrDigest;
  answer.pcr_digest.assign(digest.buffer, digest.buffer + digest.size);
  answer.reset_count = attest.clockInfo.resetCount;
  return answer;
}

}  // namespace

Result<std::vector<PcrValue>> ReadPcrs(Context& context,
                                       const std::vector<PcrSelection>& selections) {
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    PcrReader reader;
    RETURN_IF_ERROR(reader.Read(context, selections));
    if (reader.consistent()) return std::move(reader.values());
  }
  return PcrsKeepChanging();
}

Result<Quote> MakeQuote(Context& context, const WrappedKey& ak, ByteView nonce,
                        const std::vector<PcrSelection>& selections) {
  ASSIGN_OR_RETURN(const ESYS_TR loaded, context.LoadKept(ak));
  // PCRs seldom change: when the quoted digest is that of the values read last time, they need
  // not be read again.
  Context::KnownPcrs& known = context.known_pcrs();
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    ASSIGN_OR_RETURN(QuoteAnswer answer, QuoteOnce(context, loaded, nonce, selections));
    if (known.selections != selections || PcrDigest(known.values) != answer.pcr_digest) {
      PcrReader reader;
      RETURN_IF_ERROR(reader.Read(context, selections));
      known = {selections, std::move(reader.values())};
    }
    if (PcrDigest(known.values) == answer.pcr_digest) {
      return Quote{std::move(answer.attestation), known.values, answer.reset_count};
    }
  }
  return PcrsKeepChanging();
}

}  // namespace seaworthy::tpm
