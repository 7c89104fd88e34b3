#include "verify/certificate.h"

#include <openssl/bio.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <memory>

#include "seaworthy/der.h"
#include "seaworthy/status_macros.h"
#include "verify/signature.h"

namespace seaworthy::verify {
namespace {

using GeneralNamesPtr = CPtr<GENERAL_NAMES, GENERAL_NAMES_free>;
using ExtendedKeyUsagePtr = CPtr<EXTENDED_KEY_USAGE, EXTENDED_KEY_USAGE_free>;

constexpr std::size_t kMaxCertificate = 16 * 1024;
constexpr std::size_t kMaxFile = 4 * 1024 * 1024;
constexpr std::size_t kMaxInFile = 4096;
constexpr std::size_t kMaxText = 256;

// TCG OID registry, 2.23.133.
constexpr std::string_view kManufacturer = "2.23.133.2.1";
constexpr std::string_view kModel = "2.23.133.2.2";
constexpr std::string_view kVersion = "2.23.133.2.3";
constexpr std::string_view kEkCertificate = "2.23.133.8.1";

struct OpensslFree {
  void operator()(void* memory) const { OPENSSL_free(memory); }
};

Status Malformed(std::string_view what) { return Fail(Code::kInvalidArgument, "MALFORMED", what); }

std::string ToOid(const ASN1_OBJECT* object) {
  char text[80] = {};
  OBJ_obj2txt(text, sizeof(text), object, 1);
  return text;
}

std::string ToUtf8(const ASN1_STRING* string) {
  unsigned char* text = nullptr;
  const int size = ASN1_STRING_to_UTF8(&text, string);
  if (size < 0) return "";
  const std::unique_ptr<unsigned char, OpensslFree> owner(text);
  return {reinterpret_cast<const char*>(text), std::min(static_cast<std::size_t>(size), kMaxText)};
}

// "id:49465800" is the vendor id "IFX" of the TCG's registry; what is no text stays as it is.
std::string ManufacturerText(const std::string& value) {
  constexpr std::string_view kPrefix = "id:";
  if (!value.starts_with(kPrefix)) return value;
  const Result<Bytes> id = ParseHex(std::string_view(value).substr(kPrefix.size()));
  if (!id.ok()) return value;
  std::string text(AsText(*id));
  text.erase(text.find_last_not_of(std::string_view("\0 ", 2)) + 1);
  const bool printable =
      !text.empty() && std::ranges::all_of(text, [](char c) { return c >= 0x20 && c < 0x7f; });
  return printable ? text : value;
}

void ReadDirectoryName(const X509_NAME* name, TpmModel& model) {
  for (int i = 0; i < X509_NAME_entry_count(name); ++i) {
    const X509_NAME_ENTRY* entry = X509_NAME_get_entry(name, i);
    const std::string oid = ToOid(X509_NAME_ENTRY_get_object(entry));
    std::string value = ToUtf8(X509_NAME_ENTRY_get_data(entry));
    if (oid == kManufacturer) {
      model.manufacturer = ManufacturerText(value);
    } else if (oid == kModel) {
      model.model = std::move(value);
    } else if (oid == kVersion) {
      model.firmware = value.starts_with("id:") ? value.substr(3) : std::move(value);
    }
  }
}

// The certificate has no extended key usage: nullptr.
ExtendedKeyUsagePtr ReadExtendedKeyUsage(const X509* certificate) {
  return ExtendedKeyUsagePtr(static_cast<EXTENDED_KEY_USAGE*>(
      X509_get_ext_d2i(certificate, NID_ext_key_usage, nullptr, nullptr)));
}

bool IsForEk(const EXTENDED_KEY_USAGE* usage) {
  for (int i = 0; i < sk_ASN1_OBJECT_num(usage); ++i) {
    if (ToOid(sk_ASN1_OBJECT_value(usage, i)) == kEkCertificate) return true;
  }
  return false;
}

Result<std::vector<Bytes>> ParsePem(ByteView file) {
  const BioPtr bio(BIO_new_mem_buf(file.data(), static_cast<int>(file.size())));
  std::vector<Bytes> certificates;
  for (;;) {
    unsigned char* der = nullptr;
    long size = 0;
    if (PEM_bytes_read_bio(&der, &size, nullptr, PEM_STRING_X509, bio.get(), nullptr, nullptr) !=
        1) {
      if (ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE) break;
      return Malformed("PEM certificate " + std::to_string(certificates.size() + 1) +
                       " cannot be read");
    }
    const std::unique_ptr<unsigned char, OpensslFree> owner(der);
    if (certificates.size() == kMaxInFile) return Malformed("too many certificates in one file");
    certificates.emplace_back(der, der + size);
  }
  return certificates;
}

}  // namespace

Result<X509Ptr> ParseCertificate(ByteView der) {
  const QuietOpenssl quiet;
  if (der.size() > kMaxCertificate) return Malformed("a certificate of more than 16 KiB");
  const std::vector<Bytes> parts = SplitSequences(der);
  if (parts.empty()) return Malformed("an empty certificate");
  if (parts.size() > 1) return Malformed("a certificate that is followed by other bytes");
  const std::uint8_t* at = parts[0].data();
  X509Ptr certificate(d2i_X509(nullptr, &at, static_cast<long>(parts[0].size())));
  if (certificate == nullptr || at != parts[0].data() + parts[0].size()) {
    return Malformed("bytes that are no X.509 certificate in DER");
  }
  return certificate;
}

Result<std::vector<Bytes>> ParseCertificates(ByteView file) {
  const QuietOpenssl quiet;
  if (file.size() > kMaxFile) return Malformed("a file of more than 4 MiB");
  std::vector<Bytes> certificates;
  if (AsText(file).find("-----BEGIN ") != std::string_view::npos) {
    ASSIGN_OR_RETURN(certificates, ParsePem(file));
  } else {
    certificates = SplitSequences(file);
  }
  if (certificates.empty()) return Malformed("there is no certificate");
  for (const Bytes& certificate : certificates) {
    RETURN_IF_ERROR(ParseCertificate(certificate).status());
  }
  return certificates;
}

std::string ToText(const X509_NAME* name) {
  const BioPtr bio(BIO_new(BIO_s_mem()));
  X509_NAME_print_ex(bio.get(), name, 0, XN_FLAG_RFC2253);
  const char* text = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &text);
  return size > 0 ? std::string(text, static_cast<std::size_t>(size)) : std::string();
}

