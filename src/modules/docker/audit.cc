#include "modules/docker/audit.h"

#include <algorithm>

namespace seaworthy::docker {
namespace {

constexpr const CheckFamily* kFamilies[] = {
    &kHostChecks,      &kDaemonChecks,    &kFileChecks,  &kImageChecks,
    &kContainerChecks, &kOperationChecks, &kSwarmChecks,
};

// As the reader gets it, whoever said it: the kernel and the engine, whose words are among them,
// begin small and end without a stop. Names of files and keys stay as they are.
std::string Sentence(std::string text) {
  const std::string_view word = std::string_view(text).substr(0, text.find(' '));
  const bool plain = std::ranges::all_of(
      word, [](char letter) { return (letter >= 'a' && letter <= 'z') || letter == '\''; });
  if (plain && !word.empty()) text.front() = static_cast<char>(text.front() - 'a' + 'A');
  if (!text.ends_with('.')) text += '.';
  return text;
}

// What fails with an exception that holds is accepted; with one that has ended it says that.
void Except(const SitePolicy& policy, std::string_view today, Finding& finding) {
  if (finding.outcome != Outcome::kFail) return;
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
  if (ended != nullptr) {
    finding.text += " The site's exception has ended on " + ended->until + ".";
  }
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
        all.back().text = Sentence(finding.text);
        Except(policy, today, all.back());
      }
    }
  }
  return all;
}

}  // namespace seaworthy::docker
