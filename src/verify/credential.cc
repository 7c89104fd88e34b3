#include "verify/credential.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <tss2/tss2_tpm2_types.h>

#include <algorithm>
#include <string_view>

#include "seaworthy/enrolment.h"
#include "seaworthy/status_macros.h"
#include "verify/digest.h"
#include "verify/signature.h"

namespace seaworthy::verify {
namespace {

using CipherContextPtr = CPtr<EVP_CIPHER_CTX, EVP_CIPHER_CTX_free>;

constexpr std::size_t kMinSecret = 16;
constexpr std::size_t kSecretSize = 32;

// With the zero that the specification counts to its labels.
constexpr std::string_view kIdentity("IDENTITY\0", 9);
constexpr std::string_view kStorage("STORAGE\0", 8);
constexpr std::string_view kIntegrity("INTEGRITY\0", 10);

// Bytes that are overwritten when they go.
class Secret {
 public:
  explicit Secret(std::size_t size) : bytes_(size) {}
  explicit Secret(Bytes bytes) : bytes_(std::move(bytes)) {}
  Secret(Secret&&) noexcept = default;
  Secret& operator=(Secret&&) = delete;
  ~Secret() { OPENSSL_cleanse(bytes_.data(), bytes_.size()); }
  Bytes& bytes() { return bytes_; }
  const Bytes& bytes() const { return bytes_; }

