// Key derivation off the TPM, as the TPM does it itself (TPM 2.0 part 1, 11.4.10). Everything here
// is with SHA-256.
#pragma once

#include <array>
#include <initializer_list>
#include <string_view>

#include "seaworthy/bytes.h"
#include "seaworthy/secret_bytes.h"
#include "seaworthy/status.h"

namespace seaworthy::tpm {

inline constexpr std::size_t kSha256Size = 32;
using Mac = std::array<std::uint8_t, kSha256Size>;

// Over the parts, one after the other.
Result<Mac> HmacSha256(ByteView key, std::initializer_list<ByteView> parts);

// KDFa: at most 32 bytes.
Result<SecretBytes> KdfA(ByteView key, std::string_view label, ByteView context_u,
                         ByteView context_v, std::size_t size);

// KDFe, 32 bytes, of the x coordinates of an ECDH.
Result<SecretBytes> KdfE(ByteView z, std::string_view label, ByteView party_u, ByteView party_v);

}  // namespace seaworthy::tpm
