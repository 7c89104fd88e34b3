#include <tss2/tss2_tpm2_types.h>

#include <algorithm>

#include "seaworthy/status_macros.h"
#include "verify/pcr_values.h"
#include "verify/signature.h"

namespace seaworthy::verify {
namespace {

// The "serialized" form of PCRs is tss2's structures as they lie in memory, each in its full
// size and little-endian: a TPML_PCR_SELECTION, the number of TPML_DIGESTs, then these.
constexpr std::size_t kMaxSelections = 16;
constexpr std::size_t kSelectionSize = 8;
constexpr std::size_t kDigestsInList = 8;
constexpr std::size_t kDigestSize = 2 + 64;
constexpr std::size_t kMaxLists = 32;

void Append(std::uint32_t value, std::size_t size, Bytes& out) {
  for (std::size_t i = 0; i < size; ++i) out.push_back(static_cast<std::uint8_t>(value >> 8 * i));
}

void AppendSelections(const std::vector<PcrBank>& banks, Bytes& out) {
  Append(static_cast<std::uint32_t>(banks.size()), 4, out);
  const std::size_t start = out.size();
  for (const PcrBank& bank : banks) {
    std::uint32_t bitmap = 0;
    for (const std::uint32_t index : bank.indices) bitmap |= 1U << index;
    Append(bank.bank, 2, out);
    Append(bank.select_size, 1, out);
    Append(bitmap, 4, out);
    Append(0, 1, out);
  }
  out.resize(start + kMaxSelections * kSelectionSize);
}

void AppendDigests(const std::vector<const Bytes*>& digests, Bytes& out) {
  const std::size_t lists = (digests.size() + kDigestsInList - 1) / kDigestsInList;
  Append(static_cast<std::uint32_t>(lists), 4, out);
  for (std::size_t i = 0; i < lists; ++i) {
    const std::size_t first = i * kDigestsInList;
    const std::size_t count = std::min(kDigestsInList, digests.size() - first);
    Append(static_cast<std::uint32_t>(count), 4, out);
    const std::size_t start = out.size();
    for (std::size_t j = 0; j < count; ++j) {
      const Bytes& digest = *digests[first + j];
      Append(static_cast<std::uint32_t>(digest.size()), 2, out);
      out.insert(out.end(), digest.begin(), digest.end());
      out.resize(start + (j + 1) * kDigestSize);
    }
    out.resize(start + kDigestsInList * kDigestSize);
  }
}

}  // namespace

Result<Tpm2ToolsFiles> ToTpm2Tools(const Evidence& evidence) {
  ASSIGN_OR_RETURN(const PublicArea ak, ParsePublicArea(evidence.ak_public));
  ASSIGN_OR_RETURN(const Attest quote, ParseAttest(evidence.quoted));
  if (quote.header.type != TPM2_ST_ATTEST_QUOTE) {
    return Fail(Code::kInvalidArgument, "WRONG_TYPE", "the evidence is not a quote");
  }
  RETURN_IF_ERROR(ParseSignature(evidence.signature).status());
  ASSIGN_OR_RETURN(const PcrMatch pcrs, MatchPcrs(quote.pcrs, evidence.pcrs));
  if (!pcrs.missing.empty()) {
    return Fail(Code::kInvalidArgument, "PCR_MISSING",
                "quoted PCRs came without their values: " + pcrs.missing);
  }
  if (pcrs.in_order.size() > kMaxLists * kDigestsInList) {
    return Fail(Code::kInvalidArgument, "TOO_MANY_PCRS",
                "tpm2-tools take at most 256 PCR values in one quote");
  }
  Tpm2ToolsFiles files;
  ASSIGN_OR_RETURN(const EvpPkeyPtr key, ToOpenssl(ak));
  ASSIGN_OR_RETURN(files.ak_pem, ToPem(key.get()));
  files.message = evidence.quoted;
  files.signature = evidence.signature;
  AppendSelections(quote.pcrs, files.pcrs);
  AppendDigests(pcrs.in_order, files.pcrs);
  return files;
}

}  // namespace seaworthy::verify
