// Bytes that nobody else may see: unsealed keys, PINs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "seaworthy/bytes.h"

namespace seaworthy {

// Memory pages of its own: locked against swapping as far as the limit (RLIMIT_MEMLOCK) allows,
// left out of core dumps, zero in forked children, and cleansed when it goes. Moved, never copied
// by accident; nothing prints it.
class SecretBytes {
 public:
  SecretBytes() = default;
  explicit SecretBytes(std::size_t size);  // zeros
  static SecretBytes Copy(ByteView bytes);
  // Copies the text, and leaves zeros in its place.
  static SecretBytes Take(std::string& text);
  SecretBytes(SecretBytes&& other) noexcept;
  SecretBytes& operator=(SecretBytes&& other) noexcept;
  ~SecretBytes();

  std::uint8_t* data() { return data_; }
  const std::uint8_t* data() const { return data_; }
  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  ByteView view() const { return {data_, size_}; }
  std::span<std::uint8_t> mutable_view() { return {data_, size_}; }

 private:
  std::uint8_t* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace seaworthy
