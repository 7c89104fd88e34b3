#include "verify/digest.h"

#include <tss2/tss2_tpm2_types.h>

#include <array>

namespace seaworthy::verify {

std::string HashName(std::uint16_t hash) {
  switch (hash) {
    case TPM2_ALG_SHA1:
      return "sha1";
    case TPM2_ALG_SHA256:
      return "sha256";
    case TPM2_ALG_SHA384:
      return "sha384";
    case TPM2_ALG_SHA512:
      return "sha512";
    default: {
      const std::array<std::uint8_t, 2> id = {static_cast<std::uint8_t>(hash >> 8),
                                              static_cast<std::uint8_t>(hash & 0xff)};
      return "0x" + Hex(id);
    }
  }
}

std::optional<std::uint16_t> HashByName(std::string_view name) {
  for (const std::uint16_t hash :
       {TPM2_ALG_SHA1, TPM2_ALG_SHA256, TPM2_ALG_SHA384, TPM2_ALG_SHA512}) {
    if (HashName(hash) == name) return hash;
  }
  return std::nullopt;
}

std::size_t DigestSize(std::uint16_t hash) {
  switch (hash) {
    case TPM2_ALG_SHA1:
      return TPM2_SHA1_DIGEST_SIZE;
    case TPM2_ALG_SHA256:
      return TPM2_SHA256_DIGEST_SIZE;
    case TPM2_ALG_SHA384:
      return TPM2_SHA384_DIGEST_SIZE;
    case TPM2_ALG_SHA512:
      return TPM2_SHA512_DIGEST_SIZE;
    default:
      return 0;
  }
}

const EVP_MD* CollisionResistant(std::uint16_t hash) {
  switch (hash) {
    case TPM2_ALG_SHA256:
      return EVP_sha256();
    case TPM2_ALG_SHA384:
      return EVP_sha384();
    case TPM2_ALG_SHA512:
      return EVP_sha512();
    default:
      return nullptr;
  }
}

const EVP_MD* PcrBankHash(std::uint16_t bank) {
  return bank == TPM2_ALG_SHA1 ? EVP_sha1() : CollisionResistant(bank);
}

Result<Bytes> Digest(std::uint16_t hash, ByteView data) {
  const EVP_MD* md = CollisionResistant(hash);
  if (md == nullptr) {
    return Fail(Code::kInvalidArgument, "UNSUPPORTED_HASH",
                "the hash " + HashName(hash) + " is not one of sha256, sha384, sha512");
  }
  Bytes digest(DigestSize(hash));
  unsigned int size = 0;
  if (EVP_Digest(data.data(), data.size(), digest.data(), &size, md, nullptr) != 1 ||
      size != digest.size()) {
    return Fail(Code::kInternal, "OPENSSL", "EVP_Digest failed for " + HashName(hash));
  }
  return digest;
}

}  // namespace seaworthy::verify
