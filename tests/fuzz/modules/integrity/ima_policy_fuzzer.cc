// An IMA policy that somebody wrote. What is read is written as one that reads the same, and a rule
// that is said never to be reached decides nothing.
#include "seaworthy/modules/integrity/ima_policy.h"

#include <algorithm>
#include <cstdlib>

#include "seaworthy/bytes.h"

namespace {

namespace integrity = seaworthy::integrity;

void CheckWritten(integrity::ImaPolicy policy, const integrity::ImaKernel& kernel) {
  const auto again = integrity::ParseImaPolicy(integrity::FormatImaPolicy(policy), kernel);
  std::size_t line = 0;
  for (integrity::ImaRule& rule : policy.rules) rule.line = ++line;
  if (!again.ok() || *again != policy) std::abort();
}

// An access that `rule` matches, as far as one can be made of its conditions.
integrity::ImaAccess AccessFor(const integrity::ImaRule& rule) {
  integrity::ImaAccess access;
  access.func = rule.func.value_or(integrity::ImaFunc::kFileCheck);
  if (rule.mask) access.mask = rule.mask->bit;
  access.fsmagic = rule.fsmagic.value_or(0);
  access.fsuuid = rule.fsuuid.value_or(integrity::FsUuid());
  access.fsname = rule.fsname;
  if (rule.uid) access.uid = access.euid = rule.uid->id;
  if (rule.gid) access.gid = access.egid = rule.gid->id;
  if (rule.fowner) access.fowner = rule.fowner->id;
  if (rule.fgroup) access.fgroup = rule.fgroup->id;
  if (!rule.keyrings.empty()) access.data = rule.keyrings.front();
  return access;
}

void CheckNeverReached(const integrity::ImaPolicy& policy) {
  const auto findings = integrity::FindInImaPolicy(policy);
  const auto never = [&](const integrity::ImaRule* rule) {
    return rule != nullptr && std::ranges::any_of(findings, [&](const auto& finding) {
             return finding.line == rule->line &&
                    (finding.reason == "NEVER_REACHED" || finding.reason == "DUPLICATE");
           });
  };
  const std::size_t some = std::min<std::size_t>(policy.rules.size(), 16);
  for (std::size_t i = 0; i < some; ++i) {
    const auto decision = integrity::MatchImaPolicy(policy, AccessFor(policy.rules[i]));
    if (never(decision.measure) || never(decision.appraise) || never(decision.audit) ||
        never(decision.hash)) {
      std::abort();
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = seaworthy::AsText({data, size});
  const integrity::ImaKernel with_modsig = {.modsig = true};
  const auto policy = integrity::ParseImaPolicy(text);
  const auto more = integrity::ParseImaPolicy(text, with_modsig);
  if (policy.ok()) {
    CheckWritten(*policy, {});
    if (!more.ok() || *more != *policy) std::abort();
  }
  if (!more.ok()) return 0;
  CheckWritten(*more, with_modsig);
  CheckNeverReached(*more);
  return 0;
}
