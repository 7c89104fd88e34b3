// The TPM's vocabulary without tss2's headers: algorithms, PCR selections, wrapped keys.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "seaworthy/bytes.h"
#include "seaworthy/status.h"

namespace seaworthy::tpm {

enum class KeyAlgorithm { kEcP256, kEcP384, kRsa2048, kRsa3072 };
// "EC_P256", "EC_P384", "RSA_2048", "RSA_3072".
std::string_view ToString(KeyAlgorithm algorithm);

// Values are TPM_ALG_ID's.
enum class HashAlgorithm : std::uint16_t {
  kSha1 = 0x0004,
  kSha256 = 0x000b,
  kSha384 = 0x000c,
  kSha512 = 0x000d,
};
// "sha1", "sha256", ...
std::string_view ToString(HashAlgorithm hash);
std::size_t DigestSize(HashAlgorithm hash);

// The TPM2 PC Client profile's PCRs, 0 to 23.
inline constexpr std::uint32_t kPcrCount = 24;
inline constexpr std::uint32_t kAllPcrs = (1U << kPcrCount) - 1;

// PCRs of one bank; bit n of the mask is PCR n.
struct PcrSelection {
  HashAlgorithm bank = HashAlgorithm::kSha256;
  std::uint32_t mask = 0;
  bool operator==(const PcrSelection&) const = default;
};

struct PcrValue {
  HashAlgorithm bank = HashAlgorithm::kSha256;
  std::uint32_t index = 0;
  Bytes digest;
  bool operator==(const PcrValue&) const = default;
};

// A PolicyPCR: the selection, and the digest over the selected values (SHA-256, in index
// order) that they must have.
struct PcrPolicy {
  PcrSelection selection;
  Bytes pcr_digest;
};

// A key as TPM2_Create returned it. Of use only under the storage root key of the TPM that
// made it; nothing in it is secret to others.
struct WrappedKey {
  Bytes public_area;   // TPM2B_PUBLIC, marshalled
  Bytes private_area;  // TPM2B_PRIVATE, marshalled
  std::optional<PcrPolicy> policy;
};

// What a public area says.
struct PublicKey {
  KeyAlgorithm algorithm = KeyAlgorithm::kEcP256;
  Bytes name;                           // nameAlg and digest, TPM 2.0 part 1, 16
  Bytes public_area;                    // TPMT_PUBLIC, without the size of TPM2B
  Bytes subject_public_key_info;        // DER
  std::vector<std::string> attributes;  // TPMA_OBJECT's set bits, "fixedTPM", "sign", ...
};

// Reads the public half. INVALID_ARGUMENT, reason INVALID_TPM_PUBLIC, for what is not one of
// the four algorithms or does not fill its bytes.
Result<PublicKey> ReadPublicKey(const WrappedKey& key);

}  // namespace seaworthy::tpm
