// Keys that sign files, made by openssl; files, and evmctl as the judge: it shares no code with us.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <openssl/pem.h>
#include <sys/xattr.h>

#include <atomic>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <optional>
#include <string>

#include "seaworthy/handle.h"
#include "seaworthy/modules/integrity/file_signature.h"
#include "seaworthy/status_macros.h"
#include "support/temp_root.h"

namespace seaworthy::integrity {

inline std::string ReadText(const std::string& path) {
  std::ifstream stream(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
}

inline void WriteText(const std::string& path, std::string_view text) {
  std::ofstream stream(path, std::ios::binary);
  stream << text;
  ASSERT_TRUE(stream.flush()) << path;
}

inline bool Runs(const testing::TempRoot& root, const std::string& command) {
  return std::system(("cd " + root.path().string() + " && (" + command + ") >log 2>&1").c_str()) ==
         0;
}

inline constexpr char kRsa[] = "rsa:2048";
inline constexpr char kEc[] = "ec -pkeyopt ec_paramgen_curve:P-256";

// Signs each digest by `sign`.
inline FileSigner::Sign OneByOne(std::function<Result<Bytes>(verify::ImaHash, ByteView)> sign) {
  return [sign = std::move(sign)](verify::ImaHash hash,
                                  std::span<const Bytes> digests) -> Result<std::vector<Bytes>> {
    std::vector<Bytes> signatures;
    for (const Bytes& digest : digests) {
      ASSIGN_OR_RETURN(signatures.emplace_back(), sign(hash, digest));
    }
    return signatures;
  };
}

// A key in software with a certificate; it counts its signatures.
class SigningKey {
 public:
  explicit SigningKey(const std::string& algorithm, const std::string& options = "") {
    EXPECT_TRUE(Runs(root_, "openssl req -x509 -newkey " + algorithm +
                                " -nodes -keyout key.pem -out certificate.pem -subj /CN=ima "
                                "-days 2 " +
                                options))
        << ReadText(root_ / "log");
    EXPECT_TRUE(Runs(root_, "openssl x509 -in certificate.pem -noout -pubkey -out public.pem"));
    EXPECT_TRUE(Runs(root_, "openssl x509 -in certificate.pem -outform DER -out certificate.der"));
    const CPtr<BIO, BIO_free_all> bio(BIO_new_file((root_ / "key.pem").c_str(), "r"));
    key_.reset(PEM_read_bio_PrivateKey(bio.get(), nullptr, nullptr, nullptr));
    EXPECT_NE(key_, nullptr);
  }

  std::string key_file() const { return root_ / "key.pem"; }
  // DER, as evmctl wants it.
  std::string certificate_file() const { return root_ / "certificate.der"; }
  std::string certificate() const { return ReadText(root_ / "certificate.pem"); }
  std::string public_key() const { return ReadText(root_ / "public.pem"); }
  int signatures() const { return signatures_; }

  Result<Bytes> Sign(verify::ImaHash hash, ByteView digest) {
    ++signatures_;
    const CPtr<EVP_PKEY_CTX, EVP_PKEY_CTX_free> context(EVP_PKEY_CTX_new(key_.get(), nullptr));
    const EVP_MD* md = EVP_get_digestbyname(std::string(ToString(hash)).c_str());
    Bytes signature(1024);
    std::size_t size = signature.size();
    if (EVP_PKEY_sign_init(context.get()) != 1 ||
        EVP_PKEY_CTX_set_signature_md(context.get(), md) != 1 ||
        EVP_PKEY_sign(context.get(), signature.data(), &size, digest.data(), digest.size()) != 1) {
      return Fail(Code::kInternal, "OPENSSL", "no signature");
    }
    signature.resize(size);
    return signature;
  }

  FileSigner Signer() {
    return FileSigner::Create(certificate(),
                              OneByOne([this](verify::ImaHash hash, ByteView digest) {
                                return Sign(hash, digest);
                              }))
        .value();
  }

  verify::ImaKeys Keys() const { return verify::ImaKeys::Parse({certificate()}).value(); }

 private:
  testing::TempRoot root_;
  CPtr<EVP_PKEY, EVP_PKEY_free> key_;
  std::atomic<int> signatures_ = 0;
};

inline UniqueFd OpenFile(const std::string& path) {
  return UniqueFd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
}

inline Deadline Soon() { return DeadlineIn(std::chrono::seconds(60)); }

// All steps.
inline Status SignFile(const std::string& path, const FileSigner& signer,
                       const SignatureOptions& options) {
  const UniqueFd fd = OpenFile(path);
  auto file = FileSigning::Read(Soon(), fd.get(), options);
  if (!file.ok()) return file.status();
  RETURN_IF_ERROR(FileSigning::Sign({&*file, 1}, signer));
  if (!file->changes()) return {};
  RETURN_IF_ERROR(file->Write());
  return file->Sync();
}

inline Status CheckPath(const std::string& path, const verify::ImaKeys& keys,
                        const SignatureOptions& options) {
  std::uint64_t bytes = 0;
  return CheckFile(Soon(), OpenFile(path).get(), keys, options, bytes);
}

inline std::optional<Bytes> Attribute(const std::string& path, const std::string& name) {
  Bytes value(65536);
  const ssize_t size = getxattr(path.c_str(), name.c_str(), value.data(), value.size());
  if (size < 0) return std::nullopt;
  value.resize(static_cast<std::size_t>(size));
  return value;
}

inline bool SetAttribute(const std::string& path, const std::string& name, ByteView value) {
  return setxattr(path.c_str(), name.c_str(), value.data(), value.size(), 0) == 0;
}

}  // namespace seaworthy::integrity
