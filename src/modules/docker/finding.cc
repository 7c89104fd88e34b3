#include "seaworthy/modules/docker/finding.h"

#include <algorithm>

namespace seaworthy::docker {

std::string_view ToString(Outcome outcome) {
  constexpr std::string_view kNames[] = {"pass",           "fail",        "accepted",
                                         "not-applicable", "cannot-tell", "manual"};
  return kNames[static_cast<std::size_t>(outcome)];
}

void Findings::Add(std::string_view check, Outcome outcome, std::string subject, std::string text,
                   std::string evidence) {
  all_.push_back(
      {std::string(check), std::move(subject), outcome, std::move(text), std::move(evidence)});
}

bool Findings::Has(std::string_view check) const {
  return std::ranges::any_of(all_, [&](const Finding& finding) { return finding.check == check; });
}

}  // namespace seaworthy::docker
