#include "verify/ima_signature.h"

#include <openssl/pem.h>
#include <openssl/sha.h>
#include <openssl/x509v3.h>
#include <tss2/tss2_tpm2_types.h>

#include <algorithm>

#include "seaworthy/status_macros.h"
#include "verify/digest.h"
#include "verify/short_digest.h"

namespace seaworthy::verify {
namespace {

// security.ima (security/integrity/integrity.h): type, version, hash, key id and size big-endian.
constexpr std::size_t kHeader = 9;
constexpr std::uint8_t kDigestSignature = 0x03;  // EVM_IMA_XATTR_DIGSIG
constexpr std::uint8_t kVeritySignature = 0x06;  // IMA_VERITY_DIGSIG
constexpr std::size_t kMaxSignature = 1024;

// enum hash_algo of the kernel; SHA-1 and older are not taken.
struct Hash {
  std::uint8_t id;
  std::string_view name;
  std::uint16_t tpm;
};
constexpr Hash kHashes[] = {
    {4, "sha256", TPM2_ALG_SHA256}, {5, "sha384", TPM2_ALG_SHA384}, {6, "sha512", TPM2_ALG_SHA512}};

Status Bad(std::string_view reason, std::string_view what) {
  return Fail(Code::kPermissionDenied, reason, what);
}

std::uint32_t BigEndian32(ByteView bytes) {
  return static_cast<std::uint32_t>(bytes[0]) << 24 | static_cast<std::uint32_t>(bytes[1]) << 16 |
         static_cast<std::uint32_t>(bytes[2]) << 8 | static_cast<std::uint32_t>(bytes[3]);
}

// The last four bytes of the certificate's subject key identifier, or of the SHA-1 digest of the
// public key where there is none: what evmctl and the kernel call a key.
std::uint32_t IdOf(X509* certificate, X509_PUBKEY* key) {
  if (certificate != nullptr) {
    if (const ASN1_OCTET_STRING* id = X509_get0_subject_key_id(certificate);
        id != nullptr && ASN1_STRING_length(id) >= 4) {
      const ByteView bytes(ASN1_STRING_get0_data(id),
                           static_cast<std::size_t>(ASN1_STRING_length(id)));
      return BigEndian32(bytes.last(4));
    }
  }
  const unsigned char* bits = nullptr;
  int size = 0;
  X509_PUBKEY_get0_param(nullptr, &bits, &size, nullptr, key);
  std::array<std::uint8_t, SHA_DIGEST_LENGTH> digest;
  ShortDigest(TPM2_ALG_SHA1, {{bits, static_cast<std::size_t>(size)}}, digest.data());
  return BigEndian32(ByteView(digest).last(4));
}

bool Verifies(EVP_PKEY* key, const Hash& hash, ByteView digest, ByteView signature) {
  const PkeyContextPtr context(EVP_PKEY_CTX_new(key, nullptr));
  if (context == nullptr || EVP_PKEY_verify_init(context.get()) != 1 ||
      EVP_PKEY_CTX_set_signature_md(context.get(), CollisionResistant(hash.tpm)) != 1) {
    return false;
  }
  if (EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA &&
      EVP_PKEY_CTX_set_rsa_padding(context.get(), RSA_PKCS1_PADDING) != 1) {
    return false;
  }
  return EVP_PKEY_verify(context.get(), signature.data(), signature.size(), digest.data(),
                         digest.size()) == 1;
}

struct FileSignature {
  std::uint8_t type = 0;
  std::uint8_t version = 0;
  Hash hash = {};
  std::uint32_t key_id = 0;
  ByteView bytes;
};

Result<FileSignature> ParseFileSignature(ByteView xattr) {
  if (xattr.empty()) return Bad("IMA_SIGNATURE_MISSING", "it is not signed");
  if (xattr[0] != kDigestSignature && xattr[0] != kVeritySignature) {
    return Bad("IMA_SIGNATURE_MISSING", "it has a hash in security.ima and no signature");
  }
  if (xattr.size() < kHeader) return Bad("IMA_SIGNATURE_MALFORMED", "its signature is cut short");
  FileSignature signature{.type = xattr[0],
                          .version = xattr[1],
                          .key_id = BigEndian32(xattr.subspan(3)),
                          .bytes = xattr.subspan(kHeader)};
  if (signature.version != 2 && signature.version != 3) {
    return Bad("IMA_SIGNATURE_MALFORMED", "its signature has the format " +
                                              std::to_string(signature.version) + ", not 2 or 3");
  }
  const auto* hash = std::ranges::find(kHashes, xattr[2], &Hash::id);
  if (hash == std::end(kHashes)) {
    return Bad("IMA_SIGNATURE_MALFORMED",
               "its signature is over a digest that is not sha256, sha384 or sha512");
  }
  signature.hash = *hash;
  const std::size_t size = static_cast<std::size_t>(xattr[7] << 8 | xattr[8]);
  if (size != signature.bytes.size() || size > kMaxSignature) {
    return Bad("IMA_SIGNATURE_MALFORMED", "its signature has not the size that it says");
  }
  return signature;
}

// What was signed: the file's digest itself; in format 3 the digest over a structure that says what
// kind of digest it is (struct ima_file_id).
Result<Bytes> SignedDigest(const FileSignature& signature, const ImaFields& fields) {
  if (fields.hash != signature.hash.name) {
    return Bad("IMA_SIGNATURE_INVALID", "the list has its " + std::string(fields.hash) +
                                            " digest, the signature is over its " +
                                            std::string(signature.hash.name));
  }
  if (signature.version == 2) return Bytes(fields.digest.begin(), fields.digest.end());
  const std::uint8_t head[] = {signature.type, signature.hash.id};
  Bytes digest(DigestSize(signature.hash.tpm));
  ShortDigest(signature.hash.tpm, {head, fields.digest}, digest.data());
  return digest;
}

}  // namespace

Result<ImaKeys> ImaKeys::Parse(const std::vector<std::string>& pems) {
  const QuietOpenssl quiet;
  ImaKeys keys;
  for (std::size_t i = 0; i < pems.size(); ++i) {
    const std::string& pem = pems[i];
    const auto read = [&](auto* reader) {
      const BioPtr bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
      return reader(bio.get(), nullptr, nullptr, nullptr);
    };
    const X509Ptr certificate(read(PEM_read_bio_X509));
    EvpPkeyPtr key(certificate == nullptr ? read(PEM_read_bio_PUBKEY)
                                          : X509_get_pubkey(certificate.get()));
    X509_PUBKEY* encoded = nullptr;
    if (key == nullptr || X509_PUBKEY_set(&encoded, key.get()) != 1) {
      return Fail(
          Code::kInvalidArgument, "IMA_KEY_MALFORMED",
          "key " + std::to_string(i + 1) + " is neither a certificate nor a public key in PEM");
    }
    const CPtr<X509_PUBKEY, X509_PUBKEY_free> owner(encoded);
    keys.keys_.emplace(IdOf(certificate.get(), encoded), std::move(key));
  }
  return keys;
}

Status ImaKeys::Check(const ImaFields& fields) const {
  ASSIGN_OR_RETURN(const FileSignature signature, ParseFileSignature(fields.signature));
  const auto [begin, end] = keys_.equal_range(signature.key_id);
  if (begin == end) {
    const std::uint8_t id[] = {fields.signature[3], fields.signature[4], fields.signature[5],
                               fields.signature[6]};
    return Bad("IMA_KEY_UNKNOWN",
               "it is signed by the key " + Hex(id) + ", which the policy does not name");
  }
  ASSIGN_OR_RETURN(const Bytes digest, SignedDigest(signature, fields));
  const QuietOpenssl quiet;
  for (auto key = begin; key != end; ++key) {
    if (Verifies(key->second.get(), signature.hash, digest, signature.bytes)) return {};
  }
  return Bad("IMA_SIGNATURE_INVALID",
             "its signature is not one of the key it names over this file");
}

}  // namespace seaworthy::verify
