// Digests of a hundred bytes, millions of them: EVP costs twice what the hash does there, so this
// is OpenSSL's older interface, which has the same code behind it.
#pragma once

#include <cstdint>
#include <initializer_list>

#include "seaworthy/bytes.h"

namespace seaworthy::verify {

// The digest of the parts, one after the other, to `out`, which has room for 64 bytes and may be
// one of the parts. `hash` is SHA-1, 256, 384 or 512 as TPM_ALG_ID.
void ShortDigest(std::uint16_t hash, std::initializer_list<ByteView> parts, std::uint8_t* out);

}  // namespace seaworthy::verify
