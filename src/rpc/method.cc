#include "method.h"

#include <string>

#include "seaworthy/v1/common.pb.h"

namespace seaworthy::rpc {

// The table is protobuf's own pool of linked-in descriptors: built once, looked up by hash.
std::optional<MethodRule> FindMethodRule(std::string_view method) {
  const google::protobuf::MethodDescriptor* descriptor =
      google::protobuf::DescriptorPool::generated_pool()->FindMethodByName(std::string(method));
  if (descriptor == nullptr) return std::nullopt;
  const google::protobuf::MethodOptions& options = descriptor->options();
  return MethodRule{static_cast<Role>(options.GetExtension(v1::required_role)),
                    options.GetExtension(v1::audited)};
}

}  // namespace seaworthy::rpc
