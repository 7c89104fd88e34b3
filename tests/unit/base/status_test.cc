#include "seaworthy/status.h"

#include <gtest/gtest.h>

#include <memory>

#include "seaworthy/status_macros.h"
#include "support/status_matchers.h"

namespace seaworthy {
namespace {

using testing::Fails;
using testing::IsOk;

TEST(Fail, CarriesCodeReasonAndMessage) {
  const Status status = Fail(Code::kNotFound, "KEY_NOT_FOUND", "no key \"a\"");
  EXPECT_THAT(status, Fails(Code::kNotFound, "KEY_NOT_FOUND"));
  EXPECT_EQ(Message(status), "no key \"a\"");
}

TEST(Wrap, AddsContextAndKeepsCodeAndReason) {
  const Status inner = Fail(Code::kAborted, "PCR_CHANGED", "PCR 7 changed");
  const Status outer = Wrap(Wrap(inner, "quoting"), "attesting");
  EXPECT_THAT(outer, Fails(Code::kAborted, "PCR_CHANGED"));
  EXPECT_EQ(Message(outer), "attesting: quoting: PCR 7 changed");
}

TEST(Wrap, LeavesOkAlone) { EXPECT_THAT(Wrap(Status(), "quoting"), IsOk()); }

TEST(Reason, IsTheCodesNameForStatusesMadeElsewhere) {
  EXPECT_EQ(Reason(Status(Code::kUnavailable, "away")), "UNAVAILABLE");
}

Result<std::unique_ptr<int>> Make(bool works) {
  if (!works) return Fail(Code::kInternal, "BROKEN", "does not work");
  return std::make_unique<int>(7);
}

Status UseBoth(bool first, bool second, int& seen) {
  // Two on neighbouring lines: the macro's names must differ.
  ASSIGN_OR_RETURN(const std::unique_ptr<int> a, Make(first));
  ASSIGN_OR_RETURN(const std::unique_ptr<int> b, Make(second));
  seen = *a + *b;
  RETURN_IF_ERROR(Status());
  return {};
}

TEST(Macros, ReturnTheFirstErrorAndMoveValues) {
  int seen = 0;
  EXPECT_THAT(UseBoth(true, true, seen), IsOk());
  EXPECT_EQ(seen, 14);
  seen = 0;
  EXPECT_THAT(UseBoth(false, true, seen), Fails(Code::kInternal, "BROKEN"));
  EXPECT_THAT(UseBoth(true, false, seen), Fails(Code::kInternal, "BROKEN"));
  EXPECT_EQ(seen, 0);
}

}  // namespace
}  // namespace seaworthy
