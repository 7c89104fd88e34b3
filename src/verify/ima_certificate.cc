#include "seaworthy/ima_certificate.h"

#include <openssl/x509v3.h>

#include <algorithm>

#include "seaworthy/enrolment.h"
#include "seaworthy/status_macros.h"
#include "verify/certificate.h"
#include "verify/signature.h"

namespace seaworthy::verify {
namespace {

// x509_note_sig_algo of Linux 6.1: others are ENOPKG, RSA-PSS and Ed25519 among them.
constexpr int kSignatures[] = {NID_sha256WithRSAEncryption, NID_sha384WithRSAEncryption,
                               NID_sha512WithRSAEncryption, NID_ecdsa_with_SHA256,
                               NID_ecdsa_with_SHA384,       NID_ecdsa_with_SHA512};

std::string_view WhyNotTheKey(EVP_PKEY* key) {
  char group[32] = {};
  switch (key == nullptr ? EVP_PKEY_NONE : EVP_PKEY_get_base_id(key)) {
    case EVP_PKEY_RSA:
      return EVP_PKEY_get_bits(key) > 4096 ? "the kernel takes RSA keys of up to 4096 bits" : "";
    case EVP_PKEY_EC:
      EVP_PKEY_get_group_name(key, group, sizeof(group), nullptr);
      return std::string_view(group) == SN_X9_62_prime256v1 ||
                     std::string_view(group) == SN_secp384r1
                 ? ""
                 : "of elliptic curves the kernel knows P-256 and P-384";
    default:
      return "the kernel takes keys of RSA and ECDSA alone";
  }
}

// Empty, or why the kernel would not take the certificate or not find its key.
std::string_view WhyNot(X509* certificate) {
  const ASN1_OCTET_STRING* id = X509_get0_subject_key_id(certificate);
  if (id == nullptr || ASN1_STRING_length(id) < 4) {
    return "it has no subject key identifier, by whose end the kernel finds a signature's key";
  }
  if (std::ranges::find(kSignatures, X509_get_signature_nid(certificate)) ==
      std::end(kSignatures)) {
    return "its own signature must be RSA (PKCS#1 v1.5) or ECDSA with SHA-256, SHA-384 or SHA-512";
  }
  const EvpPkeyPtr key(X509_get_pubkey(certificate));
  return WhyNotTheKey(key.get());
}

}  // namespace

Result<ImaCertificate> ImaCertificate::Parse(ByteView file) {
  const QuietOpenssl quiet;
  ASSIGN_OR_RETURN(std::vector<Bytes> ders, ParseCertificates(file));
  ASSIGN_OR_RETURN(const X509Ptr certificate, ParseCertificate(ders.front()));
  if (const std::string_view why = WhyNot(certificate.get()); !why.empty()) {
    return Fail(Code::kInvalidArgument, "IMA_CERTIFICATE_UNSUITABLE", why);
  }
  const ASN1_OCTET_STRING* id = X509_get0_subject_key_id(certificate.get());
  const ByteView bytes(ASN1_STRING_get0_data(id), static_cast<std::size_t>(ASN1_STRING_length(id)));
  const EVP_PKEY* key = X509_get0_pubkey(certificate.get());
  return ImaCertificate{std::move(ders.front()), "id:" + Hex(bytes),
                        ToText(X509_get_subject_name(certificate.get())),
                        EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA};
}

}  // namespace seaworthy::verify
