// TSS2 PRIVATE KEY PEM: the wrapped key as tpm2-openssl, tpm2-pkcs11 and others read it
// (draft-bottomley-tpm2-keys). Type 2.23.133.10.1.3 (loadable), empty auth, parent the
// storage root key at 0x81000001; a PCR policy travels in the policy field.
#pragma once

#include <string>
#include <string_view>

#include "seaworthy/tpm/types.h"

namespace seaworthy::tpm {

// More than any key of ours needs; longer input is refused.
inline constexpr std::size_t kMaxTss2Pem = 16 * 1024;

std::string ToTss2Pem(const WrappedKey& key);

// INVALID_ARGUMENT, reason INVALID_TSS2_PEM, for what is not a loadable key with empty auth
// under the owner's storage root key, saying which part is wrong.
Result<WrappedKey> ParseTss2Pem(std::string_view pem);

}  // namespace seaworthy::tpm
