// A rule of the kernel's audit, as it is given to the kernel and as the kernel tells it.
#pragma once

#include <linux/audit.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <vector>

#include "seaworthy/bytes.h"

namespace seaworthy::testing {

// "-a always,exit", for all system calls.
class AuditRule {
 public:
  AuditRule& List(std::uint32_t list) {
    list_ = list;
    return *this;
  }
  AuditRule& Action(std::uint32_t action) {
    action_ = action;
    return *this;
  }
  AuditRule& Number(std::uint32_t field, std::uint32_t value,
                    std::uint32_t comparison = AUDIT_EQUAL) {
    conditions_.push_back({field, value, comparison});
    return *this;
  }
  AuditRule& Text(std::uint32_t field, const std::string& text) {
    texts_ += text;
    return Number(field, static_cast<std::uint32_t>(text.size()));
  }
  // For this one alone.
  AuditRule& SystemCall(std::uint32_t number) {
    system_call_ = number;
    return *this;
  }

  Bytes Encode() const {
    audit_rule_data rule = {};
    rule.flags = list_;
    rule.action = action_;
    if (system_call_) {
      rule.mask[*system_call_ / 32] = 1U << (*system_call_ % 32);
    } else {
      std::fill(rule.mask, rule.mask + AUDIT_BITMASK_SIZE - 1, ~0U);
    }
    for (const Condition& condition : conditions_) {
      rule.fields[rule.field_count] = condition.field;
      rule.values[rule.field_count] = condition.value;
      rule.fieldflags[rule.field_count] = condition.comparison;
      ++rule.field_count;
    }
    rule.buflen = static_cast<std::uint32_t>(texts_.size());
    Bytes bytes(sizeof(rule));
    std::memcpy(bytes.data(), &rule, sizeof(rule));
    bytes.insert(bytes.end(), texts_.begin(), texts_.end());
    return bytes;
  }

 private:
  struct Condition {
    std::uint32_t field;
    std::uint32_t value;
    std::uint32_t comparison;
  };

  std::uint32_t list_ = AUDIT_FILTER_EXIT;
  std::uint32_t action_ = AUDIT_ALWAYS;
  std::optional<std::uint32_t> system_call_;
  std::vector<Condition> conditions_;
  std::string texts_;
};

}  // namespace seaworthy::testing
