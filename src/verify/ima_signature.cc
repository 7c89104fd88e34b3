#include "seaworthy/ima_signature.h"

#include <openssl/pem.h>
#include <openssl/sha.h>
#include <openssl/x509v3.h>
#include <tss2/tss2_tpm2_types.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "seaworthy/status_macros.h"
#include "verify/digest.h"
#include "verify/short_digest.h"
#include "verify/signature.h"

namespace seaworthy::verify {
namespace {

// Type, version, hash, key id and size; the last two are big-endian.
constexpr std::size_t kHeader = 9;

constexpr ImaHash kHashes[] = {ImaHash::kSha256, ImaHash::kSha384, ImaHash::kSha512};
constexpr ImaSignature::Type kTypes[] = {
    ImaSignature::Type::kDigest, ImaSignature::Type::kPortableEvm, ImaSignature::Type::kVerity};

std::uint16_t TpmHash(ImaHash hash) {
  switch (hash) {
    case ImaHash::kSha256:
      return TPM2_ALG_SHA256;
    case ImaHash::kSha384:
      return TPM2_ALG_SHA384;
    case ImaHash::kSha512:
      return TPM2_ALG_SHA512;
  }
  std::abort();  // there is no other
}

Status Bad(std::string_view reason, std::string_view what) {
  return Fail(Code::kPermissionDenied, reason, what);
}

std::uint32_t BigEndian32(ByteView bytes) {
  return static_cast<std::uint32_t>(bytes[0]) << 24 | static_cast<std::uint32_t>(bytes[1]) << 16 |
         static_cast<std::uint32_t>(bytes[2]) << 8 | static_cast<std::uint32_t>(bytes[3]);
}

// What evmctl and the kernel call a key.
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

bool Verifies(EVP_PKEY* key, ImaHash hash, ByteView digest, ByteView signature) {
  const PkeyContextPtr context(EVP_PKEY_CTX_new(key, nullptr));
  if (context == nullptr || EVP_PKEY_verify_init(context.get()) != 1 ||
      EVP_PKEY_CTX_set_signature_md(context.get(), CollisionResistant(TpmHash(hash))) != 1) {
    return false;
  }
  if (EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA &&
      EVP_PKEY_CTX_set_rsa_padding(context.get(), RSA_PKCS1_PADDING) != 1) {
    return false;
  }
  return EVP_PKEY_verify(context.get(), signature.data(), signature.size(), digest.data(),
                         digest.size()) == 1;
}

}  // namespace

std::string_view ToString(ImaHash hash) {
  switch (hash) {
    case ImaHash::kSha256:
      return "sha256";
    case ImaHash::kSha384:
      return "sha384";
    case ImaHash::kSha512:
      return "sha512";
  }
  std::abort();  // there is no other
}

Result<Bytes> ImaDigest(ImaHash hash, const std::function<Result<ByteView>()>& next) {
  const EVP_MD* md = CollisionResistant(TpmHash(hash));
  const CPtr<EVP_MD_CTX, EVP_MD_CTX_free> context(EVP_MD_CTX_new());
  bool hashed = context != nullptr && EVP_DigestInit_ex(context.get(), md, nullptr) == 1;
  while (hashed) {
    ASSIGN_OR_RETURN(const ByteView part, next());
    if (part.empty()) break;
    hashed = EVP_DigestUpdate(context.get(), part.data(), part.size()) == 1;
  }
  Bytes digest(DigestSize(TpmHash(hash)));
  if (!hashed || EVP_DigestFinal_ex(context.get(), digest.data(), nullptr) != 1) {
    return Fail(Code::kInternal, "OPENSSL", "cannot make a digest by OpenSSL");
  }
  return digest;
}

Result<Bytes> ImaDigest(ImaHash hash, ByteView data) {
  return ImaDigest(hash, [&]() -> Result<ByteView> { return std::exchange(data, {}); });
}

Result<ImaSignature> ImaSignature::Parse(ByteView attribute) {
  if (attribute.empty()) return Bad("IMA_SIGNATURE_MISSING", "it is not signed");
  const auto* type = std::ranges::find(kTypes, Type{attribute[0]});
  if (type == std::end(kTypes)) {
    return Bad("IMA_SIGNATURE_MISSING", "it has a hash in its attribute and no signature");
  }
  if (attribute.size() < kHeader) {
    return Bad("IMA_SIGNATURE_MALFORMED", "its signature is cut short");
  }
  ImaSignature signature{.type = *type,
                         .version = attribute[1],
                         .key_id = BigEndian32(attribute.subspan(3)),
                         .bytes = attribute.subspan(kHeader)};
  if (signature.version != 2 && signature.version != 3) {
    return Bad("IMA_SIGNATURE_MALFORMED", "its signature has the format " +
                                              std::to_string(signature.version) + ", not 2 or 3");
  }
  const auto* hash = std::ranges::find(kHashes, ImaHash{attribute[2]});
  if (hash == std::end(kHashes)) {
    return Bad("IMA_SIGNATURE_MALFORMED",
               "its signature is over a digest that is not sha256, sha384 or sha512");
  }
  signature.hash = *hash;
  const std::size_t size = static_cast<std::size_t>(attribute[7] << 8 | attribute[8]);
  if (size != signature.bytes.size() || size > kMaxBytes) {
    return Bad("IMA_SIGNATURE_MALFORMED", "its signature has not the size that it says");
  }
  return signature;
}

Bytes ImaSignature::Encode() const {
  Bytes attribute = {static_cast<std::uint8_t>(type), version, static_cast<std::uint8_t>(hash)};
  for (const int shift : {24, 16, 8, 0}) {
    attribute.push_back(static_cast<std::uint8_t>(key_id >> shift & 0xff));
  }
  attribute.push_back(static_cast<std::uint8_t>(bytes.size() >> 8));
  attribute.push_back(static_cast<std::uint8_t>(bytes.size() & 0xff));
  attribute.insert(attribute.end(), bytes.begin(), bytes.end());
  return attribute;
}

Bytes ImaSignature::SignedDigest(ByteView digest) const {
  if (version == 2) return {digest.begin(), digest.end()};
  const std::uint8_t head[] = {static_cast<std::uint8_t>(type), static_cast<std::uint8_t>(hash)};
  Bytes over(DigestSize(TpmHash(hash)));
  ShortDigest(TpmHash(hash), {head, digest}, over.data());
  return over;
}

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
    keys.keys_.emplace(IdOf(certificate.get(), encoded),
                       std::shared_ptr<EVP_PKEY>(key.release(), EVP_PKEY_free));
  }
  return keys;
}

