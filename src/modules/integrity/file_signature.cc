#include "seaworthy/modules/integrity/file_signature.h"

#include <fcntl.h>
#include <linux/fsverity.h>
#include <sys/ioctl.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>
#include <utility>

#include "modules/integrity/file_reading.h"
#include "seaworthy/directory.h"
#include "seaworthy/status_macros.h"

namespace seaworthy::integrity {
namespace {

using verify::ImaHash;
using verify::ImaSignature;

// What EVM protects, in the kernel's order (security/integrity/evm/evm_main.c); IMA's attribute
// comes before the last.
constexpr const char* kBeforeIma[] = {"security.selinux",     "security.SMACK64",
                                      "security.SMACK64EXEC", "security.SMACK64TRANSMUTE",
                                      "security.SMACK64MMAP", "security.apparmor"};
constexpr const char* kAfterIma[] = {"security.capability"};

std::string ImaName(const SignatureOptions& options) {
  return options.user_attributes ? "user.ima" : "security.ima";
}
std::string EvmName(const SignatureOptions& options) {
  return options.user_attributes ? "user.evm" : "security.evm";
}

// What those of the attributes hold that the file has. Only what is in the list counts: SELinux
// tells of a label where none is kept.
Result<Bytes> ReadProtected(int fd, std::span<const char* const> wanted) {
  ASSIGN_OR_RETURN(const std::vector<std::string> names, ListAttributes(fd));
  Bytes all;
  for (const char* name : wanted) {
    if (std::ranges::find(names, name) == names.end()) continue;
    ASSIGN_OR_RETURN(const std::optional<Bytes> value, ReadAttribute(fd, name));
    if (value) all.insert(all.end(), value->begin(), value->end());
  }
  return all;
}

// Over attributes and inode as evm_calc_hmac_or_hash does for a portable signature: without inode
// number, generation and file system, so that it holds for a copy of the file.
Result<Bytes> EvmDigest(ImaHash hash, std::initializer_list<ByteView> attributes,
                        const struct stat& stat) {
  struct {
    std::uint64_t inode;
    std::uint32_t generation;
    std::uint32_t uid;
    std::uint32_t gid;
    std::uint16_t mode;
    std::uint8_t padding[2];
  } misc = {.inode = 0,
            .generation = 0,
            .uid = stat.st_uid,
            .gid = stat.st_gid,
            .mode = static_cast<std::uint16_t>(stat.st_mode),
            .padding = {}};
  static_assert(sizeof(misc) == 24);  // as h_misc is on every 64-bit kernel
  Bytes data;
  for (const ByteView value : attributes) data.insert(data.end(), value.begin(), value.end());
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(&misc);
  data.insert(data.end(), bytes, bytes + sizeof(misc));
  return verify::ImaDigest(hash, data);
}

struct VerityDigest {
  ImaHash hash = ImaHash::kSha256;
  Bytes digest;
};

Result<VerityDigest> MeasureVerity(int fd) {
  alignas(fsverity_digest) std::uint8_t room[sizeof(fsverity_digest) + 64] = {};
  auto* measured = reinterpret_cast<fsverity_digest*>(room);
  measured->digest_size = 64;
  if (ioctl(fd, FS_IOC_MEASURE_VERITY, measured) != 0) {
    if (errno != ENODATA && errno != ENOTTY && errno != EOPNOTSUPP) {
      return FromErrno(errno, "measure fs-verity");
    }
    return Fail(Code::kFailedPrecondition, "VERITY_MISSING",
                errno == ENODATA ? "the file has no fs-verity"
                                 : "the file system or the kernel has no fs-verity");
  }
  if (measured->digest_algorithm != FS_VERITY_HASH_ALG_SHA256 &&
      measured->digest_algorithm != FS_VERITY_HASH_ALG_SHA512) {
    return Fail(Code::kFailedPrecondition, "VERITY_MISSING",
                "the file's fs-verity has a hash that is neither sha256 nor sha512");
  }
  const auto* digest = room + sizeof(fsverity_digest);
  return VerityDigest{.hash = measured->digest_algorithm == FS_VERITY_HASH_ALG_SHA256
                                  ? ImaHash::kSha256
                                  : ImaHash::kSha512,
                      .digest = Bytes(digest, digest + measured->digest_size)};
}

// Whether what the file has is what would be made.
bool IsRight(const std::optional<Bytes>& present, const ImaSignature& wanted, ByteView digest,
             const verify::ImaKeys& keys) {
  if (!present) return false;
  const Result<ImaSignature> found = ImaSignature::Parse(*present);
  return found.ok() && found->type == wanted.type && found->version == wanted.version &&
         found->hash == wanted.hash && keys.Check(*found, digest).ok();
}

Status WriteAttribute(int fd, const std::string& name, ByteView value) {
  if (fsetxattr(fd, name.c_str(), value.data(), value.size(), 0) == 0) return {};
  return AttributeError(errno, name);
}

Status CheckEvm(int fd, ByteView ima, const struct stat& stat, const verify::ImaKeys& keys,
                const SignatureOptions& options) {
  ASSIGN_OR_RETURN(const std::optional<Bytes> present, ReadAttribute(fd, EvmName(options)));
  const Bytes attribute = present.value_or(Bytes());
  ASSIGN_OR_RETURN(const ImaSignature signature, ImaSignature::Parse(attribute));
  if (signature.type != ImaSignature::Type::kPortableEvm) {
    return Fail(Code::kPermissionDenied, "IMA_SIGNATURE_MISSING",
                "its signature is not a portable one");
  }
  ASSIGN_OR_RETURN(const Bytes before, ReadProtected(fd, kBeforeIma));
  ASSIGN_OR_RETURN(const Bytes after, ReadProtected(fd, kAfterIma));
  ASSIGN_OR_RETURN(const Bytes digest, EvmDigest(signature.hash, {before, ima, after}, stat));
  return keys.Check(signature, digest);
}

}  // namespace

Result<FileSigner> FileSigner::Create(const std::string& pem, Sign sign) {
  ASSIGN_OR_RETURN(verify::ImaKeys keys, verify::ImaKeys::Parse({pem}));
  return FileSigner(std::move(keys), std::move(sign));
}

Result<std::vector<Bytes>> FileSigner::Attributes(std::vector<Unsigned> unsigned_ones) const {
  // fs-verity's digests may have been made with different hashes.
  std::map<ImaHash, std::vector<std::size_t>> by_hash;
  for (std::size_t i = 0; i < unsigned_ones.size(); ++i) {
    by_hash[unsigned_ones[i].signature.hash].push_back(i);
  }
  std::vector<Bytes> attributes(unsigned_ones.size());
  for (const auto& [hash, indices] : by_hash) {
    std::vector<Bytes> digests;
    for (const std::size_t i : indices) {
      digests.push_back(unsigned_ones[i].signature.SignedDigest(unsigned_ones[i].digest));
    }
    ASSIGN_OR_RETURN(const std::vector<Bytes> made, sign_(hash, digests));
    bool right = made.size() == indices.size();
    for (std::size_t n = 0; right && n < made.size(); ++n) {
      auto& [signature, digest] = unsigned_ones[indices[n]];
      signature.key_id = keys_.Ids().front();
      signature.bytes = made[n];
      right = made[n].size() <= ImaSignature::kMaxBytes && keys_.Check(signature, digest).ok();
      attributes[indices[n]] = signature.Encode();
    }
    if (!right) {
      return Fail(Code::kFailedPrecondition, "IMA_KEY_MISMATCH",
                  "the key does not sign for the certificate or public key that goes with it");
    }
  }
  return attributes;
}

Result<FileSigning> FileSigning::Read(Deadline deadline, int fd, const SignatureOptions& options) {
  FileSigning file;
  file.fd_ = fd;
  file.options_ = options;
  ASSIGN_OR_RETURN(file.stat_, StatRegular(fd));
  file.ima_.name = ImaName(options);
  file.evm_.name = EvmName(options);
  ASSIGN_OR_RETURN(file.ima_.present, ReadAttribute(fd, file.ima_.name));
  if (options.evm) {
    ASSIGN_OR_RETURN(file.evm_.present, ReadAttribute(fd, file.evm_.name));
    ASSIGN_OR_RETURN(file.before_ima_, ReadProtected(fd, kBeforeIma));
    ASSIGN_OR_RETURN(file.after_ima_, ReadProtected(fd, kAfterIma));
  }
  if (options.verity) {
    ASSIGN_OR_RETURN(VerityDigest measured, MeasureVerity(fd));
    file.wanted_ = {
        .type = ImaSignature::Type::kVerity, .version = 3, .hash = measured.hash, .bytes = {}};
    file.digest_ = std::move(measured.digest);
    return file;
  }
  file.wanted_.hash = options.hash;
  ASSIGN_OR_RETURN(file.digest_, HashFile(deadline, fd, options.hash, file.stat_, file.bytes_));
  return file;
}

Status FileSigning::Sign(std::span<FileSigning> files, const FileSigner& signer) {
  std::vector<FileSigner::Unsigned> wanted;
  std::vector<std::optional<Bytes>*> places;
  const auto want = [&](Signature& signature, const ImaSignature& kind, const Bytes& digest) {
    if (IsRight(signature.present, kind, digest, signer.keys())) return;
    wanted.push_back({kind, digest});
    places.push_back(&signature.made);
  };
  const auto make = [&]() -> Status {
    ASSIGN_OR_RETURN(std::vector<Bytes> made, signer.Attributes(std::exchange(wanted, {})));
    for (std::size_t i = 0; i < made.size(); ++i) *places[i] = std::move(made[i]);
    places.clear();
    return {};
  };
  for (FileSigning& file : files) want(file.ima_, file.wanted_, file.digest_);
  RETURN_IF_ERROR(make());
  for (FileSigning& file : files) {
    if (!file.options_.evm) continue;
    // EVM's is over IMA's.
    const ByteView ima = file.ima_.made ? *file.ima_.made : *file.ima_.present;
    const ImaHash hash = file.options_.hash;
    ASSIGN_OR_RETURN(const Bytes digest,
                     EvmDigest(hash, {file.before_ima_, ima, file.after_ima_}, file.stat_));
    want(file.evm_, {.type = ImaSignature::Type::kPortableEvm, .hash = hash, .bytes = {}}, digest);
  }
  return make();
}

Status FileSigning::Write() const {
  RETURN_IF_ERROR(CheckUnchanged(fd_, stat_));
  if (ima_.made) RETURN_IF_ERROR(WriteAttribute(fd_, ima_.name, *ima_.made));
  if (evm_.made) {
    const Status written = WriteAttribute(fd_, evm_.name, *evm_.made);
    // With IMA's new signature EVM's old one does not hold. Both, or what was there.
    if (!written.ok() && ima_.made) {
      if (ima_.present) {
        WriteAttribute(fd_, ima_.name, *ima_.present).IgnoreError();
      } else {
        fremovexattr(fd_, ima_.name.c_str());
      }
    }
    RETURN_IF_ERROR(written);
  }
  return {};
}

Status FileSigning::Sync() const {
  if (fsync(fd_) != 0) return FromErrno(errno, "fsync");
  return {};
}

Status CheckFile(Deadline deadline, int fd, const verify::ImaKeys& keys,
                 const SignatureOptions& options, std::uint64_t& bytes) {
  bytes = 0;
  ASSIGN_OR_RETURN(const struct stat stat, StatRegular(fd));
  ASSIGN_OR_RETURN(const std::optional<Bytes> present, ReadAttribute(fd, ImaName(options)));
  const Bytes attribute = present.value_or(Bytes());
  ASSIGN_OR_RETURN(const ImaSignature signature, ImaSignature::Parse(attribute));
  VerityDigest found = {.hash = signature.hash, .digest = {}};
  if (signature.type == ImaSignature::Type::kVerity) {
    ASSIGN_OR_RETURN(found, MeasureVerity(fd));
  } else {
    ASSIGN_OR_RETURN(found.digest, HashFile(deadline, fd, found.hash, stat, bytes));
  }
  verify::ImaFields fields;
  fields.hash = ToString(found.hash);
  fields.digest = found.digest;
  fields.signature = attribute;
  RETURN_IF_ERROR(keys.Check(fields));
  if (!options.evm) return {};
  const Status evm = CheckEvm(fd, attribute, stat, keys, options);
  return evm.ok() ? evm : Wrap(evm, EvmName(options));
}

}  // namespace seaworthy::integrity
