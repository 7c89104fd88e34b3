// Base64 as RFC 4648 has it, strictly: what is read is what would have been written, to the letter.
// Without tables, so that a secret's bytes choose no addresses.
#pragma once

#include <string>
#include <string_view>

#include "seaworthy/bytes.h"
#include "seaworthy/secret_bytes.h"

namespace seaworthy {

// Section 4: with padding.
std::string Base64(ByteView bytes);
SecretBytes Base64Secret(ByteView bytes);

// Section 5: "-" and "_", without padding, as JSON Web tokens have it.
std::string Base64Url(ByteView bytes);

// INVALID_ARGUMENT (INVALID_BASE64) for another character, padding that is missing or too much, and
// bits that are left over and not zero.
Result<Bytes> ParseBase64(std::string_view text);
Result<Bytes> ParseBase64Url(std::string_view text);
Result<SecretBytes> ParseBase64UrlSecret(ByteView text);

}  // namespace seaworthy
