// The project's only macros. Not part of the installed headers.
#pragma once

#include <utility>

#include "seaworthy/status.h"

#define SEAWORTHY_CONCAT_INNER(a, b) a##b
#define SEAWORTHY_CONCAT(a, b) SEAWORTHY_CONCAT_INNER(a, b)

#define RETURN_IF_ERROR(expression)                                                \
  do {                                                                             \
    if (::seaworthy::Status status_ = (expression); !status_.ok()) return status_; \
  } while (false)

#define ASSIGN_OR_RETURN(target, expression) \
  SEAWORTHY_ASSIGN_OR_RETURN(SEAWORTHY_CONCAT(result_, __COUNTER__), target, expression)

#define SEAWORTHY_ASSIGN_OR_RETURN(result, target, expression) \
  auto result = (expression);                                  \
  if (!result.ok()) return std::move(result).status();         \
  target = *std::move(result)
