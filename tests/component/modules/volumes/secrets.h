// Passphrases and volume keys for tests.
#pragma once

#include <string_view>

#include "seaworthy/modules/volumes/luks.h"

namespace seaworthy::testing {

inline SecretBytes Secret(std::string_view text) { return SecretBytes::Copy(AsBytes(text)); }

// A volume key, another one for each byte.
inline SecretBytes KeyOf(std::uint8_t byte) {
  SecretBytes key(volumes::kVolumeKeyBytes);
  for (std::size_t i = 0; i < key.size(); ++i) key.data()[i] = static_cast<std::uint8_t>(byte + i);
  return key;
}

}  // namespace seaworthy::testing
