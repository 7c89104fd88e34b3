// Numbers as x86 firmware and the kernel write them.
#pragma once

#include <cstdint>

#include "seaworthy/bytes.h"

namespace seaworthy::verify {

// After a read past the end ok() is false, and all further reads give zero or nothing.
class LittleEndianReader {
 public:
  explicit LittleEndianReader(ByteView bytes) : bytes_(bytes) {}

  bool ok() const { return ok_; }
  std::size_t at() const { return at_; }
  ByteView rest() const { return bytes_.subspan(at_); }

  ByteView Take(std::uint64_t size) {
    if (!ok_ || size > bytes_.size() - at_) {
      ok_ = false;
      return {};
    }
    const ByteView taken = bytes_.subspan(at_, static_cast<std::size_t>(size));
    at_ += taken.size();
    return taken;
  }

  std::uint8_t U8() { return static_cast<std::uint8_t>(Number(1)); }
  std::uint16_t U16() { return static_cast<std::uint16_t>(Number(2)); }
  std::uint32_t U32() { return static_cast<std::uint32_t>(Number(4)); }
  std::uint64_t U64() { return Number(8); }

 private:
  std::uint64_t Number(std::size_t size) {
    const ByteView bytes = Take(size);
    std::uint64_t number = 0;
    for (std::size_t i = bytes.size(); i > 0; --i) number = number << 8 | bytes[i - 1];
    return number;
  }

  ByteView bytes_;
  std::size_t at_ = 0;
  bool ok_ = true;
};

// Of the first four bytes, which must be there.
inline std::uint32_t LittleEndian32(ByteView bytes) {
  return static_cast<std::uint32_t>(bytes[0]) | static_cast<std::uint32_t>(bytes[1]) << 8 |
         static_cast<std::uint32_t>(bytes[2]) << 16 | static_cast<std::uint32_t>(bytes[3]) << 24;
}

inline void AppendLittleEndian32(std::uint32_t value, Bytes& out) {
  for (int shift = 0; shift < 32; shift += 8) {
    out.push_back(static_cast<std::uint8_t>(value >> shift));
  }
}

}  // namespace seaworthy::verify
