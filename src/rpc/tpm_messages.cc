#include "seaworthy/rpc/tpm_messages.h"

#include "seaworthy/status_macros.h"

namespace seaworthy::rpc {

Result<tpm::HashAlgorithm> FromMessage(v1::HashAlgorithm hash, const std::string& field) {
  switch (hash) {
    case v1::SHA1:
      return tpm::HashAlgorithm::kSha1;
    case v1::SHA256:
      return tpm::HashAlgorithm::kSha256;
    case v1::SHA384:
      return tpm::HashAlgorithm::kSha384;
    case v1::SHA512:
      return tpm::HashAlgorithm::kSha512;
    default:
      return Fail(Code::kInvalidArgument, "INVALID_HASH", field + ": must be given and known");
  }
}

v1::HashAlgorithm ToMessage(tpm::HashAlgorithm hash) {
  switch (hash) {
    case tpm::HashAlgorithm::kSha1:
      return v1::SHA1;
    case tpm::HashAlgorithm::kSha256:
      return v1::SHA256;
    case tpm::HashAlgorithm::kSha384:
      return v1::SHA384;
    case tpm::HashAlgorithm::kSha512:
      return v1::SHA512;
  }
  return v1::HASH_ALGORITHM_UNSPECIFIED;
}

Result<tpm::PcrSelection> FromMessage(const v1::PcrSelection& selection, const std::string& field) {
  const auto invalid = [&](const std::string& why) {
    return Fail(Code::kInvalidArgument, "INVALID_PCR", field + ".indices: " + why);
  };
  tpm::PcrSelection result;
  ASSIGN_OR_RETURN(result.bank, FromMessage(selection.bank(), field + ".bank"));
  for (const std::uint32_t index : selection.indices()) {
    if (index >= tpm::kPcrCount) return invalid(std::to_string(index) + " is no PCR (0 to 23)");
    if ((result.mask >> index & 1) != 0) return invalid(std::to_string(index) + " is there twice");
    result.mask |= 1U << index;
  }
  if (result.mask == 0) return invalid("is empty");
  return result;
}

void ToMessage(const tpm::PcrSelection& selection, v1::PcrSelection& message) {
  message.set_bank(ToMessage(selection.bank));
  for (std::uint32_t index = 0; index < tpm::kPcrCount; ++index) {
    if ((selection.mask >> index & 1) != 0) message.add_indices(index);
  }
}

}  // namespace seaworthy::rpc
