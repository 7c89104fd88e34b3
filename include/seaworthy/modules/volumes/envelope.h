// What only the holder of another key may read, and the node never again: header backups, recovery
// keys. As CMS (RFC 5652), which `openssl cms -decrypt` opens.
#pragma once

#include <string>

#include "seaworthy/bytes.h"
#include "seaworthy/secret_bytes.h"

namespace seaworthy::volumes {

inline constexpr std::size_t kMaxEnvelopeCertificates = 16;
// As much as the largest header that is taken.
inline constexpr std::size_t kMaxEnvelopeContent = std::size_t{136} << 20;

// "-----BEGIN CMS-----": AuthEnvelopedData (RFC 5083) under AES-256-GCM, which each of the
// certificates' keys opens: RSA by OAEP with SHA-256, EC by ECDH with an ephemeral key. Whoever
// changes it is found out; who made it is not told, as everybody has the certificates.
// INVALID_ARGUMENT: CERTIFICATE_INVALID, naming the certificate that is none, has expired, has a
// key usage without encryption, or a key that is too short (RSA below 2048 bits, EC below 256);
// CONTENT_TOO_LARGE. Whether anybody vouches for a certificate is for the caller to know.
Result<std::string> Envelop(ByteView content, const std::string& certificates_pem);

// A recovery key, as it was typed, in an envelope: the text that opens the volume. INVALID_ARGUMENT
// (RECOVERY_KEY_MALFORMED).
Result<std::string> WrapRecoveryKey(const SecretBytes& typed, const std::string& certificates_pem);

}  // namespace seaworthy::volumes
