// Certificates made on the spot with software keys, for tests.
#pragma once

#include <gtest/gtest.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include <ctime>
#include <string>

#include "seaworthy/tls/openssl.h"

namespace seaworthy::testing {

inline tls::EvpPkeyPtr NewEcKey() { return tls::EvpPkeyPtr(EVP_EC_gen("P-256")); }

inline std::string BioText(BIO* bio) {
  const char* text = nullptr;
  const long size = BIO_get_mem_data(bio, &text);
  return {text, static_cast<std::size_t>(size)};
}

inline std::string ToPem(X509* certificate) {
  const tls::BioPtr bio(BIO_new(BIO_s_mem()));
  PEM_write_bio_X509(bio.get(), certificate);
  return BioText(bio.get());
}

inline std::string ToPem(EVP_PKEY* key) {
  const tls::BioPtr bio(BIO_new(BIO_s_mem()));
  PEM_write_bio_PrivateKey(bio.get(), key, nullptr, nullptr, 0, nullptr, nullptr);
  return BioText(bio.get());
}

inline tls::X509Ptr ToX509(const std::string& pem) {
  const tls::BioPtr bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  return tls::X509Ptr(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
}

struct CertificateOptions {
  std::string common_name = "test";
  bool is_ca = false;
  std::string alternative_names;  // "DNS:a,URI:b"
  std::time_t not_before = std::time(nullptr) - 60;
  std::time_t not_after = std::time(nullptr) + 3600;
};

// A null issuer makes it self-signed.
inline tls::X509Ptr Issue(EVP_PKEY* subject_key, X509* issuer, EVP_PKEY* issuer_key,
                          const CertificateOptions& options) {
  tls::X509Ptr certificate(X509_new());
  X509* const made = certificate.get();
  X509_set_version(made, X509_VERSION_3);
  static long serial = 1;
  ASN1_INTEGER_set(X509_get_serialNumber(made), ++serial);
  ASN1_TIME_set(X509_getm_notBefore(made), options.not_before);
  ASN1_TIME_set(X509_getm_notAfter(made), options.not_after);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(made), "CN", MBSTRING_UTF8,
                             reinterpret_cast<const unsigned char*>(options.common_name.c_str()),
                             -1, -1, 0);
  X509_set_issuer_name(made, X509_get_subject_name(issuer != nullptr ? issuer : made));
  EXPECT_EQ(X509_set_pubkey(made, subject_key), 1);
  const auto extend = [&](int nid, const std::string& value) {
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer != nullptr ? issuer : made, made, nullptr, nullptr, 0);
    X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str());
    EXPECT_EQ(X509_add_ext(made, extension, -1), 1);
    X509_EXTENSION_free(extension);
  };
  extend(NID_basic_constraints, options.is_ca ? "critical,CA:TRUE" : "critical,CA:FALSE");
  if (!options.alternative_names.empty()) extend(NID_subject_alt_name, options.alternative_names);
  EXPECT_GT(X509_sign(made, issuer_key != nullptr ? issuer_key : subject_key, EVP_sha256()), 0);
  return certificate;
}

struct SoftwareCa {
  explicit SoftwareCa(const std::string& name = "Test CA") {
    CertificateOptions options;
    options.common_name = name;
    options.is_ca = true;
    certificate = Issue(key.get(), nullptr, nullptr, options);
  }
  tls::X509Ptr Certify(EVP_PKEY* subject_key, const CertificateOptions& options = {}) const {
    return Issue(subject_key, certificate.get(), key.get(), options);
  }
  std::string pem() const { return ToPem(certificate.get()); }

  tls::EvpPkeyPtr key = NewEcKey();
  tls::X509Ptr certificate;
};

}  // namespace seaworthy::testing
