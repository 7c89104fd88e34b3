// The cryptography of headers and tokens: the one place here that calls OpenSSL.
#pragma once

#include <memory>
#include <string>

#include "seaworthy/bytes.h"
#include "seaworthy/secret_bytes.h"

namespace seaworthy::volumes {

inline constexpr std::size_t kSha256Size = 32;
inline constexpr std::size_t kSha512Size = 64;
inline constexpr std::size_t kAes256Size = 32;
inline constexpr std::size_t kGcmNonceSize = 12;
inline constexpr std::size_t kGcmTagSize = 16;

// SHA-256 of what comes piece by piece.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(const Sha256&) = delete;
  Sha256& operator=(const Sha256&) = delete;

  void Add(ByteView piece);
  Result<Bytes> Finish();  // once

 private:
  struct Context;
  std::unique_ptr<Context> context_;
};

Result<Bytes> Sha256Of(ByteView data);

Result<Bytes> HmacSha256(ByteView key, ByteView data);

enum class Hash { kSha256, kSha512 };

// A key as long as the hash: 32 or 64 bytes. No salt: the secrets it is made of are random.
Result<SecretBytes> Hkdf(Hash hash, ByteView secret, ByteView info);

Result<SecretBytes> Pbkdf2(Hash hash, ByteView passphrase, ByteView salt, std::uint32_t iterations,
                           std::size_t size);

// aes-xts-plain64 in place, of whole sectors of 512 bytes from number 0 on, by a key of 32 or 64
// bytes.
Status DecryptSectors(ByteView key, std::span<std::uint8_t> sectors);

// What LUKS spread over as many stripes as there are, each of `size` bytes (AFmerge, LUKS1 On-Disk
// Format Specification 1.2.3, 2.4).
Result<SecretBytes> MergeStripes(Hash hash, ByteView stripes, std::size_t size);

// From the kernel's generator.
Status FillRandom(std::span<std::uint8_t> bytes);
Result<SecretBytes> RandomSecret(std::size_t size);

struct GcmBox {
  Bytes nonce;
  Bytes ciphertext;
  Bytes tag;
};

// Under a nonce of its own each time.
Result<GcmBox> SealAes256Gcm(ByteView key, ByteView associated, ByteView plain);

// PERMISSION_DENIED (DECRYPTION_FAILED) when the key is another or anything was changed.
Result<SecretBytes> OpenAes256Gcm(ByteView key, ByteView associated, const GcmBox& box);

// In a time that does not tell where they differ.
bool SameBytes(ByteView one, ByteView other);

// SHA-256 of the key as PKCS#1 RSAPublicKey (RSA) or as its point (EC), of a PEM public key.
// INVALID_ARGUMENT (POLICY_KEY_INVALID).
Result<Bytes> PublicKeyFingerprint(const std::string& pem);

// RSASSA-PKCS1-v1_5 with SHA-256 over `data`. INVALID_ARGUMENT (POLICY_KEY_INVALID) when the key is
// not one of RSA.
Result<bool> RsaSigned(const std::string& pem, ByteView data, ByteView signature);

}  // namespace seaworthy::volumes
