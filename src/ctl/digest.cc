#include "ctl/digest.h"

#include <openssl/evp.h>

#include <array>
#include <cerrno>
#include <fstream>

#include "seaworthy/directory.h"
#include "seaworthy/handle.h"

namespace seaworthy::ctl {
namespace {

const EVP_MD* DigestOf(v1::HashAlgorithm hash) {
  switch (hash) {
    case v1::SHA256:
      return EVP_sha256();
    case v1::SHA384:
      return EVP_sha384();
    case v1::SHA512:
      return EVP_sha512();
    default:
      return nullptr;
  }
}

}  // namespace

Result<Bytes> HashStream(std::istream& stream, v1::HashAlgorithm hash) {
  const EVP_MD* digest = DigestOf(hash);
  if (digest == nullptr) {
    return Fail(Code::kInvalidArgument, "USAGE", "the hash is none of sha256, sha384, sha512");
  }
  const CPtr<EVP_MD_CTX, EVP_MD_CTX_free> context(EVP_MD_CTX_new());
  bool good = context != nullptr && EVP_DigestInit_ex(context.get(), digest, nullptr) == 1;
  std::array<char, 64 * 1024> buffer;
  while (good && stream) {
    stream.read(buffer.data(), buffer.size());
    const auto got = static_cast<std::size_t>(stream.gcount());
    good = EVP_DigestUpdate(context.get(), buffer.data(), got) == 1;
  }
  if (stream.bad()) return Fail(Code::kUnavailable, "READ_FAILED", "cannot read what to sign");
  Bytes value(static_cast<std::size_t>(EVP_MD_get_size(digest)));
  good = good && EVP_DigestFinal_ex(context.get(), value.data(), nullptr) == 1;
  if (!good) return Fail(Code::kInternal, "HASH_FAILED", "OpenSSL cannot hash here");
  return value;
}

Result<Bytes> HashFile(const std::string& path, v1::HashAlgorithm hash) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return FromErrno(errno, "open " + path);
  Result<Bytes> value = HashStream(file, hash);
  if (!value.ok()) return Wrap(value.status(), path);
  return value;
}

}  // namespace seaworthy::ctl
