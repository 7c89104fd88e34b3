#include "verify/report.h"

#include <algorithm>
#include <utility>

namespace seaworthy::verify {

void Report::Passed(std::string_view code, std::string sentence) {
  verdict_.findings.push_back({.code = std::string(code),
                               .severity = Severity::kInfo,
                               .expected = {},
                               .found = {},
                               .sentence = std::move(sentence)});
}

void Report::Failed(std::string_view code, std::string sentence, std::string expected,
                    std::string found) {
  verdict_.findings.push_back({.code = std::string(code),
                               .severity = Severity::kFailure,
                               .expected = std::move(expected),
                               .found = std::move(found),
                               .sentence = std::move(sentence)});
}

std::size_t Report::failures() const {
  return static_cast<std::size_t>(
      std::ranges::count(verdict_.findings, Severity::kFailure, &Finding::severity));
}

Verdict Report::BrokenOff() && {
  verdict_.trusted = false;
  return std::move(verdict_);
}

Verdict Report::Complete(const ClockInfo& clock) && {
  verdict_.clock = clock;
  verdict_.trusted = failures() == 0;
  if (!verdict_.trusted) verdict_.keys.clear();
  return std::move(verdict_);
}

}  // namespace seaworthy::verify
