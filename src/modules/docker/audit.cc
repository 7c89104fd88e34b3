#include "modules/docker/audit.h"

#include <algorithm>

namespace seaworthy::docker {
namespace {

constexpr const CheckFamily* kFamilies[] = {
    &kHostChecks,      &kDaemonChecks,    &kFileChecks,  &kImageChecks,
    &kContainerChecks, &kOperationChecks, &kSwarmChecks,
};

// What fails with an exception that holds is accepted; with one that has ended it says that.
void Except(const SitePolicy& policy, std::string_view today, Finding& finding) {
  if (finding.outcome != Outcome::kFail) return;
  if (finding.text.ends_with('.')) finding.text.pop_back();
  const AuditException* ended = nullptr;
  for (const AuditException& exception : policy.exceptions) {
    if (exception.check != finding.check) continue;
    if (!exception.subject.empty() && exception.subject != finding.subject) continue;
    if (exception.until < today) {  // as texts: the year comes first
      ended = &exception;
      continue;
    }
    finding.outcome = Outcome::kAccepted;
    finding.text += " The site accepts it until " + exception.until + ": " + exception.reason + ".";
    return;
  }
  if (ended != nullptr) finding.text += "; the site's exception has ended on " + ended->until;
}

}  // namespace

std::span<const CheckFamily* const> AllCheckFamilies() { return kFamilies; }

const Check* FindCheck(std::string_view id) {
  for (const CheckFamily* const family : kFamilies) {
    const auto found = std::ranges::find(family->checks, id, &Check::id);
    if (found != family->checks.end()) return &*found;
  }
  return nullptr;
}

std::vector<Finding> Audit(const Facts& facts, const SitePolicy& policy, std::string_view today) {
  std::vector<Finding> all;
  for (const CheckFamily* const family : kFamilies) {
    Findings found;
    family->judge(facts, policy, found);
    for (const Check& check : family->checks) {
      for (const Finding& finding : found.all()) {
        if (finding.check != check.id) continue;
        all.push_back(finding);
        Except(policy, today, all.back());
      }
    }
  }
  return all;
}

}  // namespace seaworthy::docker
