#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "seaworthy/verifier.h"
#include "unit/verify/forger.h"
#include "unit/verify/verdict_matchers.h"

namespace seaworthy::verify {
namespace {

using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

// M-52: replayed or late evidence, and a clock that was set back, are refused where the policy
// asks.
class ClockJudge : public ::testing::Test {
 protected:
  ClockJudge() {
    forger_.attest.clockInfo = {
        .clock = 5'000'000, .resetCount = 0xfffffff0, .restartCount = 7, .safe = TPM2_YES};
    before_.ak_name = forger_.Ak().name;
    before_.clock_ms = forger_.attest.clockInfo.clock;
    before_.reset_count = forger_.attest.clockInfo.resetCount;
    before_.restart_count = forger_.attest.clockInfo.restartCount;
  }

  Verdict Judge(const std::optional<NodeState>& previous,
                std::optional<seconds> nonce_age = std::nullopt) const {
    const Verifier verifier = Verifier::Create(policy_).value();
    return verifier.Verify(forger_.Quote(), forger_.nonce, forger_.Ak(), previous, nonce_age)
        .verdict;
  }

  ClockPolicy& clock() { return policy_.clock; }

  Forger forger_;
  // A round just before.
  NodeState before_;
  Policy policy_;
};

TEST_F(ClockJudge, AClockThatIsNotSafeIsRefusedWhereItMustBe) {
  clock().must_be_safe = true;
  EXPECT_THAT(Judge(std::nullopt), Trusted());
  forger_.attest.clockInfo.safe = TPM2_NO;
  EXPECT_THAT(Judge(std::nullopt), Untrusted("CLOCK_NOT_SAFE"));
  clock().must_be_safe = false;
  EXPECT_THAT(Judge(std::nullopt), Trusted());
}

TEST_F(ClockJudge, CountersMayPassTheirEnd) {
  clock().max_resets = 1;
  before_.reset_count = 0xffffffff;
  forger_.attest.clockInfo.resetCount = 0;
  EXPECT_THAT(Judge(before_), Trusted());
  before_.reset_count = 0;
  forger_.attest.clockInfo.resetCount = 0xffffffff;
  EXPECT_THAT(Judge(before_), Untrusted("EVIDENCE_FROM_EARLIER_BOOT"));
  forger_.attest.clockInfo.resetCount = 0;
  before_.restart_count = 0xffffffff;
  forger_.attest.clockInfo.restartCount = 0;
  EXPECT_THAT(Judge(before_), Trusted());
}

TEST_F(ClockJudge, AsManyResetsAsThePolicyAllows) {
  forger_.attest.clockInfo.resetCount += 2;
  EXPECT_THAT(Judge(before_), Trusted());
  clock().max_resets = 2;
  EXPECT_THAT(Judge(before_), Trusted());
  clock().max_resets = 1;
  const Verdict verdict = Judge(before_);
  EXPECT_THAT(verdict, Untrusted("RESETS_TOO_MANY"));
  EXPECT_EQ(verdict.findings.back().expected, "at most 1");
  EXPECT_EQ(verdict.findings.back().found, "2");
  clock().max_resets = 0;
  EXPECT_THAT(Judge(before_), Untrusted("RESETS_TOO_MANY"));
  forger_.attest.clockInfo.resetCount -= 2;
  EXPECT_THAT(Judge(before_), Trusted());
}

TEST_F(ClockJudge, AsManyRestartsAsThePolicyAllowsWithoutAReset) {
  clock().max_restarts = 3;
  forger_.attest.clockInfo.restartCount += 3;
  EXPECT_THAT(Judge(before_), Trusted());
  forger_.attest.clockInfo.restartCount += 1;
  EXPECT_THAT(Judge(before_), Untrusted("RESTARTS_TOO_MANY"));
  // A reset clears their count: what it was then says nothing.
  forger_.attest.clockInfo.resetCount += 1;
  EXPECT_THAT(Judge(before_), Trusted());
  forger_.attest.clockInfo.restartCount = 0;
  EXPECT_THAT(Judge(before_), Trusted());
}

TEST_F(ClockJudge, ARoundComesInTimeByTheTpmsClock) {
  clock().max_seconds_between_rounds = 60;
  forger_.attest.clockInfo.clock += 60'999;
  EXPECT_THAT(Judge(before_), Trusted());
  forger_.attest.clockInfo.clock += 1;
  EXPECT_THAT(Judge(before_), Untrusted("ROUND_TOO_LATE"));
  // The clock goes on over a reset, and may be behind after a loss of power.
  forger_.attest.clockInfo.resetCount += 1;
  EXPECT_THAT(Judge(before_), Untrusted("ROUND_TOO_LATE"));
  forger_.attest.clockInfo.clock = 1;
  EXPECT_THAT(Judge(before_), Trusted());
}

TEST_F(ClockJudge, WhatWentBackIsNotCounted) {
  clock() = {.max_resets = 0, .max_restarts = 0, .max_seconds_between_rounds = 0};
  forger_.attest.clockInfo.restartCount -= 1;
  EXPECT_THAT(Judge(before_), Untrusted("COUNTERS_WENT_BACK"));
  forger_.attest.clockInfo.resetCount -= 1;
  EXPECT_THAT(Judge(before_), Untrusted("EVIDENCE_FROM_EARLIER_BOOT"));
  before_.ak_name.back() ^= 1;
  EXPECT_THAT(Judge(before_), Untrusted("STATE_OF_ANOTHER_NODE"));
}

TEST_F(ClockJudge, AFirstRoundTellsThatNothingIsCompared) {
  EXPECT_THAT(Codes(Judge(std::nullopt), Severity::kWarning), IsEmpty());
  for (const ClockPolicy& limit : {ClockPolicy{.max_resets = 0}, ClockPolicy{.max_restarts = 0},
                                   ClockPolicy{.max_seconds_between_rounds = 0}}) {
    clock() = limit;
    const Verdict verdict = Judge(std::nullopt);
    EXPECT_THAT(verdict, Trusted());
    EXPECT_THAT(Codes(verdict, Severity::kWarning), ElementsAre("FIRST_ROUND"));
    EXPECT_THAT(Codes(Judge(before_), Severity::kWarning), IsEmpty());
  }
}

TEST_F(ClockJudge, EvidenceIsAsOldAsThePolicyAllows) {
  EXPECT_THAT(Judge(std::nullopt, seconds(1'000'000)), Trusted());
  clock().max_age_seconds = 120;
  EXPECT_THAT(Judge(std::nullopt, seconds(120)), Trusted());
  EXPECT_THAT(Judge(std::nullopt, seconds(121)), Untrusted("EVIDENCE_TOO_OLD"));
  EXPECT_THAT(Judge(std::nullopt), Untrusted("AGE_UNKNOWN"));
  // A backend's clock that was set back.
  EXPECT_THAT(Judge(std::nullopt, seconds(-1)), Untrusted("AGE_UNKNOWN"));
}

}  // namespace
}  // namespace seaworthy::verify
