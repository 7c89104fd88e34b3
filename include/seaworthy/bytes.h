// Plain bytes and their hex form.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "seaworthy/status.h"

namespace seaworthy {

using Bytes = std::vector<std::uint8_t>;
using ByteView = std::span<const std::uint8_t>;

inline ByteView AsBytes(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}
inline std::string_view AsText(ByteView bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// Lower case, two digits a byte.
std::string Hex(ByteView bytes);

// Takes upper and lower case; INVALID_ARGUMENT for an odd length or another character.
Result<Bytes> ParseHex(std::string_view hex);

}  // namespace seaworthy