 private:
  Bytes bytes_;
};

Status Failed(std::string_view what) {
  return Fail(Code::kInternal, "OPENSSL", std::string(what) + " failed");
}

void Append16(std::size_t value, Bytes& out) {
  out.push_back(static_cast<std::uint8_t>(value >> 8));
  out.push_back(static_cast<std::uint8_t>(value & 0xff));
}

void Append32(std::size_t value, Bytes& out) {
  Append16(value >> 16 & 0xffff, out);
  Append16(value & 0xffff, out);
}

void Append(ByteView bytes, Bytes& out) { out.insert(out.end(), bytes.begin(), bytes.end()); }

// TPM2B: size and content.
void AppendSized(ByteView bytes, Bytes& out) {
  Append16(bytes.size(), out);
  Append(bytes, out);
}

Result<Bytes> Hmac(std::uint16_t hash, ByteView key, ByteView data) {
  Bytes mac(DigestSize(hash));
  unsigned int size = 0;
  if (HMAC(CollisionResistant(hash), key.data(), static_cast<int>(key.size()), data.data(),
           data.size(), mac.data(), &size) == nullptr ||
      size != mac.size()) {
    return Failed("HMAC");
  }
  return mac;
}

// Part 1, 11.4.10.2. All keys derived here are no longer than one digest: one round.
Result<Secret> KdfA(std::uint16_t hash, const Secret& key, std::string_view label, ByteView context,
                    std::size_t bits) {
  Bytes input;
  Append32(1, input);
  Append(AsBytes(label), input);
  Append(context, input);
  Append32(bits, input);
  ASSIGN_OR_RETURN(Bytes derived, Hmac(hash, key.bytes(), input));
  Secret whole(std::move(derived));
  Secret result(bits / 8);
  std::copy_n(whole.bytes().begin(), bits / 8, result.bytes().begin());
  return result;
}

// Part 1, 11.4.10.3, for as many bits as the digest has.
Result<Secret> KdfE(std::uint16_t hash, const Secret& z, ByteView party_u, ByteView party_v) {
  Secret input(Bytes{});
  // Reserved so that no copy is left behind when it grows.
  input.bytes().reserve(4 + z.bytes().size() + kIdentity.size() + party_u.size() + party_v.size());
  Append32(1, input.bytes());
  Append(z.bytes(), input.bytes());
  Append(AsBytes(kIdentity), input.bytes());
  Append(party_u, input.bytes());
  Append(party_v, input.bytes());
  ASSIGN_OR_RETURN(Bytes seed, Digest(hash, input.bytes()));
  return Secret(std::move(seed));
}

struct Seed {
  Secret value;
  Bytes encrypted;  // the content of TPM2B_ENCRYPTED_SECRET
};

// Part 1, B.10.4: OAEP with the key's name algorithm.
Result<Seed> RsaSeed(EVP_PKEY* ek, std::uint16_t hash) {
  Seed seed{Secret(DigestSize(hash)), {}};
  Bytes& value = seed.value.bytes();
  if (RAND_priv_bytes(value.data(), static_cast<int>(value.size())) != 1) return Failed("RAND");
  const PkeyContextPtr context(EVP_PKEY_CTX_new(ek, nullptr));
  // The context takes the label over.
  void* label = OPENSSL_memdup(kIdentity.data(), kIdentity.size());
  const EVP_MD* md = CollisionResistant(hash);
  if (label == nullptr || context == nullptr || EVP_PKEY_encrypt_init(context.get()) != 1 ||
      EVP_PKEY_CTX_set_rsa_padding(context.get(), RSA_PKCS1_OAEP_PADDING) != 1 ||
      EVP_PKEY_CTX_set_rsa_oaep_md(context.get(), md) != 1 ||
      EVP_PKEY_CTX_set_rsa_mgf1_md(context.get(), md) != 1 ||
      EVP_PKEY_CTX_set0_rsa_oaep_label(context.get(), label, static_cast<int>(kIdentity.size())) !=
          1) {
    OPENSSL_free(label);
    return Failed("RSAES-OAEP");
  }
  std::size_t size = static_cast<std::size_t>(EVP_PKEY_get_size(ek));
  seed.encrypted.resize(size);
  if (EVP_PKEY_encrypt(context.get(), seed.encrypted.data(), &size, value.data(), value.size()) !=
      1) {
    return Failed("RSAES-OAEP");
  }
  seed.encrypted.resize(size);
  return seed;
}

// X and Y, each as long as the field.
Result<std::pair<Bytes, Bytes>> Coordinates(EVP_PKEY* key) {
  std::size_t size = 0;
  Bytes point(133);  // P-521: 1 and twice 66 bytes
  if (EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_PUB_KEY, point.data(), point.size(),
                                      &size) != 1 ||
      size < 3 || point[0] != 0x04) {
    return Failed("reading the ephemeral key");
  }
  const auto half = static_cast<std::ptrdiff_t>((size - 1) / 2);
  const auto x = point.begin() + 1;
  return std::pair(Bytes(x, x + half), Bytes(x + half, x + 2 * half));
}

// Part 1, C.6.4: one-pass Diffie-Hellman with an ephemeral key.
Result<Seed> EccSeed(const PublicArea& area, EVP_PKEY* ek) {
  EVP_PKEY* made = nullptr;
  const PkeyContextPtr generator(EVP_PKEY_CTX_new(ek, nullptr));
  if (generator == nullptr || EVP_PKEY_keygen_init(generator.get()) != 1 ||
      EVP_PKEY_keygen(generator.get(), &made) != 1) {
    return Failed("making an ephemeral key");
  }
  const EvpPkeyPtr ephemeral(made);
  const PkeyContextPtr exchange(EVP_PKEY_CTX_new(ephemeral.get(), nullptr));
  std::size_t size = 0;
  if (exchange == nullptr || EVP_PKEY_derive_init(exchange.get()) != 1 ||
      EVP_PKEY_derive_set_peer(exchange.get(), ek) != 1 ||
      EVP_PKEY_derive(exchange.get(), nullptr, &size) != 1) {
    return Failed("ECDH");
  }
  Secret z(size);
  if (EVP_PKEY_derive(exchange.get(), z.bytes().data(), &size) != 1 || size != z.bytes().size()) {
    return Failed("ECDH");
  }
  ASSIGN_OR_RETURN(const auto point, Coordinates(ephemeral.get()));
  // The key's own X as its public area has it, leading zeros or none: the TPM does the same.
  ASSIGN_OR_RETURN(Secret value, KdfE(area.name_hash, z, point.first, area.x));
  Seed seed{std::move(value), {}};
  AppendSized(point.first, seed.encrypted);
  AppendSized(point.second, seed.encrypted);
  return seed;
}

Result<Bytes> AesCfb(const Secret& key, ByteView plain) {
  const EVP_CIPHER* cipher = key.bytes().size() == 16   ? EVP_aes_128_cfb128()
                             : key.bytes().size() == 24 ? EVP_aes_192_cfb128()
                                                        : EVP_aes_256_cfb128();
  const std::uint8_t iv[16] = {};
  const CipherContextPtr context(EVP_CIPHER_CTX_new());
  Bytes encrypted(plain.size());
  int size = 0;
  if (context == nullptr ||
      EVP_EncryptInit_ex(context.get(), cipher, nullptr, key.bytes().data(), iv) != 1 ||
      EVP_EncryptUpdate(context.get(), encrypted.data(), &size, plain.data(),
                        static_cast<int>(plain.size())) != 1 ||
      static_cast<std::size_t>(size) != encrypted.size()) {
    return Failed("AES-CFB");
  }
  return encrypted;
}

Status CheckInputs(const PublicArea& ek, ByteView object_name, ByteView secret) {
  RETURN_IF_ERROR(CheckProtectsCredentials(ek));
  if (secret.size() < kMinSecret || secret.size() > DigestSize(ek.name_hash)) {
    return Fail(Code::kInvalidArgument, "SECRET_SIZE",
                "the secret has " + std::to_string(secret.size()) + " bytes; 16 to " +
                    std::to_string(DigestSize(ek.name_hash)) + " go into a credential");
  }
  // A name is an algorithm and its digest; a handle's name (4 bytes) is none to make a
  // credential for.
  const std::size_t digest =
      object_name.size() < 2
          ? 0
          : DigestSize(static_cast<std::uint16_t>(object_name[0] << 8 | object_name[1]));
  if (digest == 0 || object_name.size() != 2 + digest) {
    return Fail(Code::kInvalidArgument, "MALFORMED", "the object's name is no TPM name");
  }
  return {};
}

}  // namespace

