// Signatures of single files, made by a key that is elsewhere and kept in the file's attributes:
// IMA's over what is in the file, and EVM's portable one over its attributes, owner and mode.
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "seaworthy/bytes.h"
#include "seaworthy/deadline.h"
#include "seaworthy/ima_signature.h"

namespace seaworthy::integrity {

// The public half of a key that signs files, and the way to its private half.
class FileSigner {
 public:
  // Signs digests that were made with `hash`, each by itself: RSA PKCS#1 v1.5, or ECDSA in DER.
  using Sign = std::function<Result<std::vector<Bytes>>(verify::ImaHash hash,
                                                        std::span<const Bytes> digests)>;

  // `pem` is the key's certificate or the public key: the kernel finds the key by the id in it.
  // INVALID_ARGUMENT (IMA_KEY_MALFORMED).
  static Result<FileSigner> Create(const std::string& pem, Sign sign);

  struct Unsigned {
    verify::ImaSignature signature;
    Bytes digest;
  };
  // The attributes that say that the key signed each digest. FAILED_PRECONDITION (IMA_KEY_MISMATCH)
  // when what came back are no signatures by the public half.
  Result<std::vector<Bytes>> Attributes(std::vector<Unsigned> unsigned_ones) const;

  const verify::ImaKeys& keys() const { return keys_; }

 private:
  FileSigner(verify::ImaKeys keys, Sign sign) : keys_(std::move(keys)), sign_(std::move(sign)) {}

  verify::ImaKeys keys_;
  Sign sign_;
};

struct SignatureOptions {
  // Of the file's digest; fs-verity's digest brings its own.
  verify::ImaHash hash = verify::ImaHash::kSha256;
  // Over fs-verity's digest, in format 3, for files that have one.
  bool verity = false;
  // EVM's portable signature too: no change of owner, mode or security attributes is taken then.
  bool evm = false;
  // In user.ima and user.evm, as evmctl --xattr-user does: no kernel judges these, and no
  // privilege is needed to write them.
  bool user_attributes = false;
};

// An open file on its way to its signature. The steps are apart because their errors are: those of
// Read and Write are the file's, those of Sign are the key's.
class FileSigning {
 public:
  // Makes the digest and reads the attributes of a regular file, which has to stay open until
  // Write. FAILED_PRECONDITION: UNSAFE_FILE, VERITY_MISSING, XATTR_UNSUPPORTED. ABORTED
  // (FILE_CHANGED) when it was written to meanwhile. DEADLINE_EXCEEDED.
  static Result<FileSigning> Read(Deadline deadline, int fd, const SignatureOptions& options);

  // Makes the signatures that the files do not have, and writes nothing.
  static Status Sign(std::span<FileSigning> files, const FileSigner& signer);

  // Whether Sign made one.
  bool changes() const { return ima_.made || evm_.made; }

  // Writes them. FILE_CHANGED, and nothing written, when the file has changed since Read. Else
  // PERMISSION_DENIED (XATTR_DENIED), FAILED_PRECONDITION (READ_ONLY_FILE_SYSTEM,
  // XATTR_UNSUPPORTED), RESOURCE_EXHAUSTED (DISK_FULL).
  Status Write() const;

  // Makes what was written durable. Apart, because it costs a file system little for a file that
  // was written together with one before.
  Status Sync() const;

  std::uint64_t bytes() const { return bytes_; }  // that were read

 private:
  struct Signature {
    std::string name;
    std::optional<Bytes> present;
    std::optional<Bytes> made;
  };
  FileSigning() = default;

  int fd_ = -1;
  SignatureOptions options_;
  struct stat stat_ = {};
  std::uint64_t bytes_ = 0;
  verify::ImaSignature wanted_;
  Bytes digest_;
  Bytes before_ima_, after_ima_;  // what EVM protects, in its order
  Signature ima_, evm_;
};

// Whether one of the keys signed the open file as its attribute says; with `options.evm` its other
// attributes too. PERMISSION_DENIED with the reasons of verify::ImaKeys, and errors as Read's.
// What the signature is over is said by itself, not by the options. `bytes` becomes what was read.
Status CheckFile(Deadline deadline, int fd, const verify::ImaKeys& keys,
                 const SignatureOptions& options, std::uint64_t& bytes);

// The status for a failed call on the attribute `name`, in plain words.
Status AttributeError(int error, const std::string& name);

}  // namespace seaworthy::integrity
