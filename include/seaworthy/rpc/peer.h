// Who calls.
#pragma once

#include <string>
#include <string_view>

namespace seaworthy::rpc {

// In order of power; seaworthy.v1.Role's values.
enum class Role { kNone = 0, kReader = 1, kAttester = 2, kOperator = 3, kAdmin = 4 };
// "READER", ...; "NONE".
std::string_view ToString(Role role);

struct Peer {
  Role role = Role::kNone;
  // For the audit: "uid=0 pid=4711" or "URI:spiffe://example/backend from 192.0.2.7:41022".
  std::string identity;
};

}  // namespace seaworthy::rpc
