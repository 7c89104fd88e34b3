// Endorsement keys in software and certificates for them: whole and right until a test changes a
// part and issues again.
#pragma once

#include <openssl/x509v3.h>

#include <ctime>

#include "seaworthy/enrolment.h"
#include "unit/verify/forger.h"

namespace seaworthy::verify {

using Certificate = CPtr<X509, X509_free>;

inline constexpr TPMA_OBJECT kEkAttributes =
    TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT | TPMA_OBJECT_SENSITIVEDATAORIGIN |
    TPMA_OBJECT_ADMINWITHPOLICY | TPMA_OBJECT_RESTRICTED | TPMA_OBJECT_DECRYPT;

inline Bytes ToDer(X509* certificate) {
  std::uint8_t* der = nullptr;
  const int size = i2d_X509(certificate, &der);
  EXPECT_GT(size, 0);
  Bytes bytes(der, der + size);
  OPENSSL_free(der);
  return bytes;
}

inline void Extend(X509* certificate, int nid, const std::string& value) {
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, nullptr, nid, value.c_str());
  ASSERT_NE(extension, nullptr) << value;
  EXPECT_EQ(X509_add_ext(certificate, extension, -1), 1);
  X509_EXTENSION_free(extension);
}

inline Certificate Begin(EVP_PKEY* key, const std::string& name, std::time_t not_before,
                         std::time_t not_after) {
  Certificate certificate(X509_new());
  X509* const made = certificate.get();
  X509_set_version(made, X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(made), 7);
  ASN1_TIME_set(X509_getm_notBefore(made), not_before);
  ASN1_TIME_set(X509_getm_notAfter(made), not_after);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(made), "CN", MBSTRING_UTF8,
                             reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0);
  EXPECT_EQ(X509_set_pubkey(made, key), 1);
  return certificate;
}

struct Ca {
  explicit Ca(std::string name_, const Ca* issuer = nullptr) : name(std::move(name_)) {
    certificate = Begin(key.get(), name, std::time(nullptr) - 3600, std::time(nullptr) + 3600);
    Extend(certificate.get(), NID_basic_constraints, "critical,CA:TRUE");
    const Ca& by = issuer == nullptr ? *this : *issuer;
    X509_set_issuer_name(certificate.get(), X509_get_subject_name(by.certificate.get()));
    EXPECT_GT(X509_sign(certificate.get(), by.key.get(), EVP_sha256()), 0);
  }
  Bytes der() const { return ToDer(certificate.get()); }

  std::string name;
  SoftwareKey key{EVP_EC_gen("P-256")};
  Certificate certificate;
};

struct EkMaker {
  SoftwareKey key{EVP_EC_gen("P-256")};
  TPMT_PUBLIC area = EkArea();
  Ca root{"Vendor Root"};
  const Ca* issuer = &root;
  const EVP_MD* md = EVP_sha256();
  std::time_t not_before = std::time(nullptr) - 60;
  std::time_t not_after = std::time(nullptr) + 60;
  std::string basic_constraints = "critical,CA:FALSE";
  std::string key_usage = "critical,keyAgreement";
  std::string extended_key_usage = "2.23.133.8.1";
  std::string manufacturer = "id:49465800";  // empty: no subjectAltName
  int unknown_extension = -1;                // 0: there, 1: critical
  std::vector<Bytes> chain;
  TPMT_PUBLIC ak = EccArea(SoftwareKey(EVP_EC_gen("P-256")).get());

  TPMT_PUBLIC EkArea() const {
    TPMT_PUBLIC ek = EccArea(key.get(), kEkAttributes);
    TPMS_ECC_PARMS& parameters = ek.parameters.eccDetail;
    parameters.scheme = {};
    parameters.scheme.scheme = TPM2_ALG_NULL;
    parameters.symmetric.algorithm = TPM2_ALG_AES;
    parameters.symmetric.keyBits.aes = 128;
    parameters.symmetric.mode.aes = TPM2_ALG_CFB;
    return ek;
  }

  void AddTpmName(X509* certificate) const {
    X509_NAME* name = X509_NAME_new();
    for (const auto& [oid, value] :
         {std::pair<const char*, std::string>("2.23.133.2.1", manufacturer),
          {"2.23.133.2.2", "SLB9670"},
          {"2.23.133.2.3", "id:0D0B"}}) {
      ASN1_OBJECT* object = OBJ_txt2obj(oid, 1);
      X509_NAME_add_entry_by_OBJ(name, object, MBSTRING_UTF8,
                                 reinterpret_cast<const unsigned char*>(value.c_str()), -1, -1, 0);
      ASN1_OBJECT_free(object);
    }
    GENERAL_NAMES* names = sk_GENERAL_NAME_new_null();
    GENERAL_NAME* general = GENERAL_NAME_new();
    GENERAL_NAME_set0_value(general, GEN_DIRNAME, name);
    sk_GENERAL_NAME_push(names, general);
    EXPECT_EQ(X509_add1_ext_i2d(certificate, NID_subject_alt_name, names, 1, 0), 1);
    GENERAL_NAMES_free(names);
  }

  Bytes Issue() const {
    const Certificate made = Begin(key.get(), "ek", not_before, not_after);
    X509* const certificate = made.get();
    X509_set_issuer_name(certificate, X509_get_subject_name(issuer->certificate.get()));
    Extend(certificate, NID_basic_constraints, basic_constraints);
    if (!key_usage.empty()) Extend(certificate, NID_key_usage, key_usage);
    if (!extended_key_usage.empty()) Extend(certificate, NID_ext_key_usage, extended_key_usage);
    if (!manufacturer.empty()) AddTpmName(certificate);
    if (unknown_extension >= 0) {
      ASN1_OBJECT* oid = OBJ_txt2obj("1.3.6.1.4.1.99999.1", 1);
      ASN1_OCTET_STRING* value = ASN1_OCTET_STRING_new();
      X509_EXTENSION* extension =
          X509_EXTENSION_create_by_OBJ(nullptr, oid, unknown_extension, value);
      X509_add_ext(certificate, extension, -1);
      X509_EXTENSION_free(extension);
      ASN1_OCTET_STRING_free(value);
      ASN1_OBJECT_free(oid);
    }
    EXPECT_GT(X509_sign(certificate, issuer->key.get(), md), 0);
    return ToDer(certificate);
  }

  EndorsementKey Key() const { return {Marshal(Tss2_MU_TPMT_PUBLIC_Marshal, area), Issue()}; }
  Endorsement Offer() const { return {{Key()}, chain, Marshal(Tss2_MU_TPMT_PUBLIC_Marshal, ak)}; }
};

}  // namespace seaworthy::verify
