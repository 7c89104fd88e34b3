// Wrapped keys without a TPM: the public half is whole, the private half is of the right shape.
#pragma once

#include <cstdint>
#include <string_view>

#include "seaworthy/bytes.h"
#include "seaworthy/tpm/types.h"

namespace seaworthy::keys {

// TPMA_OBJECT (TPM 2.0 part 2, 8.3).
inline constexpr std::uint32_t kFixedTpm = 1U << 1;
inline constexpr std::uint32_t kFixedParent = 1U << 4;
inline constexpr std::uint32_t kSensitiveDataOrigin = 1U << 5;
inline constexpr std::uint32_t kUserWithAuth = 1U << 6;
inline constexpr std::uint32_t kRestricted = 1U << 16;
inline constexpr std::uint32_t kDecrypt = 1U << 17;
inline constexpr std::uint32_t kSign = 1U << 18;
inline constexpr std::uint32_t kUsual =
    kFixedTpm | kFixedParent | kSensitiveDataOrigin | kUserWithAuth | kSign;

// P-256's generator G and 2G, as points x || y.
inline constexpr std::string_view kPointG =
    "6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"
    "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5";
inline constexpr std::string_view kPoint2G =
    "7cf27b188d034f7e8a52380304b51ac3c08969e277f21b35a60b48fc47669978"
    "07775510db8ed040293d9ac69f7430dbba7dade63ce982299e04b79d227873d1";

inline tpm::WrappedKey MakeWrappedKey(std::string_view point = kPointG,
                                      std::uint32_t attributes = kUsual) {
  const std::uint8_t attribute_bytes[] = {
      static_cast<std::uint8_t>(attributes >> 24), static_cast<std::uint8_t>(attributes >> 16),
      static_cast<std::uint8_t>(attributes >> 8), static_cast<std::uint8_t>(attributes)};
  const std::string coordinates(point);
  // TPM2B_PUBLIC: size, ECC, SHA-256, attributes, no policy, no symmetric, no scheme, P-256,
  // no KDF, x, y.
  const std::string area = "0023000b" + Hex(attribute_bytes) + "0000" + "0010" + "0010" + "0003" +
                           "0010" + "0020" + coordinates.substr(0, 64) + "0020" +
                           coordinates.substr(64);
  tpm::WrappedKey key;
  key.public_area =
      ParseHex("00" + Hex({{static_cast<std::uint8_t>(area.size() / 2)}}) + area).value();
  key.private_area = ParseHex("0010" + std::string(32, 'a')).value();
  return key;
}

}  // namespace seaworthy::keys
