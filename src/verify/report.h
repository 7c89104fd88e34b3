// Findings as they are made, and the verdict they come to.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "seaworthy/verify.h"

namespace seaworthy::verify {

class Report {
 public:
  void Passed(std::string_view code, std::string sentence);
  void Failed(std::string_view code, std::string sentence, std::string expected = {},
              std::string found = {});
  void Add(Finding finding) { verdict_.findings.push_back(std::move(finding)); }

  void AddKey(ProvenKey key) { verdict_.keys.push_back(std::move(key)); }

  std::size_t failures() const;

  // The verdict after checks that broke off: never trusted.
  Verdict BrokenOff() &&;
  // The verdict after all checks: trusted when none failed.
  Verdict Complete(const ClockInfo& clock) &&;

 private:
  Verdict verdict_;
};

}  // namespace seaworthy::verify