Status CheckProtectsCredentials(const PublicArea& key) {
  const bool aes =
      key.symmetric == TPM2_ALG_AES && key.symmetric_mode == TPM2_ALG_CFB &&
      (key.symmetric_bits == 128 || key.symmetric_bits == 192 || key.symmetric_bits == 256);
  if (!aes) {
    return Fail(Code::kInvalidArgument, "UNSUPPORTED_KEY",
                "the endorsement key does not protect credentials with AES in CFB mode");
  }
  if (CollisionResistant(key.name_hash) == nullptr ||
      key.symmetric_bits / 8U > DigestSize(key.name_hash)) {
    return Fail(Code::kInvalidArgument, "UNSUPPORTED_HASH",
                "the endorsement key's name algorithm " + HashName(key.name_hash) +
                    " is not one of sha256, sha384, sha512");
  }
  return {};
}

Result<Credential> MakeCredential(ByteView ek_public, ByteView object_name, ByteView secret) {
  const QuietOpenssl quiet;
  ASSIGN_OR_RETURN(const PublicArea area, ParsePublicArea(ek_public));
  RETURN_IF_ERROR(CheckInputs(area, object_name, secret));
  ASSIGN_OR_RETURN(const EvpPkeyPtr ek, ToOpenssl(area));
  Result<Seed> made =
      area.type == TPM2_ALG_RSA ? RsaSeed(ek.get(), area.name_hash) : EccSeed(area, ek.get());
  if (!made.ok()) return made.status();
  const Seed& seed = *made;
  ASSIGN_OR_RETURN(const Secret storage,
                   KdfA(area.name_hash, seed.value, kStorage, object_name, area.symmetric_bits));
  ASSIGN_OR_RETURN(const Secret integrity, KdfA(area.name_hash, seed.value, kIntegrity, {},
                                                DigestSize(area.name_hash) * 8));
  Secret plain(Bytes{});
  plain.bytes().reserve(2 + secret.size());
  AppendSized(secret, plain.bytes());
  ASSIGN_OR_RETURN(const Bytes encrypted, AesCfb(storage, plain.bytes()));
  Bytes authenticated = encrypted;
  Append(object_name, authenticated);
  ASSIGN_OR_RETURN(const Bytes mac, Hmac(area.name_hash, integrity.bytes(), authenticated));
  Bytes id_object;
  AppendSized(mac, id_object);
  Append(encrypted, id_object);
  Credential credential;
  AppendSized(id_object, credential.blob);
  AppendSized(seed.encrypted, credential.encrypted_secret);
  return credential;
}

Result<Bytes> MakeSecret() {
  Bytes secret(kSecretSize);
  if (RAND_priv_bytes(secret.data(), static_cast<int>(secret.size())) != 1) return Failed("RAND");
  return secret;
}

bool IsSecret(ByteView answer, ByteView secret) {
  return !secret.empty() && answer.size() == secret.size() &&
         CRYPTO_memcmp(answer.data(), secret.data(), secret.size()) == 0;
}

}  // namespace seaworthy::verify
