// Headers that cryptsetup and systemd-cryptenroll wrote (tests/data/volumes), and what an attacker
// makes of them: changed, with checksums that fit.
#pragma once

#include <gtest/gtest.h>
#include <openssl/sha.h>
#include <sys/mman.h>
#include <unistd.h>

#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>

#include "seaworthy/handle.h"
#include "seaworthy/modules/volumes/luks2_header.h"
#include "support/status_matchers.h"

namespace seaworthy::volumes {

inline std::string ReadData(const std::string& name) {
  std::ifstream stream(std::string(TEST_DATA) + "/volumes/" + name, std::ios::binary);
  EXPECT_TRUE(stream) << name;
  return {std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
}

class HeaderImage {
 public:
  static constexpr std::size_t kBinary = 4096;
  static constexpr std::size_t kVolume = std::size_t{3} << 19;

  explicit HeaderImage(const std::string& name) : bytes_(ReadData(name)), size_(bytes_.size() / 2) {
    bytes_ += Areas().substr(0, kVolume - bytes_.size());
  }

  // Of one copy: 0 or 1.
  std::size_t Offset(int copy) const { return copy == 0 ? 0 : size_; }

  std::string Text(int copy = 0) const { return {bytes_.c_str() + Offset(copy) + kBinary}; }
  nlohmann::json Json(int copy = 0) const { return nlohmann::json::parse(Text(copy)); }

  HeaderImage& SetText(int copy, const std::string& text) {
    const std::size_t room = size_ - kBinary;
    EXPECT_LE(text.size(), room);
    bytes_.replace(Offset(copy) + kBinary, room, text + std::string(room - text.size(), '\0'));
    return Mend(copy);
  }

  // In both copies, as somebody who knows the format would.
  HeaderImage& Change(const std::function<void(nlohmann::json&)>& change) {
    for (const int copy : {0, 1}) {
      nlohmann::json json = Json(copy);
      change(json);
      SetText(copy, json.dump());
    }
    return *this;
  }

  // One field of the binary part.
  HeaderImage& Put(int copy, std::size_t offset, const std::string& bytes) {
    bytes_.replace(Offset(copy) + offset, bytes.size(), bytes);
    return Mend(copy);
  }
  HeaderImage& SetSequence(int copy, char number) {
    return Put(copy, 16, std::string(7, '\0') + number);
  }

  // Anywhere, and no checksum is mended.
  HeaderImage& Break(std::size_t offset) {
    bytes_[offset] = static_cast<char>(bytes_[offset] ^ 1);
    return *this;
  }
  HeaderImage& Truncate(std::size_t size) {
    bytes_.resize(size);
    return *this;
  }

  const std::string& bytes() const { return bytes_; }

  UniqueFd Open() const {
    UniqueFd fd(memfd_create("header", MFD_CLOEXEC));
    EXPECT_EQ(pwrite(fd.get(), bytes_.data(), bytes_.size(), 0),
              static_cast<ssize_t>(bytes_.size()));
    return fd;
  }
  Result<Luks2Header> Read() const { return ReadLuks2Header(Open().get()); }

 private:
  // What lies behind the copies, as random as these bytes need to be.
  static const std::string& Areas() {
    static const std::string areas = [] {
      std::string bytes(kVolume, '\0');
      std::uint32_t state = 1;
      for (char& byte : bytes) {
        state = state * 1664525 + 1013904223;
        byte = static_cast<char>(state >> 24);
      }
      return bytes;
    }();
    return areas;
  }

  HeaderImage& Mend(int copy) {
    std::string whole = bytes_.substr(Offset(copy), size_);
    whole.replace(448, 64, std::string(64, '\0'));
    std::string digest(64, '\0');
    SHA256(reinterpret_cast<const unsigned char*>(whole.data()), whole.size(),
           reinterpret_cast<unsigned char*>(digest.data()));
    bytes_.replace(Offset(copy) + 448, 64, digest);
    return *this;
  }

  std::string bytes_;
  std::size_t size_;
};

}  // namespace seaworthy::volumes
