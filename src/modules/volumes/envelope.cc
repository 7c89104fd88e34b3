#include "seaworthy/modules/volumes/envelope.h"

#include <openssl/cms.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <vector>

#include "seaworthy/handle.h"
#include "seaworthy/modules/volumes/recovery_key.h"
#include "seaworthy/status_macros.h"

namespace seaworthy::volumes {
namespace {

using Bio = CPtr<BIO, BIO_free_all>;
using Certificate = CPtr<X509, X509_free>;
using Cms = CPtr<CMS_ContentInfo, CMS_ContentInfo_free>;
using KeyContext = CPtr<EVP_PKEY_CTX, EVP_PKEY_CTX_free>;

constexpr std::size_t kMaxPem = 64 * 1024;
constexpr std::size_t kPiece = std::size_t{1} << 20;
constexpr int kLeastRsaBits = 2048;
constexpr int kLeastEcBits = 256;

Status Invalid(const std::string& what) {
  ERR_clear_error();
  return Fail(Code::kInvalidArgument, "CERTIFICATE_INVALID", what);
}

Status OpensslFailed(std::string_view call) {
  ERR_clear_error();
  return Fail(Code::kInternal, "OPENSSL", std::string(call) + " failed");
}

Result<std::vector<Certificate>> ReadCertificates(const std::string& pem) {
  if (pem.size() > kMaxPem) return Invalid("the certificates have more than 64 KiB");
  if (pem.find("PRIVATE KEY-----") != std::string::npos) {
    return Invalid("there is a private key among the certificates; keep it where it is");
  }
  ERR_clear_error();
  const Bio bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  if (!bio) return OpensslFailed("BIO_new_mem_buf");
  std::vector<Certificate> certificates;
  while (Certificate one{PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr)}) {
    if (certificates.size() == kMaxEnvelopeCertificates) {
      return Invalid("there are more than 16 certificates");
    }
    certificates.push_back(std::move(one));
  }
  if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE) {
    return Invalid("certificate " + std::to_string(certificates.size() + 1) + " cannot be read");
  }
  ERR_clear_error();
  if (certificates.empty()) return Invalid("there is no certificate in PEM");
  return certificates;
}

bool IsSound(EVP_PKEY* key) {
  const KeyContext context(EVP_PKEY_CTX_new(key, nullptr));
  const bool sound = context && EVP_PKEY_public_check(context.get()) == 1;
  ERR_clear_error();
  return sound;
}

Status CheckCertificate(X509* certificate, const std::string& name) {
  // Not whether it is valid already: a node may wake without the time.
  if (X509_cmp_current_time(X509_get0_notAfter(certificate)) <= 0) {
    return Invalid(name + " has expired");
  }
  EVP_PKEY* const key = X509_get0_pubkey(certificate);
  if (key == nullptr) return Invalid(name + " has a key that is not known");
  const bool rsa = EVP_PKEY_is_a(key, "RSA") == 1;
  if (!rsa && EVP_PKEY_is_a(key, "EC") != 1) {
    return Invalid(name + " has a key that is neither RSA nor EC");
  }
  const int bits = EVP_PKEY_get_bits(key);
  if (bits < (rsa ? kLeastRsaBits : kLeastEcBits)) {
    return Invalid(name + " has a key of " + std::to_string(bits) + " bits, which is too short");
  }
  const std::uint32_t needed = rsa ? KU_KEY_ENCIPHERMENT : KU_KEY_AGREEMENT;
  if ((X509_get_key_usage(certificate) & needed) == 0) {
    return Invalid(name + " has a key usage without " + (rsa ? "keyEncipherment" : "keyAgreement"));
  }
  if (!IsSound(key)) return Invalid(name + " has a key that is none");
  return {};
}

// The key of the content for one more who may read it. What OpenSSL takes by itself is PKCS #1 v1.5
// and SHA-1.
Status AddRecipient(CMS_ContentInfo* cms, X509* certificate, const std::string& name) {
  CMS_RecipientInfo* const recipient = CMS_add1_recipient_cert(cms, certificate, CMS_KEY_PARAM);
  if (recipient == nullptr) return Invalid(name + " has a key that nothing is encrypted to");
  EVP_PKEY_CTX* const context = CMS_RecipientInfo_get0_pkey_ctx(recipient);
  if (context == nullptr) return OpensslFailed("CMS_RecipientInfo_get0_pkey_ctx");
  const bool rsa = EVP_PKEY_is_a(X509_get0_pubkey(certificate), "RSA") == 1;
  const bool set = rsa ? EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_OAEP_PADDING) == 1 &&
                             EVP_PKEY_CTX_set_rsa_oaep_md(context, EVP_sha256()) == 1
                       : EVP_PKEY_CTX_set_ecdh_kdf_md(context, EVP_sha256()) == 1;
  return set ? Status() : OpensslFailed("setting how a key is encrypted");
}

// Straight into the cipher: CMS_encrypt would have it pass through buffers that nobody cleanses.
Status Encrypt(CMS_ContentInfo* cms, ByteView content) {
  const Bio cipher(CMS_dataInit(cms, nullptr));
  if (!cipher) return OpensslFailed("CMS_dataInit");
  while (!content.empty()) {
    const ByteView piece = content.first(std::min(kPiece, content.size()));
    const int size = static_cast<int>(piece.size());
    if (BIO_write(cipher.get(), piece.data(), size) != size) return OpensslFailed("BIO_write");
    content = content.subspan(piece.size());
  }
  if (BIO_flush(cipher.get()) != 1 || CMS_dataFinal(cms, cipher.get()) != 1) {
    return OpensslFailed("CMS_dataFinal");
  }
  return {};
}

Result<std::string> ToPem(CMS_ContentInfo* cms) {
  const Bio bio(BIO_new(BIO_s_mem()));
  if (!bio || PEM_write_bio_CMS_stream(bio.get(), cms, nullptr, 0) != 1)
    return OpensslFailed("PEM_write_bio_CMS_stream");
  const char* text = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &text);
  return std::string(text, static_cast<std::size_t>(size));
}

}  // namespace

Result<std::string> Envelop(ByteView content, const std::string& certificates_pem) {
  if (content.size() > kMaxEnvelopeContent) {
    return Fail(Code::kInvalidArgument, "CONTENT_TOO_LARGE",
                "what is to be enveloped has more than 136 MiB");
  }
  ASSIGN_OR_RETURN(const std::vector<Certificate> certificates, ReadCertificates(certificates_pem));
  const Cms cms(CMS_AuthEnvelopedData_create(EVP_aes_256_gcm()));
  // The content is within, not beside.
  if (!cms || CMS_set_detached(cms.get(), 0) != 1) return OpensslFailed("CMS_set_detached");
  for (std::size_t i = 0; i < certificates.size(); ++i) {
    const std::string name = "certificate " + std::to_string(i + 1);
    RETURN_IF_ERROR(CheckCertificate(certificates[i].get(), name));
    RETURN_IF_ERROR(AddRecipient(cms.get(), certificates[i].get(), name));
  }
  RETURN_IF_ERROR(Encrypt(cms.get(), content));
  return ToPem(cms.get());
}

Result<std::string> WrapRecoveryKey(const SecretBytes& typed, const std::string& certificates_pem) {
  ASSIGN_OR_RETURN(const SecretBytes key, ParseRecoveryKey(typed));
  return Envelop(key.view(), certificates_pem);
}

}  // namespace seaworthy::volumes
