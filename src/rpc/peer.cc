#include "seaworthy/rpc/peer.h"

namespace seaworthy::rpc {

std::string_view ToString(Role role) {
  switch (role) {
    case Role::kNone:
      return "NONE";
    case Role::kReader:
      return "READER";
    case Role::kAttester:
      return "ATTESTER";
    case Role::kOperator:
      return "OPERATOR";
    case Role::kAdmin:
      return "ADMIN";
  }
  return "NONE";
}

}  // namespace seaworthy::rpc
