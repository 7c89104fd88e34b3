#include "seaworthy/tls/x509.h"

#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include <algorithm>
#include <array>
#include <utility>

#include "seaworthy/status_macros.h"
#include "tls/certificates.h"
#include "tls/subject.h"

namespace seaworthy::tls {
namespace {

using BignumPtr = CPtr<BIGNUM, BN_free>;
using Asn1IntegerPtr = CPtr<ASN1_INTEGER, ASN1_INTEGER_free>;
using ExtensionPtr = CPtr<X509_EXTENSION, X509_EXTENSION_free>;

struct FreeExtensions {
  void operator()(STACK_OF(X509_EXTENSION) * stack) const {
    sk_X509_EXTENSION_pop_free(stack, X509_EXTENSION_free);
  }
};
using ExtensionsPtr = std::unique_ptr<STACK_OF(X509_EXTENSION), FreeExtensions>;

constexpr CertificateCaps kChainCaps = {kMaxChainBytes, kMaxChainLength};
constexpr std::chrono::minutes kClockSkew{5};

Status Failed(std::string_view what) {
  return FromOpenssl(Code::kInternal, "OPENSSL_FAILED", what);
}

std::string TextOf(BIO* bio) {
  const char* text = nullptr;
  const long size = BIO_get_mem_data(bio, &text);
  return size > 0 ? std::string(text, static_cast<std::size_t>(size)) : std::string();
}

// SHA-384 for P-384, as FIPS 186-5 wants it: the digest as strong as the key.
const EVP_MD* DigestFor(const EVP_PKEY* key) {
  return EVP_PKEY_is_a(key, "EC") == 1 && EVP_PKEY_get_bits(key) > 256 ? EVP_sha384()
                                                                       : EVP_sha256();
}

struct Names {
  X509NamePtr subject;
  GeneralNamesPtr alternative;
  // RFC 5280, 4.2.1.6: the alternative names are critical when the subject is empty.
  int alternative_critical = 0;
};

Result<Names> MakeNames(const Subject& subject) {
  Names names;
  ASSIGN_OR_RETURN(names.subject, ParseDistinguishedName(subject.distinguished_name));
  ASSIGN_OR_RETURN(names.alternative, MakeAlternativeNames(subject));
  if (X509_NAME_entry_count(names.subject.get()) == 0) {
    if (names.alternative == nullptr) {
      return Fail(Code::kInvalidArgument, "INVALID_SUBJECT",
                  "distinguished_name: may be empty only when there is an alternative name");
    }
    names.alternative_critical = 1;
  }
  return names;
}

bool AddTextExtension(X509* certificate, int nid, const char* value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, certificate, certificate, nullptr, nullptr, 0);
  const ExtensionPtr extension(X509V3_EXT_conf_nid(nullptr, &context, nid, value));
  return extension != nullptr && X509_add_ext(certificate, extension.get(), -1) == 1;
}

bool SetSerial(X509* certificate) {
  const BignumPtr number(BN_new());
  if (number == nullptr || BN_rand(number.get(), 128, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY) != 1) {
    return false;
  }
  const Asn1IntegerPtr serial(BN_to_ASN1_INTEGER(number.get(), nullptr));
  return serial != nullptr && X509_set_serialNumber(certificate, serial.get()) == 1;
}

bool SetDates(X509* certificate, Time now, std::chrono::hours lifetime) {
  const std::time_t start = std::chrono::system_clock::to_time_t(now);
  const auto skew = std::chrono::duration_cast<std::chrono::seconds>(kClockSkew).count();
  const auto life = std::chrono::duration_cast<std::chrono::seconds>(lifetime).count();
  return ASN1_TIME_set(X509_getm_notBefore(certificate), start - skew) != nullptr &&
         ASN1_TIME_set(X509_getm_notAfter(certificate), start + life) != nullptr;
}

bool AddExtensions(X509* certificate, const Names& names) {
  return AddTextExtension(certificate, NID_basic_constraints, "critical,CA:FALSE") &&
         AddTextExtension(certificate, NID_key_usage, "critical,digitalSignature") &&
         AddTextExtension(certificate, NID_ext_key_usage, "serverAuth") &&
         AddTextExtension(certificate, NID_subject_key_identifier, "hash") &&
         (names.alternative == nullptr ||
          X509_add1_ext_i2d(certificate, NID_subject_alt_name, names.alternative.get(),
                            names.alternative_critical, 0) == 1);
}

// Dates beyond what a Time can hold become the last, or the first, that it can.
Time ToTime(std::time_t seconds) {
  using Seconds = std::chrono::seconds;
  const auto first = std::chrono::ceil<Seconds>(Time::min().time_since_epoch()).count();
  const auto last = std::chrono::floor<Seconds>(Time::max().time_since_epoch()).count();
  return std::chrono::system_clock::from_time_t(
      std::clamp<std::time_t>(seconds, std::time_t{first}, std::time_t{last}));
}

Result<std::string> SerialHex(const X509* certificate) {
  const BignumPtr number(ASN1_INTEGER_to_BN(X509_get0_serialNumber(certificate), nullptr));
  if (number == nullptr) return Failed("the serial number");
  Bytes bytes(std::max<std::size_t>(1, static_cast<std::size_t>(BN_num_bytes(number.get()))));
  BN_bn2binpad(number.get(), bytes.data(), static_cast<int>(bytes.size()));
  return (BN_is_negative(number.get()) != 0 ? "-" : "") + Hex(bytes);
}

Result<CertificateInfo> Describe(X509* certificate) {
  CertificateInfo info;
  info.subject = ToString(X509_get_subject_name(certificate));
  info.issuer = ToString(X509_get_issuer_name(certificate));
  ASSIGN_OR_RETURN(info.serial_hex, SerialHex(certificate));
  ASSIGN_OR_RETURN(const std::time_t not_before, ToSeconds(X509_get0_notBefore(certificate)));
  ASSIGN_OR_RETURN(const std::time_t not_after, ToSeconds(X509_get0_notAfter(certificate)));
  info.not_before = ToTime(not_before);
  info.not_after = ToTime(not_after);
  unsigned char* der = nullptr;
  const int size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &der);
  if (size <= 0) return Failed("the public key of the certificate");
  info.subject_public_key_info.assign(der, der + size);
  OPENSSL_free(der);
  return info;
}

