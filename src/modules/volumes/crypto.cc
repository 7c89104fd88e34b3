#include "modules/volumes/crypto.h"

#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <sys/random.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <limits>
#include <utility>

#include "seaworthy/directory.h"
#include "seaworthy/handle.h"
#include "seaworthy/status_macros.h"

namespace seaworthy::volumes {
namespace {

using PublicKey = CPtr<EVP_PKEY, EVP_PKEY_free>;
using CipherContext = CPtr<EVP_CIPHER_CTX, EVP_CIPHER_CTX_free>;

Status OpensslFailed(std::string_view call) {
  ERR_clear_error();
  return Fail(Code::kInternal, "OPENSSL", std::string(call) + " failed");
}

Result<PublicKey> ReadPublicKey(const std::string& pem) {
  const auto invalid = [](std::string_view what) {
    ERR_clear_error();
    return Fail(Code::kInvalidArgument, "POLICY_KEY_INVALID", what);
  };
  constexpr std::size_t kMaxPem = 16 * 1024;
  if (pem.size() > kMaxPem) return invalid("the public key has more than 16 KiB");
  const CPtr<BIO, BIO_free> bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  if (!bio) return OpensslFailed("BIO_new_mem_buf");
  PublicKey key(PEM_read_bio_PUBKEY(bio.get(), nullptr, nullptr, nullptr));
  if (!key) return invalid("it is no public key in PEM");
  return key;
}

bool StartGcm(const CipherContext& context, ByteView key, ByteView nonce, bool encrypt) {
  return context && key.size() == kAes256Size && nonce.size() == kGcmNonceSize &&
         EVP_CipherInit_ex2(context.get(), EVP_aes_256_gcm(), key.data(), nonce.data(),
                            encrypt ? 1 : 0, nullptr) == 1;
}

// `out` has the size of `in`; for associated data it is null.
bool UpdateGcm(const CipherContext& context, ByteView in, std::uint8_t* out) {
  if (in.empty()) return true;
  if (in.size() > std::numeric_limits<int>::max()) return false;
  int done = 0;
  return EVP_CipherUpdate(context.get(), out, &done, in.data(), static_cast<int>(in.size())) == 1 &&
         std::cmp_equal(done, in.size());
}

const char* NameOf(Hash hash) { return hash == Hash::kSha512 ? "SHA512" : "SHA256"; }
const EVP_MD* Algorithm(Hash hash) { return hash == Hash::kSha512 ? EVP_sha512() : EVP_sha256(); }
std::size_t SizeOf(Hash hash) { return hash == Hash::kSha512 ? kSha512Size : kSha256Size; }

}  // namespace

struct Sha256::Context {
  CPtr<EVP_MD_CTX, EVP_MD_CTX_free> md{EVP_MD_CTX_new()};
  bool good = md && EVP_DigestInit_ex(md.get(), EVP_sha256(), nullptr) == 1;
};

Sha256::Sha256() : context_(std::make_unique<Context>()) {}
Sha256::~Sha256() = default;

void Sha256::Add(ByteView piece) {
  context_->good =
      context_->good && EVP_DigestUpdate(context_->md.get(), piece.data(), piece.size()) == 1;
}

Result<Bytes> Sha256::Finish() {
  Bytes digest(kSha256Size);
  if (!context_->good || EVP_DigestFinal_ex(context_->md.get(), digest.data(), nullptr) != 1) {
    return OpensslFailed("SHA-256");
  }
  return digest;
}

Result<Bytes> Sha256Of(ByteView data) {
  Sha256 hash;
  hash.Add(data);
  return hash.Finish();
}

Result<Bytes> HmacSha256(ByteView key, ByteView data) {
  Bytes mac(kSha256Size);
  std::size_t size = 0;
  if (EVP_Q_mac(nullptr, "HMAC", nullptr, "SHA256", nullptr, key.data(), key.size(), data.data(),
                data.size(), mac.data(), mac.size(), &size) == nullptr ||
      size != mac.size()) {
    return OpensslFailed("HMAC");
  }
  return mac;
}

Result<SecretBytes> Hkdf(Hash hash, ByteView secret, ByteView info) {
  const CPtr<EVP_KDF, EVP_KDF_free> kdf(EVP_KDF_fetch(nullptr, "HKDF", nullptr));
  const CPtr<EVP_KDF_CTX, EVP_KDF_CTX_free> context(kdf ? EVP_KDF_CTX_new(kdf.get()) : nullptr);
  if (!context) return OpensslFailed("EVP_KDF_fetch");
  // OpenSSL takes its parameters without const and does not write to them.
  const auto octets = [](const char* name, ByteView bytes) {
    return OSSL_PARAM_construct_octet_string(name, const_cast<std::uint8_t*>(bytes.data()),
                                             bytes.size());
  };
  std::string name = NameOf(hash);
  const std::array<OSSL_PARAM, 4> parameters = {
      OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, name.data(), 0),
      octets(OSSL_KDF_PARAM_KEY, secret), octets(OSSL_KDF_PARAM_INFO, info),
      OSSL_PARAM_construct_end()};
  SecretBytes key(SizeOf(hash));
  if (EVP_KDF_derive(context.get(), key.data(), key.size(), parameters.data()) != 1) {
    return OpensslFailed("HKDF");
  }
  return key;
}

