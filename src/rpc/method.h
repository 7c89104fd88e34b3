// What a method's options in its .proto say about who may call it.
#pragma once

#include <optional>
#include <string_view>

#include "seaworthy/rpc/peer.h"

namespace seaworthy::rpc {

struct MethodRule {
  Role required_role = Role::kNone;  // kNone: the .proto gives none, nobody may call it
  bool audited = false;
};

// `method` is a full name with dots; nothing when no linked-in .proto has it.
std::optional<MethodRule> FindMethodRule(std::string_view method);

}  // namespace seaworthy::rpc
