// EXPECT_THAT(verdict, Untrusted("NONCE_MISMATCH")); EXPECT_THAT(verdict, Trusted());
#pragma once

#include <gmock/gmock.h>

#include <string>
#include <vector>

#include "seaworthy/verify.h"

namespace seaworthy::verify {

inline std::vector<std::string> Codes(const Verdict& verdict, Severity severity) {
  std::vector<std::string> codes;
  for (const Finding& finding : verdict.findings) {
    if (finding.severity == severity) codes.push_back(finding.code);
  }
  return codes;
}

inline std::string Explain(const Verdict& verdict) {
  std::string text = verdict.trusted ? "trusted" : "not trusted";
  for (const Finding& finding : verdict.findings) {
    text += "\n  " + finding.code + ": " + finding.sentence + " expected " + finding.expected +
            " found " + finding.found;
  }
  return text;
}

MATCHER(Trusted, "is trusted") {
  *result_listener << Explain(arg);
  return arg.trusted && Codes(arg, Severity::kFailure).empty();
}

// With at least one failure; a failure without a sentence is none.
MATCHER(UntrustedForAReason, "is not trusted, for a reason") {
  *result_listener << Explain(arg);
  bool reason = false;
  for (const Finding& finding : arg.findings) {
    if (finding.severity == Severity::kFailure && finding.sentence.empty()) return false;
    reason = reason || finding.severity == Severity::kFailure;
  }
  return !arg.trusted && reason;
}

// With just these failures, in this order.
template <class... Code>
auto Untrusted(Code... codes) {
  return ::testing::AllOf(
      UntrustedForAReason(),
      ::testing::ResultOf(
          "failures", [](const Verdict& verdict) { return Codes(verdict, Severity::kFailure); },
          ::testing::ElementsAre(codes...)));
}

}  // namespace seaworthy::verify
