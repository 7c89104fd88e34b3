// EXPECT_THAT(status, IsOk()); EXPECT_THAT(result, Fails(Code::kNotFound, "KEY_NOT_FOUND"));
#pragma once

#include <gmock/gmock.h>

#include <ostream>
#include <string>

#include "seaworthy/status.h"

namespace seaworthy::testing {

inline const Status& StatusOf(const Status& status) { return status; }
template <class T>
const Status& StatusOf(const Result<T>& result) {
  return result.status();
}

MATCHER(IsOk, "is OK") {
  *result_listener << StatusOf(arg).ToString();
  return StatusOf(arg).ok();
}

MATCHER_P2(Fails, code, reason, "fails with the code and reason") {
  *result_listener << StatusOf(arg).ToString() << " reason " << Reason(StatusOf(arg));
  return StatusOf(arg).code() == code && Reason(StatusOf(arg)) == reason;
}

}  // namespace seaworthy::testing