TpmModel ReadTpmModel(const X509* certificate) {
  const QuietOpenssl quiet;
  TpmModel model;
  const GeneralNamesPtr names(static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
  for (int i = 0; i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names.get(), i);
    if (name->type == GEN_DIRNAME) ReadDirectoryName(name->d.directoryName, model);
  }
  return model;
}

std::string WhyNotForTpm(X509* certificate) {
  const QuietOpenssl quiet;
  if ((X509_get_extension_flags(certificate) & EXFLAG_INVALID) != 0) {
    return "an extension of the certificate does not parse";
  }
  if ((X509_get_extension_flags(certificate) & EXFLAG_CA) != 0) {
    return "the certificate is one of a certificate authority";
  }
  constexpr std::uint32_t kEncrypts = KU_KEY_ENCIPHERMENT | KU_KEY_AGREEMENT | KU_DATA_ENCIPHERMENT;
  // All bits are set where there is no key usage.
  if ((X509_get_key_usage(certificate) & kEncrypts) == 0) {
    return "its key usage allows neither key encipherment nor key agreement";
  }
  if (const ExtendedKeyUsagePtr usage = ReadExtendedKeyUsage(certificate); usage != nullptr) {
    return IsForEk(usage.get()) ? "" : "its extended key usage is not that of EK certificates";
  }
  return ReadTpmModel(certificate).manufacturer.empty()
             ? "it has neither the extended key usage of EK certificates nor the name of a TPM"
             : "";
}

}  // namespace seaworthy::verify