Result<SecretBytes> Pbkdf2(Hash hash, ByteView passphrase, ByteView salt, std::uint32_t iterations,
                           std::size_t size) {
  constexpr auto kMost = static_cast<std::uint32_t>(std::numeric_limits<int>::max());
  SecretBytes key(size);
  const std::string_view text = AsText(passphrase);
  if (iterations > kMost ||
      PKCS5_PBKDF2_HMAC(text.data(), static_cast<int>(text.size()), salt.data(),
                        static_cast<int>(salt.size()), static_cast<int>(iterations),
                        Algorithm(hash), static_cast<int>(size), key.data()) != 1) {
    return OpensslFailed("PBKDF2");
  }
  return key;
}

Status DecryptSectors(ByteView key, std::span<std::uint8_t> sectors) {
  constexpr std::size_t kSector = 512;
  const EVP_CIPHER* const cipher = key.size() == 64 ? EVP_aes_256_xts() : EVP_aes_128_xts();
  const CipherContext context(EVP_CIPHER_CTX_new());
  bool good = context && (key.size() == 32 || key.size() == 64) && sectors.size() % kSector == 0 &&
              EVP_DecryptInit_ex2(context.get(), cipher, key.data(), nullptr, nullptr) == 1;
  std::array<std::uint8_t, 16> number{};  // little-endian
  for (std::uint64_t sector = 0; good && sector < sectors.size() / kSector; ++sector) {
    for (std::size_t i = 0; i < 8; ++i) {
      number[i] = static_cast<std::uint8_t>(sector >> (8 * i) & 0xff);
    }
    std::uint8_t* const at = sectors.data() + sector * kSector;
    int done = 0;
    good = EVP_DecryptInit_ex2(context.get(), nullptr, nullptr, number.data(), nullptr) == 1 &&
           EVP_DecryptUpdate(context.get(), at, &done, at, kSector) == 1 && done == kSector;
  }
  if (!good) return OpensslFailed("AES-XTS");
  return {};
}

Result<SecretBytes> MergeStripes(Hash hash, ByteView stripes, std::size_t size) {
  // Looked up once, and not for each stripe.
  const CPtr<EVP_MD, EVP_MD_free> md(EVP_MD_fetch(nullptr, NameOf(hash), nullptr));
  const CPtr<EVP_MD_CTX, EVP_MD_CTX_free> context(EVP_MD_CTX_new());
  bool good = md && context && size != 0 && stripes.size() % size == 0 && !stripes.empty() &&
              EVP_DigestInit_ex2(context.get(), md.get(), nullptr) == 1;
  SecretBytes merged(size);
  SecretBytes digest(SizeOf(hash));
  const auto add = [&](ByteView stripe) {
    for (std::size_t i = 0; i < size; ++i) merged.data()[i] ^= stripe[i];
  };
  for (; good && stripes.size() > size; stripes = stripes.subspan(size)) {
    add(stripes.first(size));
    for (std::size_t at = 0, block = 0; good && at < size; at += digest.size(), ++block) {
      const std::array<std::uint8_t, 4> number = {0, 0, 0, static_cast<std::uint8_t>(block)};
      const auto part = merged.mutable_view().subspan(at, std::min(size - at, digest.size()));
      good = EVP_DigestInit_ex2(context.get(), nullptr, nullptr) == 1 &&
             EVP_DigestUpdate(context.get(), number.data(), number.size()) == 1 &&
             EVP_DigestUpdate(context.get(), part.data(), part.size()) == 1 &&
             EVP_DigestFinal_ex(context.get(), digest.data(), nullptr) == 1;
      std::copy_n(digest.data(), part.size(), part.begin());
    }
  }
  if (!good) return OpensslFailed("AFmerge");
  add(stripes);
  return merged;
}

