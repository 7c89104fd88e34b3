#include <openssl/evp.h>

#include "seaworthy/status_macros.h"
#include "seaworthy/tpm/seal.h"

namespace seaworthy::tpm {
namespace {

constexpr std::size_t kDigest = 32;
constexpr int kIterations = 10000;  // systemd's

Status Openssl() { return Fail(Code::kInternal, "OPENSSL", "derive the PIN's value"); }

Status CheckPin(const SecretBytes& pin) {
  if (!pin.empty()) return {};
  return Fail(Code::kInvalidArgument, "PIN_MISSING", "pin: is empty");
}

// The TPM takes zeros off the end of authorization values (part 1, 19.6.4.3) and tss2 does not.
Result<SecretBytes> TrimmedSha256(ByteView bytes) {
  SecretBytes digest(kDigest);
  if (EVP_Digest(bytes.data(), bytes.size(), digest.data(), nullptr, EVP_sha256(), nullptr) != 1) {
    return Openssl();
  }
  std::size_t size = digest.size();
  while (size > 0 && digest.data()[size - 1] == 0) --size;
  return SecretBytes::Copy(digest.view().first(size));
}

}  // namespace

Result<SecretBytes> PinAuthValue252(const SecretBytes& pin) {
  RETURN_IF_ERROR(CheckPin(pin));
  return TrimmedSha256(pin.view());
}

Result<SecretBytes> PinAuthValueSalted(const SecretBytes& pin, ByteView salt) {
  RETURN_IF_ERROR(CheckPin(pin));
  SecretBytes stretched(kDigest);
  const std::string_view text = AsText(pin.view());
  if (PKCS5_PBKDF2_HMAC(text.data(), static_cast<int>(text.size()), salt.data(),
                        static_cast<int>(salt.size()), kIterations, EVP_sha256(),
                        static_cast<int>(kDigest), stretched.data()) != 1) {
    return Openssl();
  }
  SecretBytes base64((kDigest + 2) / 3 * 4 + 1);  // EVP_EncodeBlock ends it with a zero
  EVP_EncodeBlock(base64.data(), stretched.data(), static_cast<int>(kDigest));
  return TrimmedSha256(base64.view().first(base64.size() - 1));
}

}  // namespace seaworthy::tpm
