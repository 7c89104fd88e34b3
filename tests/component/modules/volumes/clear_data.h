// A volume's data in clear, through OpenSSL alone: AES-256-XTS in sectors, each with its place in
// units of 512 bytes as tweak ("plain64").
#pragma once

#include <openssl/evp.h>

#include "component/modules/volumes/luks_fixture.h"
#include "seaworthy/handle.h"

namespace seaworthy::testing {

inline constexpr std::uint64_t kDataOffset = std::uint64_t{4} << 20;  // of SmallHeader()

inline Bytes CryptSectors(ByteView input, const SecretBytes& key, std::size_t sector,
                          bool encrypt) {
  Bytes output(input.size());
  const CPtr<EVP_CIPHER_CTX, EVP_CIPHER_CTX_free> context(EVP_CIPHER_CTX_new());
  for (std::uint64_t at = 0; at < input.size(); at += sector) {
    std::uint8_t tweak[16] = {};
    for (int i = 0; i < 8; ++i) tweak[i] = static_cast<std::uint8_t>((at / 512) >> (8 * i));
    int size = 0;
    EXPECT_EQ(EVP_CipherInit_ex(context.get(), EVP_aes_256_xts(), nullptr, key.data(), tweak,
                                encrypt ? 1 : 0),
              1);
    EXPECT_EQ(EVP_CipherUpdate(context.get(), output.data() + at, &size, input.data() + at,
                               static_cast<int>(sector)),
              1);
  }
  return output;
}

inline void WriteClear(const std::string& path, ByteView data, const SecretBytes& key,
                       std::size_t sector) {
  WriteAt(path, kDataOffset, AsText(CryptSectors(data, key, sector, true)));
}

inline Bytes ReadClear(const std::string& path, const SecretBytes& key, std::size_t sector) {
  const Bytes content = ContentOf(path);
  return CryptSectors(ByteView(content).subspan(kDataOffset), key, sector, false);
}

}  // namespace seaworthy::testing
