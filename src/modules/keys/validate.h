// What callers may ask for, and what a key of ours looks like.
#pragma once

#include <string_view>

#include "seaworthy/bytes.h"
#include "seaworthy/tpm/types.h"

namespace seaworthy::keys {

inline constexpr std::size_t kMaxName = 64;

// INVALID_ARGUMENT (INVALID_NAME) for what is not 1 to 64 of a-z, 0-9, '-', '_' and '.',
// beginning with a letter or digit. A valid name is also safe as a file name.
Status CheckName(std::string_view name);

// INVALID_ARGUMENT: WEAK_HASH for SHA-1, INVALID_DIGEST for a length that is not the hash's.
// `field` is the message's.
Status CheckDigest(tpm::HashAlgorithm hash, ByteView digest, const std::string& field = "digest");

// INVALID_ARGUMENT (INVALID_NONCE) unless 16 to 64 bytes.
Status CheckNonce(ByteView nonce);

// FAILED_PRECONDITION (KEY_UNSUITABLE) for a key that could leave its TPM or was not made in
// it, or that is not a plain signing key.
Status CheckSuitable(const tpm::PublicKey& key);

}  // namespace seaworthy::keys
