#include "seaworthy/bytes.h"

namespace seaworthy {
namespace {

int Digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

std::string Hex(ByteView bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string hex;
  hex.reserve(bytes.size() * 2);
  for (std::uint8_t byte : bytes) {
    hex += kDigits[byte >> 4];
    hex += kDigits[byte & 0xf];
  }
  return hex;
}

Result<Bytes> ParseHex(std::string_view hex) {
  if (hex.size() % 2 != 0) {
    return Fail(Code::kInvalidArgument, "INVALID_HEX", "hex text has an odd number of digits");
  }
  Bytes bytes;
  bytes.reserve(hex.size() / 2);
  for (std::size_t i = 0; i < hex.size(); i += 2) {
    const int high = Digit(hex[i]);
    const int low = Digit(hex[i + 1]);
    if (high < 0 || low < 0) {
      return Fail(Code::kInvalidArgument, "INVALID_HEX",
                  "not a hex digit at character " + std::to_string(high < 0 ? i + 1 : i + 2));
    }
    bytes.push_back(static_cast<std::uint8_t>(high << 4 | low));
  }
  return bytes;
}

}  // namespace seaworthy
