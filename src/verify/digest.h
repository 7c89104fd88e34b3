// The hashes a TPM uses, by TPM_ALG_ID.
#pragma once

#include <openssl/evp.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "seaworthy/bytes.h"

namespace seaworthy::verify {

// "sha256"; "0x0012" for a hash that is not known here.
std::string HashName(std::uint16_t hash);

// The hash of that name; nothing for one that is not known here.
std::optional<std::uint16_t> HashByName(std::string_view name);

// Bytes in a digest; 0 for a hash that is not known here. Knows SHA-1 too: PCR banks have it.
std::size_t DigestSize(std::uint16_t hash);

// OpenSSL's name for a hash that may stand in a name or under a signature: SHA-256, SHA-384,
// SHA-512. nullptr for all others; SHA-1 is one of them, as collisions in it can be made.
const EVP_MD* CollisionResistant(std::uint16_t hash);

// OpenSSL's name for the hash of a PCR bank; SHA-1 is one here. nullptr for what is not known.
const EVP_MD* PcrBankHash(std::uint16_t bank);

// INVALID_ARGUMENT, reason UNSUPPORTED_HASH, for a hash that is not collision resistant.
Result<Bytes> Digest(std::uint16_t hash, ByteView data);

}  // namespace seaworthy::verify
