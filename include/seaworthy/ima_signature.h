// Signatures of files as the kernel keeps them in their attributes: IMA's in security.ima, EVM's
// portable one in security.evm.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "seaworthy/ima_list.h"

struct evp_pkey_st;  // OpenSSL's EVP_PKEY

namespace seaworthy::verify {

// By the kernel's numbers (enum hash_algo); SHA-1 and older are not taken.
enum class ImaHash : std::uint8_t { kSha256 = 4, kSha384 = 5, kSha512 = 6 };
// "sha256", ...
std::string_view ToString(ImaHash hash);

// The digest over what `next` gives, until it gives nothing.
Result<Bytes> ImaDigest(ImaHash hash, const std::function<Result<ByteView>()>& next);
Result<Bytes> ImaDigest(ImaHash hash, ByteView data);

// What an attribute says (struct signature_v2_hdr of security/integrity/integrity.h).
struct ImaSignature {
  enum class Type : std::uint8_t {
    kDigest = 0x03,       // of the file: EVM_IMA_XATTR_DIGSIG
    kPortableEvm = 0x05,  // of its attributes, owner and mode: EVM_XATTR_PORTABLE_DIGSIG
    kVerity = 0x06        // of the file as fs-verity knows it: IMA_VERITY_DIGSIG
  };
  static constexpr std::size_t kMaxBytes = 1024;
  Type type = Type::kDigest;
  std::uint8_t version = 2;  // 2 or 3
  ImaHash hash = ImaHash::kSha256;
  std::uint32_t key_id = 0;
  ByteView bytes;  // RSA PKCS#1 v1.5, or ECDSA in DER

  // PERMISSION_DENIED: IMA_SIGNATURE_MISSING, IMA_SIGNATURE_MALFORMED. `bytes` is a view into
  // `attribute`.
  static Result<ImaSignature> Parse(ByteView attribute);
  Bytes Encode() const;

  // What the key signs: `digest` itself; in format 3 the digest over a structure that says what
  // kind of digest it is (struct ima_file_id).
  Bytes SignedDigest(ByteView digest) const;
};

// The keys that may have signed, by what a signature names its key with.
class ImaKeys {
 public:
  // Certificates or public keys, PEM. INVALID_ARGUMENT (IMA_KEY_MALFORMED) names the one by its
  // place in the list.
  static Result<ImaKeys> Parse(const std::vector<std::string>& pems);

  // Whether one of the keys signed the entry's digest: signature formats 2 and 3. The reasons why
  // not: IMA_SIGNATURE_MISSING, IMA_SIGNATURE_MALFORMED, IMA_KEY_UNKNOWN, IMA_SIGNATURE_INVALID.
  Status Check(const ImaFields& fields) const;

  // The same of a digest, made as `signature` says.
  Status Check(const ImaSignature& signature, ByteView digest) const;

  // What signatures name the keys with: the last four bytes of the certificate's subject key
  // identifier, or of the SHA-1 digest of the public key where there is none.
  std::vector<std::uint32_t> Ids() const;

  bool empty() const { return keys_.empty(); }

 private:
  std::multimap<std::uint32_t, std::shared_ptr<evp_pkey_st>> keys_;
};

}  // namespace seaworthy::verify
