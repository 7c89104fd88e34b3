#include <algorithm>

#include "seaworthy/boot_log.h"
#include "seaworthy/status_macros.h"
#include "seaworthy/verifier.h"
#include "verify/boot_judge.h"

namespace seaworthy::verify {

namespace {

Status LearnImaList(ByteView list, Policy& policy) {
  policy.ima.required = true;
  ImaListReader reader;
  reader.Add(list);
  while (true) {
    ASSIGN_OR_RETURN(const std::optional<ImaEntry> entry, reader.Next());
    if (!entry) break;
    ASSIGN_OR_RETURN(const ImaFields fields, ParseImaFields(*entry));
    // The first follows from the PCRs; of the others nobody knows what was read.
    if (fields.path == kBootAggregate || entry->IsViolation()) continue;
    AllowFile(policy, std::string(fields.path),
              {std::string(fields.hash), Bytes(fields.digest.begin(), fields.digest.end())});
  }
  if (reader.rest() == 0) return {};
  return Fail(Code::kInvalidArgument, "IMA_LIST_MALFORMED",
              "entry " + std::to_string(reader.number()) + " of the IMA list is cut short");
}

// None, so that nothing is asked of them, where the rule would not hold for this boot itself.
void LearnAuthorities(const BootFacts& facts, std::vector<Bytes>& allowed) {
  const auto by_hash = [](const BootAuthority& one) { return !one.sha256_hash.empty(); };
  if (facts.all_authorities.answer != Answer::kYes ||
      std::ranges::any_of(facts.authorities, by_hash)) {
    return;
  }
  for (const BootAuthority& authority : facts.authorities) {
    const Bytes& digest = authority.certificate.sha256;
    if (std::ranges::find(allowed, digest) == allowed.end()) allowed.push_back(digest);
  }
}

// The EFI programs, what verified them, and what is proven of the boot; command lines are many
// nodes' own.
Status LearnBootLog(const Evidence& evidence, BootPolicy& boot) {
  ASSIGN_OR_RETURN(const BootLog log, ParseBootLog(evidence.boot_log));
  boot.required = true;
  const std::optional<std::uint16_t> bank = CommonBank(log, evidence.pcrs);
  if (!bank) return {};
  const BootFacts facts = AnalyseBootLog(log, *bank);
  boot.secure_boot = facts.secure_boot.answer == Answer::kYes;
  boot.verified_boot = facts.verified_boot.answer == Answer::kYes;
  for (const LoadedImage& image : facts.images) {
    if (std::ranges::find(boot.images, image.digest) == boot.images.end()) {
      boot.images.push_back(image.digest);
    }
  }
  LearnAuthorities(facts, boot.authorities);
  return {};
}

}  // namespace

void AllowFile(Policy& policy, const std::string& path, FileDigest digest) {
  std::vector<FileDigest>& allowed = policy.ima.files[ToImaPath(path)];
  if (std::ranges::find(allowed, digest) == allowed.end()) allowed.push_back(std::move(digest));
}

Result<Policy> LearnPolicy(const Evidence& evidence, const std::vector<std::uint32_t>& pcrs) {
  Policy policy;
  for (const PcrValue& pcr : evidence.pcrs) {
    if (std::ranges::find(pcrs, pcr.index) == pcrs.end()) continue;
    policy.pcrs[{pcr.bank, pcr.index}] = {pcr.digest};
  }
  if (!evidence.boot_log.empty()) RETURN_IF_ERROR(LearnBootLog(evidence, policy.boot));
  if (!evidence.ima_list.empty()) RETURN_IF_ERROR(LearnImaList(evidence.ima_list, policy));
  return policy;
}

}  // namespace seaworthy::verify
