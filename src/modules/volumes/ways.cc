#include "seaworthy/modules/volumes/ways.h"

#include <algorithm>

#include "modules/volumes/pcr_indices.h"
#include "modules/volumes/token_policy.h"
#include "seaworthy/modules/volumes/tokens.h"
#include "seaworthy/status_macros.h"
#include "seaworthy/tpm/key.h"

namespace seaworthy::volumes {
namespace {

Status Unsupported(std::string_view why) {
  return Fail(Code::kUnimplemented, "TOKEN_UNSUPPORTED", why);
}

Result<tpm::PcrPolicy> PcrsNow(const tpm::PcrSelection& selection,
                               const std::vector<verify::PcrValue>& now) {
  if (selection.mask == 0) return tpm::PcrPolicy{selection, {}};
  std::vector<tpm::PcrValue> values;
  for (const std::uint32_t index : Indices(selection.mask)) {
    const auto found = std::ranges::find_if(now, [&](const verify::PcrValue& value) {
      return value.bank == static_cast<std::uint16_t>(selection.bank) && value.index == index;
    });
    if (found == now.end()) {
      return Fail(Code::kFailedPrecondition, "PCR_VALUE_MISSING",
                  "the value of PCR " + std::to_string(index) + " in the bank " +
                      std::string(tpm::ToString(selection.bank)) + " is not at hand");
    }
    values.push_back({selection.bank, index, found->digest});
  }
  return tpm::PcrPolicy{selection, tpm::PcrDigest(values)};
}

Result<PcrFit> FitOf(const SystemdTpm2Token& token, const std::vector<verify::PcrValue>& now) {
  ASSIGN_OR_RETURN(tpm::SealPolicy policy, PolicyOf(token));
  ASSIGN_OR_RETURN(policy.pcrs, PcrsNow(policy.pcrs.selection, now));
  ASSIGN_OR_RETURN(const Bytes digest, tpm::PolicyDigest(policy));
  if (digest == token.policy_hash) return PcrFit::kFits;
  if (token.pcrs.empty()) {
    return Fail(Code::kFailedPrecondition, "POLICY_MISMATCH",
                "it is for no PCRs, and its policy is another one than what it says makes");
  }
  if (token.pcr_bank.empty()) {
    return Unsupported("it does not tell its bank of PCRs, and SHA-256 is not the one that fits");
  }
  return PcrFit::kDiffers;
}

TpmWay Describe(std::uint32_t number, const Luks2Token& part,
                const std::vector<verify::PcrValue>& now) {
  TpmWay way;
  way.token = number;
  if (!part.keyslots.empty()) way.keyslot = part.keyslots.front();
  const Result<SystemdTpm2Token> token = ParseSystemdTpm2Token(part.json);
  if (!token.ok()) {
    way.status = token.status();
    return way;
  }
  way.parent = ParentOf(*token);
  if (!token->srk.empty()) way.srk_name = tpm::ReadSrkName(token->srk).value_or(Bytes());
  const tpm::HashAlgorithm bank = PcrBank(token->pcr_bank).value_or(tpm::HashAlgorithm::kSha256);
  way.pcrs = {bank, Mask(token->pcrs)};
  way.signed_pcrs = {bank, Mask(token->public_key_pcrs)};
  way.pin = token->pin;
  const Result<PcrFit> fit = FitOf(*token, now);
  way.fit = fit.value_or(PcrFit::kUnknown);
  way.status = fit.status();
  return way;
}

}  // namespace

std::vector<TpmWay> DescribeTpmWays(const Luks2Metadata& metadata,
                                    const std::vector<verify::PcrValue>& now) {
  std::vector<TpmWay> ways;
  for (const auto& [number, token] : metadata.tokens) {
    if (token.type == kSystemdTpm2) ways.push_back(Describe(number, token, now));
  }
  return ways;
}

}  // namespace seaworthy::volumes