Status ImaKeys::Check(const ImaFields& fields) const {
  ASSIGN_OR_RETURN(const ImaSignature signature, ImaSignature::Parse(fields.signature));
  if (signature.type == ImaSignature::Type::kPortableEvm) {
    return Bad("IMA_SIGNATURE_MISSING", "it has EVM's signature where IMA's belongs");
  }
  if (fields.hash != ToString(signature.hash)) {
    return Bad("IMA_SIGNATURE_INVALID", "the list has its " + std::string(fields.hash) +
                                            " digest, the signature is over its " +
                                            std::string(ToString(signature.hash)));
  }
  return Check(signature, fields.digest);
}

Status ImaKeys::Check(const ImaSignature& signature, ByteView digest) const {
  const auto [begin, end] = keys_.equal_range(signature.key_id);
  if (begin == end) {
    char id[9];
    std::snprintf(id, sizeof(id), "%08x", signature.key_id);
    return Bad("IMA_KEY_UNKNOWN",
               "it is signed by the key " + std::string(id) + ", which is none of those to trust");
  }
  // fs-verity's are in format 3, EVM's in format 2.
  const bool of_verity = signature.type == ImaSignature::Type::kVerity;
  if (signature.type != ImaSignature::Type::kDigest && of_verity != (signature.version == 3)) {
    return Bad("IMA_SIGNATURE_INVALID", "the kernel takes no signature of its type in format " +
                                            std::to_string(signature.version));
  }
  const Bytes over = signature.SignedDigest(digest);
  const QuietOpenssl quiet;
  for (auto key = begin; key != end; ++key) {
    if (Verifies(key->second.get(), signature.hash, over, signature.bytes)) return {};
  }
  return Bad("IMA_SIGNATURE_INVALID",
             "its signature is not one of the key it names over this file");
}

std::vector<std::uint32_t> ImaKeys::Ids() const {
  std::vector<std::uint32_t> ids;
  for (const auto& [id, key] : keys_) ids.push_back(id);
  return ids;
}

}  // namespace seaworthy::verify