Status CheckIssued(X509* certificate, X509* issuer, std::size_t number) {
  const std::string names = "certificate " + std::to_string(number) +
                            " is not signed by certificate " + std::to_string(number + 1);
  if (X509_NAME_cmp(X509_get_issuer_name(certificate), X509_get_subject_name(issuer)) != 0) {
    return Fail(Code::kInvalidArgument, "CHAIN_BROKEN",
                names + ": its issuer is \"" + ToString(X509_get_issuer_name(certificate)) +
                    "\", the next one is \"" + ToString(X509_get_subject_name(issuer)) + "\"");
  }
  EVP_PKEY* key = X509_get0_pubkey(issuer);
  if (key == nullptr || X509_verify(certificate, key) != 1) {
    return FromOpenssl(Code::kInvalidArgument, "CHAIN_BROKEN", names);
  }
  return {};
}

}  // namespace

Result<std::string> MakeCsr(EVP_PKEY* key, const Subject& subject) {
  ERR_clear_error();
  ASSIGN_OR_RETURN(const Names names, MakeNames(subject));
  const X509ReqPtr request(X509_REQ_new());
  if (request == nullptr || X509_REQ_set_subject_name(request.get(), names.subject.get()) != 1 ||
      X509_REQ_set_pubkey(request.get(), key) != 1) {
    return Failed("the certificate request");
  }
  if (names.alternative != nullptr) {
    STACK_OF(X509_EXTENSION)* added = nullptr;
    const int ok = X509V3_add1_i2d(&added, NID_subject_alt_name, names.alternative.get(),
                                   names.alternative_critical, X509V3_ADD_DEFAULT);
    const ExtensionsPtr extensions(added);
    if (ok != 1 || X509_REQ_add_extensions(request.get(), extensions.get()) != 1) {
      return Failed("the alternative names");
    }
  }
  if (X509_REQ_sign(request.get(), key, DigestFor(key)) <= 0) {
    return Failed("signing the certificate request");
  }
  const BioPtr pem(BIO_new(BIO_s_mem()));
  if (PEM_write_bio_X509_REQ(pem.get(), request.get()) != 1) {
    return Failed("the certificate request");
  }
  return TextOf(pem.get());
}

Result<std::string> MakeSelfSigned(EVP_PKEY* key, const Subject& subject, Time now,
                                   std::chrono::hours lifetime) {
  ERR_clear_error();
  ASSIGN_OR_RETURN(const Names names, MakeNames(subject));
  const X509Ptr certificate(X509_new());
  if (certificate == nullptr || X509_set_version(certificate.get(), X509_VERSION_3) != 1 ||
      !SetSerial(certificate.get()) || !SetDates(certificate.get(), now, lifetime) ||
      X509_set_subject_name(certificate.get(), names.subject.get()) != 1 ||
      X509_set_issuer_name(certificate.get(), names.subject.get()) != 1 ||
      X509_set_pubkey(certificate.get(), key) != 1 || !AddExtensions(certificate.get(), names)) {
    return Failed("the certificate");
  }
  if (X509_sign(certificate.get(), key, DigestFor(key)) <= 0) {
    return Failed("signing the certificate");
  }
  const BioPtr pem(BIO_new(BIO_s_mem()));
  if (PEM_write_bio_X509(pem.get(), certificate.get()) != 1) return Failed("the certificate");
  return TextOf(pem.get());
}

Result<CertificateInfo> ReadLeaf(std::string_view chain_pem) {
  ASSIGN_OR_RETURN(const auto chain, ParseCertificates(chain_pem, kChainCaps));
  return Describe(chain.front().get());
}

Result<CertificateInfo> CheckChain(std::string_view chain_pem, Time now) {
  ASSIGN_OR_RETURN(const auto chain, ParseCertificates(chain_pem, kChainCaps));
  const std::time_t seconds = std::chrono::system_clock::to_time_t(now);
  for (std::size_t i = 0; i < chain.size(); ++i) {
    const std::string name = "certificate " + std::to_string(i + 1);
    RETURN_IF_ERROR(CheckInDate(chain[i].get(), seconds, name));
    if (i + 1 < chain.size()) {
      RETURN_IF_ERROR(CheckIssued(chain[i].get(), chain[i + 1].get(), i + 1));
    }
  }
  return Describe(chain.front().get());
}

std::string PublicKeyPem(ByteView subject_public_key_info) {
  const BioPtr pem(BIO_new(BIO_s_mem()));
  PEM_write_bio(pem.get(), "PUBLIC KEY", "", subject_public_key_info.data(),
                static_cast<long>(subject_public_key_info.size()));
  return TextOf(pem.get());
}

}  // namespace seaworthy::tls