Status FillRandom(std::span<std::uint8_t> bytes) {
  while (!bytes.empty()) {
    const ssize_t got = getrandom(bytes.data(), bytes.size(), 0);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return FromErrno(errno, "getrandom");
    bytes = bytes.subspan(static_cast<std::size_t>(got));
  }
  return {};
}

Result<SecretBytes> RandomSecret(std::size_t size) {
  SecretBytes secret(size);
  RETURN_IF_ERROR(FillRandom(secret.mutable_view()));
  return secret;
}

Result<GcmBox> SealAes256Gcm(ByteView key, ByteView associated, ByteView plain) {
  GcmBox box{
      .nonce = Bytes(kGcmNonceSize), .ciphertext = Bytes(plain.size()), .tag = Bytes(kGcmTagSize)};
  RETURN_IF_ERROR(FillRandom(box.nonce));
  const CipherContext context(EVP_CIPHER_CTX_new());
  int rest = 0;
  std::array<std::uint8_t, EVP_MAX_BLOCK_LENGTH> none{};
  if (!StartGcm(context, key, box.nonce, true) || !UpdateGcm(context, associated, nullptr) ||
      !UpdateGcm(context, plain, box.ciphertext.data()) ||
      EVP_CipherFinal_ex(context.get(), none.data(), &rest) != 1 ||
      EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_GET_TAG, static_cast<int>(box.tag.size()),
                          box.tag.data()) != 1) {
    return OpensslFailed("AES-256-GCM");
  }
  return box;
}

Result<SecretBytes> OpenAes256Gcm(ByteView key, ByteView associated, const GcmBox& box) {
  const CipherContext context(EVP_CIPHER_CTX_new());
  SecretBytes plain(box.ciphertext.size());
  Bytes tag = box.tag;
  int rest = 0;
  std::array<std::uint8_t, EVP_MAX_BLOCK_LENGTH> none{};
  if (tag.size() != kGcmTagSize || !StartGcm(context, key, box.nonce, false) ||
      !UpdateGcm(context, associated, nullptr) ||
      !UpdateGcm(context, box.ciphertext, plain.data()) ||
      EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_SET_TAG, static_cast<int>(tag.size()),
                          tag.data()) != 1 ||
      EVP_CipherFinal_ex(context.get(), none.data(), &rest) != 1) {
    ERR_clear_error();
    return Fail(Code::kPermissionDenied, "DECRYPTION_FAILED",
                "the key is another one, or what is encrypted was changed");
  }
  return plain;
}

bool SameBytes(ByteView one, ByteView other) {
  return one.size() == other.size() && CRYPTO_memcmp(one.data(), other.data(), one.size()) == 0;
}

Result<Bytes> PublicKeyFingerprint(const std::string& pem) {
  ASSIGN_OR_RETURN(const PublicKey key, ReadPublicKey(pem));
  std::uint8_t* der = nullptr;
  const int size = i2d_PublicKey(key.get(), &der);
  if (size < 0) return OpensslFailed("i2d_PublicKey");
  Result<Bytes> digest = Sha256Of({der, static_cast<std::size_t>(size)});
  OPENSSL_free(der);
  return digest;
}

Result<bool> RsaSigned(const std::string& pem, ByteView data, ByteView signature) {
  ASSIGN_OR_RETURN(const PublicKey key, ReadPublicKey(pem));
  if (EVP_PKEY_is_a(key.get(), "RSA") != 1) {
    return Fail(Code::kInvalidArgument, "POLICY_KEY_INVALID", "it is not a key of RSA");
  }
  const CPtr<EVP_MD_CTX, EVP_MD_CTX_free> context(EVP_MD_CTX_new());
  if (!context ||
      EVP_DigestVerifyInit(context.get(), nullptr, EVP_sha256(), nullptr, key.get()) != 1) {
    return OpensslFailed("EVP_DigestVerifyInit");
  }
  const bool good = EVP_DigestVerify(context.get(), signature.data(), signature.size(), data.data(),
                                     data.size()) == 1;
  ERR_clear_error();
  return good;
}

}  // namespace seaworthy::volumes
