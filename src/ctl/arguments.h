// What a user types, read: PCR selections, nonces, names of algorithms.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "seaworthy/bytes.h"
#include "seaworthy/status.h"
#include "seaworthy/v1/common.pb.h"
#include "seaworthy/v1/key.pb.h"

namespace seaworthy::ctl {

// "sha256:0,7", "sha256:all", "0-7,14" (SHA-256), several banks joined by '+'. Indices come
// back in order and once. INVALID_ARGUMENT (INVALID_PCRS) names the part that is wrong.
Result<std::vector<v1::PcrSelection>> ParsePcrSelections(std::string_view text);

// "sha256:16=<hex digest>".
Result<v1::PcrValue> ParsePcrValue(std::string_view text);

// The same as the user would type it: "sha256:0,7".
std::string FormatPcrSelection(const v1::PcrSelection& selection);

// 16 to 64 bytes of hex, as the daemon takes them.
Result<Bytes> ParseNonce(std::string_view hex);

// "ec-p256" and so on; KEY_ALGORITHM_UNSPECIFIED for another word.
v1::KeyAlgorithm ParseKeyAlgorithm(std::string_view name);
std::string FormatKeyAlgorithm(v1::KeyAlgorithm algorithm);

// "sha256" or "256" and so on; HASH_ALGORITHM_UNSPECIFIED for another word.
v1::HashAlgorithm ParseHash(std::string_view name);
std::string FormatHash(v1::HashAlgorithm hash);
// Bytes in a digest; 0 for HASH_ALGORITHM_UNSPECIFIED.
std::size_t HashSize(v1::HashAlgorithm hash);

// "ecdsa", "rsa-pkcs1", "rsa-pss"; SIGNATURE_SCHEME_UNSPECIFIED for another word.
v1::SignatureScheme ParseScheme(std::string_view name);

}  // namespace seaworthy::ctl
